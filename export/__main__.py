"""The command `portrait-export`: a trained generator in, presets out."""

import argparse
import contextlib
import sys
from pathlib import Path

from keras_portrait.errors import PortraitError, SettingError
from keras_portrait.inference.litert.silence import silent_stderr
from keras_portrait.terminal import remark, running, tell
from keras_portrait_export.commands import lines_on, with_tensorflow
from keras_portrait_export.importing.command import import_parser, run_import

# The keys of `convert.MODES`, `trained_generator.DIRECTIONS` and `targets.TARGETS`, which cannot be
# asked without loading TensorFlow.
MODES = ("fp32", "fp16", "dynamic", "int8", "16x8")
DIRECTIONS = ("a-to-b", "b-to-a")
TARGETS = ("litert", "tflite-2.14")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: what follows the command's name; None takes it from the command line.

    Returns:
        The exit code: 0, or 2 after an error that the user can mend.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    imports = arguments[:1] == ["import"]
    with running("portrait-export"):
        if imports:
            options = import_parser(MODES, TARGETS).parse_args(arguments[1:])
        else:
            options = _parser().parse_args(arguments)
        try:
            run = run_import if imports else _bench if options.bench else _export
            with contextlib.nullcontext() if options.debug else silent_stderr():
                lines = run(options)
        except PortraitError as error:
            if options.debug:
                raise
            remark(f"portrait-export: {error}")
            return 2
        except KeyboardInterrupt:
            remark("portrait-export: stopped; nothing was written")
            return 130
        tell("\n".join(lines))
        return 0


def _export(options: argparse.Namespace) -> list[str]:
    if options.source is None or options.out is None:
        raise SettingError(
            "Expected a run, a preset or a .keras file, and -o DIR; or --bench FILE. "
            f"Received: {options.source or 'none'}, {options.out or 'no -o'}"
        )
    if options.recipe and options.mode:
        raise SettingError(
            f"Choose either --mode or --recipe. Received: {' '.join(options.mode)} and "
            f"{options.recipe}"
        )
    # Each once, in the order given.
    modes = tuple(dict.fromkeys(options.mode or ("dynamic",)))
    tell(f"Exporting {options.source} as {options.recipe or ', '.join(modes)} ...")
    exporter = with_tensorflow("exporter")
    wanted = exporter.ExportOptions(
        modes=modes,
        sizes=tuple(dict.fromkeys(options.size)),
        styles=tuple(dict.fromkeys(options.style)),
        calibration=options.calibration,
        target=options.target,
        recipe=options.recipe,
        contrast=options.contrast,
        name=options.name,
        description=options.description,
        data_licence=options.licence,
        direction=options.direction,
        force=options.force,
        input_range=tuple(options.input_range) if options.input_range else None,
        output_range=tuple(options.output_range) if options.output_range else None,
    )
    made = exporter.export_generator(options.source, options.out, wanted)
    lines = lines_on(made, options.source)
    if options.report:
        report = with_tensorflow("report.page")
        rows = [report.measure_preset(artefact.folder, artefact.samples) for artefact in made]
        report.write_report(options.out, rows)
        lines.append(str(options.out / "report.html"))
    return lines


def _bench(options: argparse.Namespace) -> list[str]:
    others = {"-o": options.out, "--mode": options.mode, "--report": options.report}
    others |= {"--recipe": options.recipe, "--size": options.size, "--style": options.style}
    given = [name for name, value in {"a source": options.source, **others}.items() if value]
    if given:
        raise SettingError(
            f"--bench takes model files and nothing else. Received: {', '.join(given)} too"
        )
    tell("Timing, half a minute and more ...")
    bench = with_tensorflow("benchmark.command")
    return bench.format_table(bench.bench(options.bench)).splitlines()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="portrait-export",
        description="Turn a trained generator into presets: model files for small machines, "
        "compared with Keras before anything is written, each with its portrait.json. "
        "`portrait-export import THEIRS --licence TEXT -o DIR` takes published weights of others.",
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="RUN|PRESET|MODEL.keras",
        help="run folder, preset, or a .keras file of Keras",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="DIR",
        help="preset folder; where several are made, the folder of their folders. Models and "
        "portrait.json are replaced, other files stay",
    )
    parser.add_argument(
        "--mode",
        choices=MODES,
        nargs="+",
        help="dynamic: 8-bit weights, a quarter of the size and faster (default); fp16: 16-bit "
        "weights, half the size; fp32: exact; int8: 8-bit integers throughout, for generators "
        "without instance normalization: those of paired.toml, students of `portrait distill`. "
        "Several make several presets",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs="+",
        default=(),
        help="side of the pictures in pixels (default: that of the training)",
    )
    parser.add_argument(
        "--style",
        nargs="+",
        default=(),
        help="a preset of this style alone, without a style input; several make several presets",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DATA",
        help="folder of photos, or one made by `portrait prepare`: int8 measures its ranges on "
        "100 faces or more, and all modes are compared with Keras on others (default for int8: "
        "the run's own data)",
    )
    parser.add_argument(
        "--target",
        choices=TARGETS,
        default="litert",
        help="runtime that must read it; tflite-2.14 is tflite-runtime of 32-bit Raspberry Pi OS",
    )
    parser.add_argument(
        "--recipe",
        default="",
        metavar="FILE",
        help="quantize with litert-quantizer instead: a recipe file, or the name of one of its own",
    )
    parser.add_argument(
        "--direction",
        choices=DIRECTIONS,
        default="a-to-b",
        help="b-to-a exports the inverse generator of a run of cyclegan (default: a-to-b)",
    )
    parser.add_argument(
        "--contrast",
        type=float,
        default=1.0,
        metavar="X",
        help="multiply what goes into the tanh of a generator of drawings: above 1 edges of ink "
        "are steeper than in training, and faint gray goes (default: 1)",
    )
    parser.add_argument(
        "--input-range",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="numbers of the pictures that somebody else's .keras model takes, 0 1 for instance "
        "(default: what its first layer tells, otherwise -1 1)",
    )
    parser.add_argument(
        "--output-range",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="numbers of the pictures that it returns (default: measured on photos, and told)",
    )
    parser.add_argument("--name", help="name of the preset (default: that of its folder)")
    parser.add_argument(
        "--description",
        metavar="TEXT",
        help="one line for the list of presets; kept in the preset (default: that of the preset "
        "that is exported or replaced)",
    )
    parser.add_argument(
        "--licence",
        metavar="TEXT",
        help="which pictures it learned from, under which licences; kept in the preset (default: "
        "as for --description)",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="write DIR/report.html and report.json: sizes, times, differences, worst pictures",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="write what is known to be bad, or fails the comparison",
    )
    parser.add_argument(
        "--bench",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="time any .tflite image models in turn, print a table, and write nothing",
    )
    parser.add_argument(
        "--debug", action="store_true", help="show tracebacks and what TensorFlow says"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
