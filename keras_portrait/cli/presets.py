"""`portrait presets`: what there is to draw with."""

from keras_portrait.terminal import tell


def presets() -> None:
    """List the presets in the package and the filters: method, input, size and styles."""
    from keras_portrait.inference.filter_presets import DESCRIPTION
    from keras_portrait.inference.filters import FILTERS
    from keras_portrait.inference.metadata import NOISE, read_metadata
    from keras_portrait.inference.presets import find_preset, list_presets

    for name in list_presets():
        metadata = read_metadata(find_preset(name))
        tell(f"{name}: {metadata.description or 'no description'}")
        given = f"noise of {metadata.noise}" if metadata.inputs == NOISE else "photo"
        made = "picture in colour" if metadata.channels == 3 else "drawing"
        tell(f"  {metadata.method}: {given} to {made}, {metadata.size} x {metadata.size}")
        if "style" in metadata.inputs:
            for index, style in enumerate(metadata.styles):
                tell(f"  --style {index} or {style}")
    tell(f"{', '.join(f'filter:{name}' for name in FILTERS)}: {DESCRIPTION}")
    tell("  photo to drawing, as large as the photo up to 4096 x 4096")
