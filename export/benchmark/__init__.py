"""Times and compares model files, on this machine."""
