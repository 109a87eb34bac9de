"""Model cards: what a preset was trained on, how it measures, what it does badly."""
