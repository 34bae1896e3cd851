"""The version of Cardinet, as packages, model files and reports state it."""

__version__ = "0.1.0"
