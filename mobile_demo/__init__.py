"""The portrait demo for small machines (the `portrait-demo` command); never loads TensorFlow."""

# A student: drawn with many times a second.
DEFAULT_PRESET = "fast"
# What the live drawing is looked at in.
VIEWS = ("web", "window", "none")
