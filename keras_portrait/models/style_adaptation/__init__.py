"""Style adaptation: one more style for a trained generator, learned from few drawings."""
