"""The lowest room: errors, settings, atomic files, randomness and durations. It imports no other room."""
