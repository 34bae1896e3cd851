"""What can be done to a network without data: rewrites that keep its function, as steps that travel in a model file."""
