"""Rewrites: they change a network without data and keep its function. A model file holds them as steps."""
