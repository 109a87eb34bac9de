"""Trains the same toy model on one device and on two; prints the losses. Run by test_devices.py."""

import json

import keras
import numpy as np

from keras_portrait.data.batches import Batches
from keras_portrait.training.distributed.devices import device_scope
from tiny_cycle import tiny, tiny_batch

STEPS = 3


class NoiseBatches(Batches):
    """Noise, a function of the step."""

    def batch(self, step):
        return {name: np.asarray(v) for name, v in tiny_batch(seed=step, count=4).items()}


def losses_on(devices, pool_size=0):
    keras.utils.set_random_seed(0)
    with device_scope(devices):
        model = tiny(pool_size=pool_size, average_decay=0.5)
    rows = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rows.append({name: float(value) for name, value in logs.items()})

    settings = {"steps_per_epoch": 1, "epochs": STEPS, "shuffle": False, "verbose": 0}
    model.fit(NoiseBatches(seed=0).for_fit(), callbacks=[Keep()], **settings)
    average = np.concatenate([np.ravel(w) for w in model.averaged_generator.get_weights()])
    return rows, float(np.abs(average).sum())


if __name__ == "__main__":
    # Two first: the number of devices cannot grow once TensorFlow has started.
    runs = {
        f"{name}{', pools' * (pool > 0)}": losses_on(devices, pool)
        for pool in (0, 3)
        for name, devices in (("two", 2), ("one", 1))
    }
    print(json.dumps(runs))
