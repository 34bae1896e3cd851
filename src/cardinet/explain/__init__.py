"""Questions to a network: why it answers as it does. A question gives figures, tables and plain data."""
