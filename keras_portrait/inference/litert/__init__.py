"""Runs model files: the runtime, what a file is made of, and a try in a process of its own."""
