"""The command `portrait-export import`: other people's weights in, presets out."""

import argparse
from pathlib import Path

from keras_portrait.terminal import tell
from keras_portrait_export.commands import lines_on, with_tensorflow


def import_parser(modes: tuple[str, ...], targets: tuple[str, ...]) -> argparse.ArgumentParser:
    """The options of the command.

    Args:
        modes: that a preset may be stored in.
        targets: runtimes that may have to read it.
    """
    parser = argparse.ArgumentParser(
        prog="portrait-export import",
        description="Turn published weights of other projects into presets: "
        "PyTorch's .pth or .pt, .safetensors, "
        ".onnx, .npz, or a folder of .npy. Nothing in the file is run. docs/import.md lists the "
        "networks.",
    )
    parser.add_argument("weights", type=Path, metavar="THEIRS", help="file or folder of weights")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="preset folder to write"
    )
    parser.add_argument(
        "--as",
        dest="network",
        metavar="NAME",
        help="the network that they belong to, where several fit",
    )
    parser.add_argument(
        "--licence",
        required=True,
        metavar="TEXT",
        help="under which licence the weights may be used; kept in the preset",
    )
    parser.add_argument(
        "--credit",
        default="",
        metavar="TEXT",
        help="who made them; kept in the preset (default: the network's source)",
    )
    parser.add_argument(
        "--styles", nargs="+", default=(), metavar="NAME", help="names of the styles, in order"
    )
    parser.add_argument(
        "--recorded",
        type=Path,
        metavar="FILE.npz",
        help="what the original made of a picture: arrays image, output and style; the import is "
        "refused where it makes others",
    )
    parser.add_argument(
        "--mode",
        choices=modes,
        default="fp16",
        help="how the weights are stored (default: fp16, half the size)",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs="+",
        default=(),
        help="side of the pictures in pixels (default: that of the publication)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="PHOTOS",
        help="photos of faces to compare on; int8 needs 100",
    )
    parser.add_argument(
        "--target", choices=targets, default="litert", help="runtime that must read it"
    )
    parser.add_argument("--name", help="name of the preset (default: that of its folder)")
    parser.add_argument(
        "--force",
        action="store_true",
        help="write what fails the comparison of stored and exact weights",
    )
    parser.add_argument(
        "--debug", action="store_true", help="show tracebacks and what TensorFlow says"
    )
    return parser


def run_import(options: argparse.Namespace) -> list[str]:
    """Makes the presets.

    Args:
        options: from `import_parser`.

    Returns:
        Lines for the user.

    Raises:
        PortraitError: as `importer.import_weights`.
    """
    tell(f"Importing {options.weights} ...")
    importing, exporter = with_tensorflow("importing.importer"), with_tensorflow("exporter")
    origin = importing.Origin(
        options.licence, options.credit, tuple(options.styles), options.network, options.recorded
    )
    wanted = exporter.ExportOptions(
        modes=(options.mode,),
        sizes=tuple(dict.fromkeys(options.size)),
        calibration=options.calibration,
        target=options.target,
        name=options.name,
        force=options.force,
    )
    made = importing.import_weights(options.weights, options.out, origin, wanted)
    return lines_on(made, options.weights)
