"""Several devices and hosts that share a batch."""
