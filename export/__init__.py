"""From a training run to a model file for small machines (the `portrait-export` command)."""
