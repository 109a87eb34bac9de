"""The classifier that tells the styles of drawings."""
