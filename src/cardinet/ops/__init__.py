"""Custom operators of torch with own kernels in C++ and Triton, compiled on first use, and their reference in torch."""
