"""The command `portrait`.

Each subcommand is a function in a module of its own that imports what it works with when it
runs, so that `portrait --help` and `portrait --version` are quick.
"""

import sys
from typing import Annotated

import typer

import keras_portrait
from keras_portrait.cli.card import card
from keras_portrait.cli.compare import compare
from keras_portrait.cli.distill import distill
from keras_portrait.cli.evaluate import evaluate
from keras_portrait.cli.prepare import prepare
from keras_portrait.cli.presets import presets
from keras_portrait.cli.sample import sample
from keras_portrait.cli.serve import serve
from keras_portrait.cli.stylize import stylize
from keras_portrait.cli.train import train
from keras_portrait.errors import PortraitError
from keras_portrait.terminal import remark, running, tell

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Turn photos of faces into line portraits.",
    epilog="For example: portrait stylize me.jpg",
)
# In the order in which a person needs them; longer texts stand in the functions.
for command, line in (
    (stylize, "Draw photos, every photo of a folder, or videos."),
    (compare, "Draw photos with several presets, on one sheet."),
    (serve, "Draw for other programs, over HTTP."),
    (sample, "Make a sheet of pictures out of noise, such as avatars."),
    (presets, "List what there is to draw with."),
    (prepare, "Make photos, drawings or avatars ready for training."),
    (train, "Train a model on prepared pictures: the recipe says which."),
    (distill, "Train a small generator to draw like a trained one."),
    (evaluate, "Measure how good the drawings of presets and runs are."),
    (card, "Write the model card of a preset."),
):
    app.command(short_help=line)(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        tell(f"keras-portrait {keras_portrait.__version__}")
        raise typer.Exit


@app.callback()
def portrait(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error comes from; goes anywhere.")
    ] = False,
) -> None:
    """The options of the command itself; `main` sees to --debug."""


def main() -> None:
    """Runs the command line; an error that the user can mend is one line and its exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    with running("portrait"):
        try:
            app(arguments)
        except PortraitError as error:
            if len(arguments) < len(sys.argv) - 1:
                raise
            remark(f"portrait: {error}")
            sys.exit(error.exit_code)
