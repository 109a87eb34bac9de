"""The command `portrait`.

Each subcommand is a function in a module of its own that imports what it works with when it
runs, so that `portrait --help` and `portrait --version` are quick.
"""

import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

import keras_portrait
from keras_portrait.cli.adapt import adapt
from keras_portrait.cli.card import card
from keras_portrait.cli.compare import compare
from keras_portrait.cli.distill import distill
from keras_portrait.cli.evaluate import evaluate
from keras_portrait.cli.experiment import experiment
from keras_portrait.cli.prepare import prepare
from keras_portrait.cli.presets import presets
from keras_portrait.cli.sample import sample
from keras_portrait.cli.serve import serve
from keras_portrait.cli.stylize import stylize
from keras_portrait.cli.train import train
from keras_portrait.cli.web import web
from keras_portrait.errors import PortraitError
from keras_portrait.terminal import remark, running, tell

# In the order in which a person needs them; longer texts stand in the functions.
_COMMANDS = {
    "stylize": (stylize, "Draw photos, every photo of a folder, or videos."),
    "compare": (compare, "Draw photos with several presets, on one sheet."),
    "serve": (serve, "Draw for other programs, over HTTP."),
    "web": (web, "Write a page that draws in the visitor's own browser."),
    "sample": (sample, "Make a sheet of pictures out of noise, such as avatars."),
    "presets": (presets, "List what there is to draw with; get and push presets."),
    "prepare": (prepare, "Make photos, drawings or avatars ready for training."),
    "train": (train, "Train a model on prepared pictures: the recipe says which."),
    "adapt": (adapt, "Add a style to a preset or run, from few drawings."),
    "distill": (distill, "Train a small generator to draw like a trained one."),
    "evaluate": (evaluate, "Measure how good the drawings of presets and runs are."),
    "experiment": (experiment, "Train, measure and show what a paper compares."),
    "card": (card, "Write the model card of a preset."),
}


class _InOrder(TyperGroup):
    """Lists commands as they stand above; Typer has those with subcommands at the end."""

    def list_commands(self, ctx):
        return list(_COMMANDS)


app = typer.Typer(
    cls=_InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Turn photos of faces into line portraits.",
    epilog="For example: portrait stylize me.jpg",
)
for name, (command, line) in _COMMANDS.items():
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, short_help=line)
    else:
        app.command(name, short_help=line)(command)


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
