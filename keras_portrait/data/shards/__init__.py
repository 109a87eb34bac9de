"""Prepared pictures packed into tar files, for object stores."""
