"""Sources, decoding, preprocessing and batches: everything between a folder of pictures and a network's input.

A sample's picture, its position in an epoch and its augmentation are functions of (source, seed, epoch, index) alone.
They do not depend on the number of workers, on the batch, or on the step at which a run was resumed.
"""
