"""Networks as figures for a paper: from a description and its measured counts to one SVG file."""
