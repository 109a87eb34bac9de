"""From a photo to a drawing, without TensorFlow: all that a small machine needs."""
