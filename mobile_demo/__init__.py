"""The portrait demo for small machines (the `portrait-demo` command); never loads TensorFlow."""
