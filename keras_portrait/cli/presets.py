"""`portrait presets`: what there is to draw with, and what others have made."""

from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.terminal import remark, tell

_ADDRESS_HELP = "hf://user/name, hf://user/name@REVISION, or https://host/name.zip#sha256=..."

presets = typer.Typer(rich_markup_mode=None)


@presets.callback(invoke_without_command=True)
def list_all(context: typer.Context) -> None:
    """List what there is to draw with: the presets in the package, those in the cache, the filters.

    Each with its method, input, size and styles. Any address stands where a preset is asked for:
    portrait stylize me.jpg --preset hf://user/name
    """
    if context.invoked_subcommand:
        return
    from keras_portrait.errors import PortraitError
    from keras_portrait.inference.addresses.cache import list_cached
    from keras_portrait.inference.filter_presets import DESCRIPTIONS
    from keras_portrait.inference.filters import FILTERS
    from keras_portrait.inference.presets import find_preset, list_presets

    for name in list_presets():
        _tell_preset(name, find_preset(name))
    for cached in list_cached():
        try:
            _tell_preset(cached.address, cached.folder)
        except PortraitError as error:
            remark(f"portrait: {error}")
    for prefix, description in DESCRIPTIONS.items():
        tell(f"{', '.join(f'{prefix}:{name}' for name in FILTERS)}: {description}")
    tell("  photo to drawing, as large as the photo up to 4096 x 4096")


@presets.command(short_help="Fetch a preset into the cache.")
def get(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help=_ADDRESS_HELP)],
) -> None:
    """Fetch a preset into the cache, and say where it lies; one that is there is fetched again.

    To draw, it suffices to name the address, which is fetched the first time. The cache is the
    folder presets in KERAS_PORTRAIT_CACHE, or in ~/.cache/keras-portrait.
    """
    from keras_portrait.inference.addresses.address import parse_address
    from keras_portrait.inference.presets import fetch_preset

    folder = fetch_preset(address)
    _tell_preset(parse_address(address).text, folder)
    tell(f"  in {folder}")


@presets.command(short_help="Put a preset on the hub.")
def push(
    preset: Annotated[
        str, typer.Argument(metavar="FOLDER", help="The preset, as `portrait-export` made it.")
    ],
    address: Annotated[
        str,
        typer.Argument(
            metavar="hf://USER/NAME", help="The repository; it is made where there is none."
        ),
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository for its owner alone.")
    ] = False,
) -> None:
    """Put a preset on the Hugging Face Hub, in one commit, with its model card.

    It is tried first, as those of others are. `hf auth login` or HF_TOKEN says who you are; the
    last line is the address of exactly this state, for others.
    """
    from keras_portrait.inference.addresses.push import push_preset
    from keras_portrait.inference.presets import find_preset, load_preset

    folder = find_preset(preset)
    metadata = load_preset(folder).metadata
    pushed = push_preset(folder, metadata, address, private)
    if pushed.left_out:
        remark(f"portrait: left out, as no part of a preset: {', '.join(pushed.left_out)}")
    tell(pushed.address)


def _tell_preset(name: str, folder: Path) -> None:
    from keras_portrait.inference.metadata import NOISE, read_metadata

    metadata = read_metadata(folder)
    tell(f"{name}: {metadata.description or 'no description'}")
    given = f"noise of {metadata.noise}" if metadata.inputs == NOISE else "photo"
    made = "picture in colour" if metadata.channels == 3 else "drawing"
    tell(f"  {metadata.method}: {given} to {made}, {metadata.size} x {metadata.size}")
    if "style" in metadata.inputs:
        for index, style in enumerate(metadata.styles):
            tell(f"  --style {index} or {style}")
