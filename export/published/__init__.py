"""Generators of other projects, rebuilt by the names and shapes of their published weights."""
