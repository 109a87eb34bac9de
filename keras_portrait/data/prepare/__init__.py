"""`portrait prepare`: photos, drawings and avatars made ready for training."""
