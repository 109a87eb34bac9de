"""A page made with Gradio that draws photos, and an API for scripts.

    pip install . gradio
    python examples/gradio_page.py        # prints its address

Photos stay on this machine. On a Space of Hugging Face it is `app.py`.
"""

from functools import lru_cache

import gradio as gr
from PIL import Image

from keras_portrait import PortraitError, Stylizer
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.presets import BUILT_IN, list_presets


def choices() -> list[str]:
    """Every style of every preset that draws photos, as PRESET:STYLE."""
    styles = {name: read_metadata(BUILT_IN / name).styles for name in list_presets()}
    return [f"{preset}:{style}" for preset, names in styles.items() for style in names]


@lru_cache(maxsize=2)
def load(preset: str) -> Stylizer:
    """Loads a preset once."""
    return Stylizer(preset)


def draw(photo: Image.Image | None, drawing: str, faces: str, crop: bool) -> Image.Image:
    """Draws a photo.

    Args:
        photo: None where none was chosen.
        drawing: one of `choices`.
        faces: "largest" or "all".
        crop: whether the face is turned upright and fills the picture.

    Raises:
        gradio.Error: what is wrong, shown on the page.
    """
    if photo is None:
        raise gr.Error("Choose a photo first.", print_exception=False)
    preset, _, style = drawing.partition(":")
    try:
        return load(preset)(photo, style=style, faces=faces, crop=crop)
    except PortraitError as error:
        raise gr.Error(str(error), print_exception=False) from error


def make_page() -> gr.Interface:
    """The page, which is not served yet."""
    return gr.Interface(
        fn=draw,
        inputs=[
            gr.Image(type="pil", label="Photo"),
            gr.Dropdown(choices(), value="portrait:ink", label="Drawing"),
            gr.Radio(["largest", "all"], value="largest", label="Faces"),
            gr.Checkbox(label="The face alone, upright"),
        ],
        outputs=gr.Image(type="pil", format="png", label="Drawing"),
        title="Portraits",
        description="Draws the face of a photo. Photos stay on the machine that serves this page.",
        api_name="draw",
        flagging_mode="never",
        analytics_enabled=False,
    )


if __name__ == "__main__":
    make_page().launch()
