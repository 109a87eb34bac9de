"""Training data: preparing folders, drawing stand-ins, feeding batches."""
