"""Whose face it is: a judge of drawings that no loss and no training may learn from."""
