"""Videos, animated pictures and cameras: read, drawn frame by frame, written."""
