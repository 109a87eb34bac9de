"""Several devices that train one model together."""

import contextlib
import functools

import keras

from keras_portrait.errors import SettingError


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
