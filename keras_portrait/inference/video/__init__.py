"""Videos and animated pictures: read, drawn frame by frame, written."""
