"""Distillation of a trained generator into a small one."""
