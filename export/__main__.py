"""The command `portrait-export`: a run folder in, a preset folder out."""

import argparse
import contextlib
import os
import sys
from pathlib import Path

from keras_portrait.errors import MissingExtra, PortraitError
from keras_portrait.quiet import silent_stderr

# The keys of `convert.MODES` and `trained_generator.DIRECTIONS`, which cannot be asked without
# loading TensorFlow.
MODES = ("fp32", "fp16", "dynamic")
DIRECTIONS = ("a-to-b", "b-to-a")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: what follows the command's name; None takes it from the command line.

    Returns:
        The exit code: 0, or 2 after an error that the user can mend.
    """
    options = _parser().parse_args(arguments)
    print(f"Exporting {options.run} as {options.mode} ...", flush=True)
    try:
        with contextlib.nullcontext() if options.debug else silent_stderr():
            table = _export(options)
    except PortraitError as error:
        if options.debug:
            raise
        print(f"portrait-export: {error}", file=sys.stderr)
        return 2
    print(table)
    print(options.out)
    return 0


def _export(options: argparse.Namespace) -> str:
    # The converter is TensorFlow's. The result is compared in full float32, which GPUs round.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        from .convert import export_run
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("tensorflow", "keras", "ai_edge_litert"):
            raise
        raise MissingExtra(
            "Exporting needs TensorFlow and ai-edge-litert. Install them with: "
            'pip install "keras-portrait[train]"'
        ) from error
    contract, fidelity = export_run(
        options.run, options.out, options.mode, options.name, options.direction
    )
    size = (options.out / contract.file).stat().st_size
    columns = {
        "mode": contract.mode,
        "file": contract.file,
        "kB": f"{size / 1000:.0f}",
        "max error": f"{fidelity.max_error:.2g}",
        "worst dB": f"{fidelity.worst_psnr:.1f}",
        "mean dB": f"{fidelity.mean_psnr:.1f}",
        "ms, 1 thread": f"{fidelity.milliseconds:.0f}",
        "delegates": f"{fidelity.delegates}",
    }
    widths = [max(len(head), len(value)) for head, value in columns.items()]
    rows = (columns.keys(), columns.values())
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="portrait-export",
        description="Turn a trained generator into a preset: a model file for small machines, "
        "compared with Keras before anything is written, and its portrait.json.",
    )
    parser.add_argument(
        "run", type=Path, help="run folder with generator.keras and options.json, or the former"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="preset folder; its model and portrait.json are replaced, other files stay",
    )
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="dynamic",
        help="dynamic: 8-bit weights, a quarter of the size and faster (default); fp16: 16-bit "
        "weights, half the size; fp32: exact. A preset holds one mode",
    )
    parser.add_argument(
        "--direction",
        choices=DIRECTIONS,
        default="a-to-b",
        help="b-to-a exports the inverse generator of a run of cyclegan (default: a-to-b)",
    )
    parser.add_argument("--name", help="name of the preset (default: that of DIR)")
    parser.add_argument(
        "--debug", action="store_true", help="show tracebacks and what TensorFlow says"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
