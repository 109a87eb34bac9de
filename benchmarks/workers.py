"""Times the training step of one worker against that of two, on the cores of this machine.

    python benchmarks/workers.py [--recipe portrait-cpu] [--size 64] [--batch 4] [--steps 20]

Each worker has one core of its own, as if it were a machine with one core; they talk over loopback.

- one worker, one core: the whole batch; and half of it, which is what each of two workers does.
- two workers, one core each: the whole batch, shared.
- one worker, two cores: the whole batch; what TensorFlow alone makes of the machine.

Medians of the steps, on invented faces.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Steps whose time does not count: tracing, and filling the pipeline.
WARM_UP = 3


def main() -> None:
    """Prints a table."""
    # Here: the processes that are measured load this file, too.
    from invented_data import prepare_invented_faces

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="portrait-cpu")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(time_steps(Path(options.worker), options)))
        return
    cores = sorted(os.sched_getaffinity(0))[:2]
    print("| workers | cores of each | batch | step |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        data = prepare_invented_faces(Path(place), 8, options.size)
        for workers, batch, shared in (
            (1, options.batch, cores[:1]),
            (1, options.batch // 2, cores[:1]),
            (2, options.batch, cores),
            (1, options.batch, cores),
        ):
            seconds = _measured(data, options, workers, batch, shared)
            each = len(shared) // workers
            print(f"| {workers} | {each} | {batch} | {1000 * seconds:.0f} ms |", flush=True)


def _measured(data, options, workers, batch, cores):
    """Seconds a step, the slowest worker's."""
    addresses = [f"127.0.0.1:{_free_port()}" for _ in range(workers)]
    command = [sys.executable, __file__, "--recipe", options.recipe, "--worker", str(data)]
    command += ["--batch", str(batch), "--steps", str(options.steps), "--size", str(options.size)]
    processes = []
    for index in range(workers):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if workers > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        own = cores[index::workers]
        processes.append(
            subprocess.Popen(
                ["taskset", "--cpu-list", ",".join(map(str, own)), *command],
                env=environment,
                stdout=subprocess.PIPE,
            )
        )
    return max(json.loads(one.communicate()[0].splitlines()[-1]) for one in processes)


def time_steps(data: Path, options: argparse.Namespace) -> float:
    """Trains some steps, as a worker where TF_CONFIG is set.

    Args:
        data: folder made by `portrait prepare`.
        options: those of the command line.

    Returns:
        Median seconds of a step.
    """
    import keras

    from keras_portrait.models import experiment_for
    from keras_portrait.models.load_recipe import load_recipe
    from keras_portrait.training.distributed.workers import find_devices

    overrides = [f"data.size={options.size}", f"data.batch={options.batch}"]
    recipe = load_recipe(options.recipe, overrides)
    devices = find_devices("multiworker" if "TF_CONFIG" in os.environ else None, 1, 300)
    keras.config.set_dtype_policy(recipe.train.precision)
    experiment = experiment_for(recipe, data)
    if devices.name:
        devices.start("benchmark")
    with devices.scope():
        model = experiment.build(total_steps=1000, devices=devices.count)
    marks = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            float(next(iter(logs.values())))  # waits for the step
            marks.append(time.perf_counter())

    count = WARM_UP + options.steps
    feed = devices.feed(experiment.batches(data), 0)
    model.fit(feed, steps_per_epoch=count, shuffle=False, verbose=0, callbacks=[Clock()])
    devices.exchange(0)
    times = [b - a for a, b in zip(marks[WARM_UP - 1 :], marks[WARM_UP:], strict=False)]
    return statistics.median(times)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


if __name__ == "__main__":
    main()
