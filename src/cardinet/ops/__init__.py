"""Custom operators of torch with their own kernels, which are compiled on first use, and their reference in torch."""
