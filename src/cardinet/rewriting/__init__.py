"""Jobs that rewrite a model: the available rewrites, the request, the proven work, and pruning as a training run."""
