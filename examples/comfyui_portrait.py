"""A node for ComfyUI that draws the faces of pictures: Add Node > image > Portrait drawing.

    pip install .                                               # in ComfyUI's Python environment
    cp examples/comfyui_portrait.py COMFYUI/custom_nodes/       # then start ComfyUI again

It draws on the processor, in milliseconds to seconds a picture, and leaves the GPU to others.
"""

import logging
from functools import lru_cache

import numpy as np

from keras_portrait import InputError, PortraitError, Stylizer
from keras_portrait.errors import NoFaceError, SettingError
from keras_portrait.inference.addresses.address import is_address
from keras_portrait.inference.imaging import fit_frame
from keras_portrait.inference.presets import list_presets
from keras_portrait.inference.style import style_vector
from keras_portrait.inference.stylizer import BACKGROUNDS

# `avatars` makes faces out of noise; `filter` draws without a network.
PRESETS = [name for name in list_presets() if name != "avatars"] + ["filter"]
WITHOUT_FACE = ["keep the picture", "draw it whole", "stop"]

_LOGGER = logging.getLogger(__name__)


class PortraitDrawing:
    """Draws every picture of a batch; each keeps its size and its place."""

    CATEGORY = "image"
    DESCRIPTION = "Draws the faces of pictures as line portraits."
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("drawing",)
    FUNCTION = "draw"

    @classmethod
    def INPUT_TYPES(cls):
        """The node's inputs, as ComfyUI asks for them."""
        text = {
            "style": "A style of the preset by name or number, or a mix: ink:0.7,line:0.3. "
            "Empty for its first.",
            "faces": "All faces of a picture, or the largest alone.",
            "background": "White paper, or the picture around the drawing.",
            "without_face": "What becomes of a picture in which no face is found.",
            "preset_folder": "A folder that is a preset of your own; used instead of the preset.",
        }
        return {
            "required": {
                "image": ("IMAGE",),
                "preset": (PRESETS, {"default": "portrait"}),
                "style": ("STRING", {"default": "", "tooltip": text["style"]}),
                "faces": (["all", "largest"], {"tooltip": text["faces"]}),
                "background": (list(BACKGROUNDS), {"tooltip": text["background"]}),
                "without_face": (WITHOUT_FACE, {"tooltip": text["without_face"]}),
            },
            "optional": {
                "preset_folder": ("STRING", {"default": "", "tooltip": text["preset_folder"]}),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(cls, preset, style, preset_folder=""):
        """Refuses a preset or a style that does not exist before anything runs.

        Returns:
            True, or what is wrong. What another node will say arrives as None and is passed over.
        """
        if preset is None or preset_folder is None:
            return True
        try:
            style_vector(style or None, _load(preset_folder or preset).metadata.styles)
        except PortraitError as error:
            return str(error)
        return True

    def draw(self, image, preset, style, faces, background, without_face, preset_folder=""):
        """Draws a batch.

        Args:
            image: float (B, H, W, C) in [0, 1], a tensor of torch or an array; 1, 3 or 4 channels,
                the fourth alpha.
            preset: name of a preset.
            style: as `Stylizer` takes it; empty for the first.
            faces: "all" or "largest".
            background: "white" or "keep".
            without_face: one of `WITHOUT_FACE`.
            preset_folder: a preset of one's own.

        Returns:
            A tuple of the drawings, of the same kind: (B, H, W, 3).

        Raises:
            InputError: a picture has no face, where that is to stop the run.
            SettingError: there is no such preset or style.
        """
        stylizer, photos = _load(preset_folder or preset), _pixels(image)
        how = {"style": style or None, "background": background}
        drawings, faceless, advance = [], [], _progress(len(photos))
        for number, photo in enumerate(photos, start=1):
            try:
                drawing = stylizer(photo, faces=faces, **how)
            except NoFaceError as error:
                if without_face == "stop":
                    raise InputError(f"Picture {number} of {len(photos)}: {error}") from None
                faceless.append(number)
                whole = without_face == "draw it whole"
                drawing = stylizer(photo, whole=True, **how) if whole else photo
            # Pictures in colour come as a row of squares.
            drawings.append(fit_frame(drawing, photo.shape[1], photo.shape[0]))
            advance(1)
        if faceless:
            done = "are drawn whole" if without_face == "draw it whole" else "stay as they are"
            numbers = ", ".join(map(str, faceless))
            _LOGGER.warning("Portrait: pictures without a face %s: %s of %d", done, numbers, number)
        return (_like(image, np.stack(drawings)),)


@lru_cache(maxsize=2)
def _load(preset: str) -> Stylizer:
    # A workflow of a stranger must not have files fetched.
    if is_address(preset):
        raise SettingError(f"Expected a preset of this machine. Received: {preset}")
    return Stylizer(preset)


def _pixels(image) -> np.ndarray:
    """A batch as uint8 RGB (B, H, W, 3), on white where it is transparent."""
    if hasattr(image, "detach"):  # a tensor of torch, which may be half as exact and on a GPU
        image = image.detach().cpu().float().numpy()
    batch = np.clip(np.nan_to_num(np.asarray(image, np.float32)), 0, 1)
    if batch.ndim != 4 or batch.shape[-1] not in (1, 3, 4) or 0 in batch.shape:
        raise InputError(
            "Expected pictures as a batch (B, H, W, C) of 1, 3 or 4 channels. "
            f"Received: {batch.shape}"
        )
    colours, alpha = batch[..., :3], batch[..., 3:]
    if batch.shape[-1] == 4:
        colours = colours * alpha + (1 - alpha)
    return np.rint(255 * np.broadcast_to(colours, (*batch.shape[:3], 3))).astype(np.uint8)


def _like(image, pixels: np.ndarray):
    """Pixels as numbers in [0, 1], of the type of a batch and where that lies."""
    batch = pixels.astype(np.float32) / 255
    # So that this file runs, and is tested, without torch.
    return image.new_tensor(batch) if hasattr(image, "new_tensor") else batch.astype(image.dtype)


def _progress(pictures: int):
    """Moves ComfyUI's progress bar, which is also what stops a run; does nothing elsewhere."""
    try:
        from comfy.utils import ProgressBar
    except ImportError:
        return lambda count: None
    return ProgressBar(pictures).update


NODE_CLASS_MAPPINGS = {"KerasPortraitDrawing": PortraitDrawing}
NODE_DISPLAY_NAME_MAPPINGS = {"KerasPortraitDrawing": "Portrait drawing"}
