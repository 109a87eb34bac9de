"""The face detector's networks, in the form that the page's runtime takes."""

from keras_portrait.inference.faces.mtcnn import NETS


def face_nets() -> dict[str, bytes]:
    """Contents of the model files by name."""
    return {path.name: path.read_bytes() for path in sorted(NETS.glob("*.tflite"))}
