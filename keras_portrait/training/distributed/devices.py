"""Several devices of one machine that train one model together."""

import contextlib
import functools
import os

import keras

from keras_portrait.errors import SettingError


class Devices:
    """The devices of this process, which trains alone.

    Args:
        count: how many share a batch.

    Attributes:
        count: as given.
        is_chief: whether this process writes the run folder.
        name: what a person calls this process; "" where there is but one.
    """

    is_chief = True
    name = ""
    option = "--devices"

    def __init__(self, count: int = 1):
        self.count = count

    def check_batch(self, batch: int) -> None:
        """Refuses a batch that cannot be shared in equal parts.

        Raises:
            SettingError: the number of devices does not divide it.
        """
        if self.count < 1 or batch % self.count:
            raise SettingError(
                f"{self.option}: expected a number that divides the batch of {batch}. "
                f"Received: {self.count}"
            )

    def scope(self):
        """The context in which models are built, see `device_scope`."""
        return device_scope(self.count)

    def feed(self, batches, start: int):
        """What `fit` takes: `batches` from step `start` on."""
        return batches.for_fit(start)

    def exchange(self, value: int) -> list[int]:
        """A number of each worker, the chief's first; nobody goes on before all have come here."""
        return [value]

    def watch(self):
        """A context in which other workers may be lost."""
        return contextlib.nullcontext()


def describe_devices(precision: str) -> str:
    """What a training runs on, for its first line.

    Args:
        precision: "float32" or "mixed_bfloat16".

    Returns:
        "Training on NVIDIA H200 (bfloat16)", for example; without a GPU also how to get one.
    """
    numbers = "bfloat16" if "bfloat16" in precision else "float32"
    if names := _gpu_names():
        several = f"{len(names)} x " if len(names) > 1 else ""
        return f"Training on {several}{names[0]} ({numbers})"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    how = 'pip install "keras-portrait[train,gpu]", or torch with KERAS_BACKEND=torch'
    return (
        f"Training on the CPU, {cores} cores ({numbers}); no GPU is seen, for one of NVIDIA: {how}"
    )


def _gpu_names() -> list[str]:
    if keras.backend.backend() == "torch":
        import torch

        return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    details = (tf.config.experimental.get_device_details(one) for one in found)
    return [one.get("device_name", "a GPU") for one in details]


def grow_memory() -> None:
    """Lets TensorFlow take GPU memory as it needs it, instead of all that there is.

    Where GPUs are in use already, it stays as it is.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        # Of GPUs that are in use, or cut into parts, it cannot be changed.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def spans_workers(strategy) -> bool:
    """Whether a strategy of TensorFlow spans several workers."""
    import tensorflow as tf

    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def normalize_together(network: keras.Model) -> None:
    """Lets batch normalization see the whole batch where several devices share it.

    Args:
        network: a model in training, in whose scope this is called; batch normalization changes in
            place.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = several


def device_scope(count: int):
    """A context in which models are built for a number of devices of this machine.

    GPUs where there are any; otherwise logical CPUs, which are no faster and serve to try it out.

    Args:
        count: number of devices; 1 changes nothing.

    Returns:
        A context manager.

    Raises:
        SettingError: there are fewer GPUs, or the Keras backend is not TensorFlow.
    """
    if count == 1:
        return contextlib.nullcontext()
    if keras.backend.backend() != "tensorflow":
        raise SettingError(
            "--devices: several devices need the TensorFlow backend. "
            f"Received: {count} with KERAS_BACKEND={keras.backend.backend()}"
        )
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU") if tf.config.list_physical_devices("GPU") else []
    if gpus and len(gpus) < count:
        raise SettingError(f"--devices: expected at most {len(gpus)}. Received: {count}")
    names = [device.name for device in gpus] or _logical_cpus(count)
    return _strategy(tuple(names[:count])).scope()


@functools.cache
def _strategy(names):
    """The strategy of these devices: what one made, another of the same devices may not touch."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(names))


def _logical_cpus(count):
    import tensorflow as tf

    [cpu] = tf.config.list_physical_devices("CPU")
    configured = tf.config.get_logical_device_configuration(cpu)
    if configured is None or len(configured) < count:
        try:
            tf.config.set_logical_device_configuration(
                cpu, [tf.config.LogicalDeviceConfiguration()] * count
            )
        except RuntimeError:
            raise SettingError(
                "--devices: TensorFlow already runs with fewer CPUs in this process. "
                f"Received: {count}"
            ) from None
    return [device.name for device in tf.config.list_logical_devices("CPU")]


def count_gpus():
    """How many GPUs this machine has; 1 where it has none and its CPU stands in."""
    import tensorflow as tf

    return max(len(tf.config.list_physical_devices("GPU")), 1)
