"""Times what the exporter makes of a generator against what Keras alone makes of the same one.

Random weights, 256 pixels unless told otherwise, one thread, models in turn in one run. Two
generators: the paper's (64 filters, nine blocks, transposed convolutions, one style), and the same
with 16 filters, small enough for a Raspberry Pi. "naive" is the trained network through Keras's own
export with fixed sizes and builtin operators, nothing else. More model files, such as students,
take their turn after them; the last columns compare them with the paper's generator.

    python benchmarks/exporter.py [STUDENT.tflite ...] [--size 512]

With --seconds 60 it takes about three minutes.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf

from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.litert.silence import silent_stderr
from keras_portrait.networks import resnet_generator
from keras_portrait.training.saved_generator import TrainedGenerator
from keras_portrait_export.benchmark.command import bench
from keras_portrait_export.convert import MODES, convert

# Name -> filters, and the modes that are compared.
GENERATORS = {"paper": (64, ("fp32",)), "small": (16, ("fp32", "dynamic"))}


def naive(generator: keras.Model, mode: str, size: int, path: Path) -> None:
    """Writes what Keras exports without the rebuild."""
    signature = tf.TensorSpec((1, size, size, 3), tf.float32, name="image")
    generator.export(
        str(path), format="litert", verbose=False, input_signature=[signature], **MODES[mode]
    )


def write_models(folder: Path, size: int) -> list[Path]:
    """Writes every pair of naive and exported models; prints how far the float ones are apart."""
    paths = []
    for name, (filters, modes) in GENERATORS.items():
        keras.utils.set_random_seed(0)
        generator = resnet_generator(3, 1, filters=filters)
        trained = TrainedGenerator(generator, "", name, "asymmetric_cycle", size, ("only",))
        for mode in modes:
            plain, ours = (folder / f"{name}-{kind}-{mode}.tflite" for kind in ("naive", "export"))
            with silent_stderr():
                naive(generator, mode, size, plain)
                ours.write_bytes(convert(trained, mode))
            paths += [plain, ours]
            if mode == "fp32":
                given = np.random.default_rng(0).uniform(-1, 1, (1, size, size, 3)).astype("f")
                expected = keras.ops.convert_to_numpy(generator(given))
                for path in (plain, ours):
                    error = np.abs(Runner(path)(given) - expected).max()
                    print(f"{path.stem}: at most {error:.1e} from Keras (drawings in [-1, 1])")
    return paths


def main() -> None:
    """Prints a table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, help="more .tflite files")
    parser.add_argument("--size", type=int, default=256, help="pixels (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="of timing (default: 60)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_models(Path(folder), options.size)
        with silent_stderr():
            table = bench([*paths, *options.models], seconds=options.seconds, calibration=False)
    rows = {Path(row.name).stem: row for row in table.rows[: len(paths)]}
    paper = rows["paper-naive-fp32"]
    print(f"{table.machine}, 1 thread, {table.rounds[1]} rounds")
    heads = ("median ms", "kB", "MMAC", "thousand parameters", "delegates")
    print(f"{'':32s}" + "  ".join(heads) + "  times as fast, MACs, parameters of the paper's")
    for row in table.rows:
        name = Path(row.name)
        name = name.stem if name.stem in rows else f"{name.parent.name}/{name.name}"
        counted = row.statistics
        cells = (
            f"{row.median_ms:.1f}",
            f"{counted.file_bytes / 1e3:.0f}",
            f"{counted.macs / 1e6:.0f}",
            f"{counted.parameters / 1e3:.0f}",
            f"{row.delegates}",
        )
        shares = (
            paper.median_ms / row.median_ms,
            paper.statistics.macs / counted.macs,
            paper.statistics.parameters / counted.parameters,
        )
        print(
            f"{name:32s}"
            + "  ".join(cell.rjust(len(head)) for cell, head in zip(cells, heads, strict=True))
            + "".join(f"  {share:.1f}" for share in shares)
        )
    for mode in ("fp32", "dynamic"):
        plain, ours = rows[f"small-naive-{mode}"], rows[f"small-export-{mode}"]
        print(f"small, {mode}: {plain.median_ms / ours.median_ms:.2f} times as fast as naive")


if __name__ == "__main__":
    main()
