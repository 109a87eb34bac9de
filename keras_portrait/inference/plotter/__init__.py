"""Drawings as strokes of a pen: what a pen plotter draws, as SVG or G-code."""
