"""Asymmetric cycle mapping: photos to portrait drawings without pairs."""
