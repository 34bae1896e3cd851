"""Rewrites of a model as jobs: what can be asked for, the request, the proven work, and pruning as a training run."""
