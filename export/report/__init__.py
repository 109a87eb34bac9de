"""The report of an export: sizes, times, fidelity, and the worst pictures."""
