"""Times a training step, and tells where the time goes.

    python benchmarks/training_step.py [--sizes 128 256] [--filters 32] [--steps 20]
        [--precision float32 mixed_bfloat16]

For each size and precision, with the paper's losses and networks of the given width, at batch 1:

- step: seconds a step, the median; data loading overlaps with it.
- loading: seconds of one core that making a batch takes, over those of a step.
- HED + LPIPS: share of the step that goes when the forward cycle compares pixels instead.
- stored edges: share of the step that goes when the photos' edge maps were computed beforehand.
- memory: the most that the process held, in MB, TensorFlow included.

Each setting runs in a process of its own, on invented faces.

    python benchmarks/training_step.py --against-torch [--torch-python PYTHON] --sizes 512

times our step and the paper's own in turns instead, see `paper_step.py`: each in a process of its
own, on noise, at batch 1, without HED and LPIPS on both sides. In brackets the ratio to torch:

- step: seconds a step, the median.
- processor: seconds of all cores together, which other work on the machine disturbs less.
- memory: the most that the process held, in MB.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# Steps whose time does not count: tracing, and filling the pipeline.
WARM_UP = 3


def main() -> None:
    """Prints a table."""
    # Here: the processes that are measured load this file, too.
    from against_torch import compare
    from invented_data import prepare_invented_faces

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--filters", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--precision", nargs="+", default=["float32", "mixed_bfloat16"])
    parser.add_argument("--against-torch", action="store_true")
    parser.add_argument("--torch-python", default=sys.executable, help="an interpreter with torch")
    options = parser.parse_args()
    if options.against_torch:
        print("| size | | step | processor | memory |", "| --- | --- | --- | --- | --- |", sep="\n")
        for size in options.sizes:
            filters, precision = options.filters, options.precision
            rows = compare(size, filters, precision, options.steps, options.torch_python)
            print(*rows, sep="\n", flush=True)
        return
    print("| size | precision | step | loading | HED + LPIPS | stored edges | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        for size in options.sizes:
            data = prepare_invented_faces(Path(place) / str(size), 24, size)
            for precision in options.precision:
                print(_row(data, size, precision, options), flush=True)


def _row(data, size, precision, options):
    def measured(*overrides):
        settings = [
            *(f"data.size={size}", f"network.filters={options.filters}"),
            *(f"network.inverse_filters={options.filters}", f"train.precision={precision}"),
            *(f"network.discriminator_filters={options.filters}", "train.seed=1"),
            *(f"network.part_filters={options.filters}", *overrides),
        ]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(time_steps, data, settings, options.steps).result()

    seconds, loading, memory = measured()
    without, _, _ = measured("loss.forward_cycle=l1")
    stored, _, _ = measured("data.stored_edges=true")
    return (
        f"| {size} | {precision} | {seconds:.2f} s | {loading / seconds:.1%} | "
        f"{1 - without / seconds:.0%} | {1 - stored / seconds:.0%} | {memory:.0f} MB |"
    )


def time_steps(data: Path, overrides: list[str], steps: int) -> tuple[float, float, float]:
    """Trains some steps.

    Args:
        data: folder made by `portrait prepare`.
        overrides: settings on top of the paper's.
        steps: how many are timed.

    Returns:
        Median seconds of a step, seconds of making a batch, and the process's peak memory in MB.
    """
    import keras

    from keras_portrait.models import experiment_for
    from keras_portrait.models.load_recipe import load_recipe

    recipe = load_recipe("portrait.toml", overrides)
    keras.config.set_dtype_policy(recipe.train.precision)
    experiment = experiment_for(recipe, data)
    model = experiment.build(total_steps=1000, devices=1)
    model.progress.assign(0.5)
    experiment.prepare_run(model, data)
    batches = experiment.batches(data)
    marks = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            float(logs["d_photo"])  # waits for the step
            marks.append((time.perf_counter(), batches.seconds))

    count = WARM_UP + steps
    model.fit(
        batches.for_fit(), steps_per_epoch=count, shuffle=False, verbose=0, callbacks=[Clock()]
    )
    times = [b[0] - a[0] for a, b in zip(marks[WARM_UP - 1 :], marks[WARM_UP:], strict=False)]
    loading = (marks[-1][1] - marks[0][1]) / (count - 1)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return statistics.median(times), loading, memory


if __name__ == "__main__":
    main()
