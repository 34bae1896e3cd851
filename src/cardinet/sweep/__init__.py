"""Sweeps: many trainings with settings drawn from a space, by a sampler, on an engine."""
