"""A page of static files that draws in the visitor's own browser."""
