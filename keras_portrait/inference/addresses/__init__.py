"""Presets by address: named, fetched within bounds, tried, and kept in a cache."""
