"""The photo booth: button, countdown, printer, kept files, and a plugin for pibooth."""
