"""A network run forward by Cardinet's own kernels."""
