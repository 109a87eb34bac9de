"""Makes the packaged model files of others: face detector, segmentation, a net to compare with."""
