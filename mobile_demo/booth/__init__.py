"""The photo booth: button, countdown, printer, kept files, and plugins for other booths."""
