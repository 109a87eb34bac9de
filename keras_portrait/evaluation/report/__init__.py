"""The report of an evaluation: a page, figures and pictures."""
