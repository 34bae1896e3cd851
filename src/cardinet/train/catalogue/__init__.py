"""Every setting that `--set` knows, from the code itself: its key, type, default and sentence, as data and as text."""
