"""Loads the templates of pages."""

import functools
from pathlib import Path

from keras_portrait.errors import MissingExtra


@functools.cache
def load_template(path: Path, page: str):
    """A Jinja template that escapes what is put into it and refuses what it is not given.

    Args:
        path: the template's file.
        page: what an error calls the page, at the start of a sentence.

    Raises:
        MissingExtra: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtra(
            f'{page} needs jinja2. Install it with: pip install "keras-portrait[train]"'
        ) from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(path.read_text(encoding="utf-8"))
