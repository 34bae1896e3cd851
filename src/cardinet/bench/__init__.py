"""Measure what a network costs on this machine, beside what other programs make of the same network."""
