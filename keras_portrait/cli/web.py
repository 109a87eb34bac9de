"""`portrait web`: the page that draws in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.terminal import tell

_MEGABYTE = 1_000_000


def web(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Folder to make or to fill; one that this command made is brought up to date.",
        ),
    ],
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name from `portrait presets`, a preset's folder, model file or address "
            "(hf://user/name); may be given several times, the one that the page begins with "
            "first. Without it: fast, fine, portrait and artists.",
        ),
    ] = None,
) -> None:
    """Write a page that draws in the visitor's own browser, live or from photos.

    Any web server can serve the folder; photos never leave the visitor's device. npm fetches the
    page's runtime the first time.
    """
    from keras_portrait.web.site import PRESETS, write_site

    site = write_site(out, tuple(preset or PRESETS))
    megabytes = sum(site.files.values()) / _MEGABYTE
    tell(f"{out}: {len(site.files)} files, {megabytes:.1f} MB; presets: {', '.join(site.presets)}")
    tell(f'To try it: python -m http.server --directory "{out}" --bind 127.0.0.1 8000')
