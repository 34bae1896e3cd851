"""Sources, decoding, preprocessing and batches: everything between a folder of pictures and a network's input.

A sample's picture, its place in an epoch and its augmentation are functions of (source, seed, epoch, index)
alone; the number of workers, the batch it stands in and where a run was resumed change nothing.
"""
