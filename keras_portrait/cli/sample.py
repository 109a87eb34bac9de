"""`portrait sample`: a sheet of pictures out of noise."""

import re
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.generators import ARGUMENT_HELP, open_generator
from keras_portrait.errors import SettingError
from keras_portrait.terminal import tell


def sample(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help=ARGUMENT_HELP)],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help="The sheet: a .png or .jpg file."),
    ],
    grid: Annotated[
        str, typer.Option(metavar="COLUMNSxROWS", help="How many pictures the sheet has.")
    ] = "6x6",
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="In each row, lead from one picture to another.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same number gives the same sheet.")] = 0,
) -> None:
    """Make a sheet of pictures out of noise, such as avatars."""
    columns, rows = _parse_grid(grid)
    if interpolate and columns < 2:
        raise SettingError(f"--interpolate needs 2 columns or more. Received: {grid}")
    from keras_portrait.files import make_folder
    from keras_portrait.inference.imaging import grid as lay_out
    from keras_portrait.inference.imaging import write_image
    from keras_portrait.inference.sampler import Sampler, noise_paths, random_noise
    from keras_portrait.inference.sheets import check_output, check_sheet

    check_output(output)
    sampler = Sampler(open_generator(preset))
    check_sheet(columns, rows, sampler.metadata.size)
    length = sampler.metadata.noise
    if interpolate:
        noise = noise_paths(rows, columns, length, seed)
    else:
        noise = random_noise(columns * rows, length, seed)
    sheet = lay_out(sampler(noise), columns)
    make_folder(output.parent)
    write_image(output, sheet)
    tell(output)


def _parse_grid(text: str) -> tuple[int, int]:
    # Four digits at most: no sheet has more, and larger ones overflow further down.
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text, re.ASCII)
    if match is None:
        raise SettingError(f"--grid: expected COLUMNSxROWS, such as 6x6. Received: {text}")
    return int(match[1]), int(match[2])
