"""Our training step beside the paper's in torch, in turns: `training_step.py --against-torch`.

Run as a program it is our side of the comparison and answers as `paper_step.py` does.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
# Steps whose time does not count: tracing, and what the two programs allocate at first.
WARM_UP = 2


def compare(size: int, filters: int, precisions: list[str], steps: int, python: str) -> list[str]:
    """Times steps of both in turns.

    Args:
        size: height and width of the pictures in pixels.
        filters: channels after the first convolution of each network.
        precisions: of ours; theirs is float32.
        steps: how many of each are timed.
        python: an interpreter that has torch.

    Returns:
        Rows of a table: torch first, then ours with the ratios to it.
    """
    sides = {"torch float32": [python, HERE / "paper_step.py"]}
    for precision in precisions:
        sides[f"ours {precision}"] = [sys.executable, __file__, "--precision", precision]
    sizes = ["--size", str(size), "--filters", str(filters)]
    running = {name: _start([*command, *sizes]) for name, command in sides.items()}
    try:
        told = {name: [] for name in running}
        for _ in range(WARM_UP + steps):
            for name, process in running.items():
                process.stdin.write("\n")
                process.stdin.flush()
                told[name].append(json.loads(process.stdout.readline()))
    finally:
        for process in running.values():
            process.stdin.close()
            process.wait()
    return [_row(size, name, answers, told["torch float32"]) for name, answers in told.items()]


def _start(command):
    """A side that is ready to answer."""
    process = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if process.stdout.readline().strip() != "ready":
        sys.exit(f"{command[1]} did not start; does {command[0]} have torch?")
    return process


def _row(size, name, answers, torch):
    own, theirs = _figures(answers), _figures(torch)
    cells = [
        f"{value:{form}} ({value / other:.2f})"
        for value, other, form in zip(own, theirs, (".2f", ".2f", ".0f"), strict=True)
    ]
    return f"| {size} | {name} | {' | '.join(cells)} |"


def _figures(answers):
    counted = answers[WARM_UP:]
    seconds, processor = (
        statistics.median(answer[name] for answer in counted) for name in ("seconds", "processor")
    )
    return seconds, processor, answers[-1]["memory"]


def main() -> None:
    """Answers each line with a step of ours: the paper's losses but for HED and LPIPS."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    step = _our_step(options.size, options.filters, options.precision)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter(), time.process_time()
        step()
        seconds, processor = time.perf_counter() - started[0], time.process_time() - started[1]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        memory /= 1024**2 if sys.platform == "darwin" else 1024
        told = {"seconds": seconds, "processor": processor, "memory": memory}
        print(json.dumps(told), flush=True)


def _our_step(size, filters, precision):
    """A function that takes a step, on noise as `paper_step.py` does."""
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_portrait.inference.geometry import PARTS
    from keras_portrait.models.asymmetric_cycle.experiment import build_asymmetric_cycle
    from keras_portrait.models.load_recipe import load_recipe
    from keras_portrait.training.optimizers import adam

    keras.config.set_dtype_policy(precision)
    widths = ("filters", "inverse_filters", "discriminator_filters", "part_filters")
    overrides = [f"network.{name}={filters}" for name in widths]
    recipe = load_recipe(
        "portrait.toml", [f"data.size={size}", "loss.forward_cycle=l1", *overrides]
    )
    model = build_asymmetric_cycle(recipe, ["a", "b", "c"])
    model.compile(generator=adam(2e-4, 0.5), discriminator=adam(2e-4, 0.5))
    model.progress.assign(0.5)
    for pool in (model.drawing_pool, model.photo_pool):
        pool.filled.assign(pool.size)  # full, as theirs
    rng = np.random.default_rng(0)
    plane = (1, size, size, 1)
    batch = {"photo": rng.uniform(-1, 1, (*plane[:3], 3)), "drawing": rng.uniform(-1, 1, plane)}
    batch["style"] = np.eye(3)[:1]
    for part in PARTS:
        for kind in ("photo", "drawing"):
            batch[f"{kind}_{part}"] = rng.uniform(0, 1, plane).round()
    batch = {name: tf.constant(value, "float32") for name, value in batch.items()}
    step = tf.function(lambda: model.train_step((batch,)))
    return lambda: float(step()["d_photo"])


if __name__ == "__main__":
    main()
