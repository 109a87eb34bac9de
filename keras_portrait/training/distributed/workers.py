"""Several workers, each a process with devices of its own, that train one model together."""

import contextlib
import functools
import os
import re
import sys
import threading

import keras

from keras_portrait.errors import SettingError
from keras_portrait.training.distributed.cluster import Cluster, WorkerLost, meet, read_cluster
from keras_portrait.training.distributed.devices import Devices, count_gpus

STRATEGIES = ("mirrored", "multiworker")
# Seconds to wait for other workers at the start, unless told otherwise.
WAIT_SECONDS = 300.0
# Seconds that TensorFlow may take to start on workers that have just met.
START_SECONDS = 60.0


class Workers(Devices):
    """The devices of all workers of a cluster, this process being one of them.

    Every method is called by all workers in the same order: each of them waits for the others.

    Args:
        cluster: the workers.
        wait: seconds to wait for them at the start.

    Attributes:
        local: how many devices of this machine take part: all GPUs, or else its CPU.
    """

    option = "TF_CONFIG, devices of all workers"

    def __init__(self, cluster: Cluster, wait: float):
        self.local = count_gpus()
        super().__init__(self.local * len(cluster.addresses))
        self.cluster = cluster
        self.wait = wait
        self.is_chief = cluster.is_chief
        self.name = cluster.name

    def start(self, training: str) -> None:
        """Waits for the other workers, then starts TensorFlow on all of them.

        Args:
            training: digest of recipe and pictures, which must be the same for all.

        Raises:
            InputError: a worker does not come in time.
            SettingError: the workers were started with different settings.
            WorkerLost: a worker ended after they had met.
        """
        meet(self.cluster, self.local, training, self.wait)
        # A worker that is lost from here on leaves the others inside TensorFlow, where no
        # exception reaches them.
        late = threading.Timer(START_SECONDS, _give_up, [self.name])
        late.daemon = True
        late.start()
        try:
            with self.watch():
                self.scope()
                self.exchange(0)
        finally:
            late.cancel()

    def scope(self):
        """The context in which models are built; each of them with the chief's initial weights."""
        return _multi_worker_strategy().scope()

    def feed(self, batches, start: int):
        """What `fit` takes: of each batch the parts of this worker's devices."""
        first = self.cluster.index * self.local
        places = range(first, first + self.local)
        return _multi_worker_strategy().distribute_datasets_from_function(
            lambda context: batches.for_fit(start, places, self.count)
        )

    def exchange(self, value: int) -> list[int]:
        """A number of each worker, the chief's first; nobody goes on before all have come here."""
        import tensorflow as tf

        workers = len(self.cluster.addresses)
        if workers == 1:
            return [value]
        own = [value if place == self.cluster.index else 0 for place in range(workers)]
        shared = tf.constant(own, tf.float64)
        told = _multi_worker_strategy().reduce("SUM", shared, axis=None)
        return [int(number) for number in told.numpy()]

    @contextlib.contextmanager
    def watch(self):
        """A context in which other workers may be lost.

        Raises:
            WorkerLost: one was. TensorFlow notices at once where its process ended, and after its
                heartbeat's 10 seconds where it hangs or the network is down.
        """
        import tensorflow as tf

        errors = tf.errors
        try:
            yield
        except (
            errors.UnavailableError,
            errors.AbortedError,
            errors.CancelledError,
            errors.DeadlineExceededError,
            errors.FailedPreconditionError,
        ) as error:
            raise _lost(self.name, _reason(str(error))) from None


def find_devices(strategy: str | None, count: int, wait: float) -> Devices:
    """The devices that a command asks for.

    Args:
        strategy: `mirrored`, devices of this machine; `multiworker`, those of all workers that
            TF_CONFIG names; None, as many devices of this machine as `count` says.
        count: how many of this machine; 1 leaves it to the strategy, which takes all GPUs.
        wait: seconds to wait for other workers.

    Raises:
        SettingError: there is no such strategy, the Keras backend is not TensorFlow, or TF_CONFIG
            is missing or wrong.
    """
    if strategy is None:
        return Devices(count)
    if strategy not in STRATEGIES:
        raise SettingError(f"--strategy: expected {' or '.join(STRATEGIES)}. Received: {strategy}")
    if keras.backend.backend() != "tensorflow":
        raise SettingError(
            "--strategy: several devices need the TensorFlow backend. "
            f"Received: {strategy} with KERAS_BACKEND={keras.backend.backend()}"
        )
    if strategy == "mirrored":
        return Devices(count if count > 1 else count_gpus())
    if count != 1:
        raise SettingError(
            "--devices: several workers take all GPUs of their machines, or those that "
            f"CUDA_VISIBLE_DEVICES leaves. Expected none. Received: {count}"
        )
    return Workers(read_cluster(), wait)


def _lost(name, reason):
    return WorkerLost(
        f"{name}: another worker ended or cannot be reached. Expected to start all of them again; "
        f"they go on from the last checkpoint. Received: {reason}"
    )


def _reason(text):
    """What TensorFlow says happened, without where in its graph."""
    line = " ".join(re.sub(r"\{\{.*?\}\}", "", text).split())
    return line.rpartition("aborted by: ")[2][:200]


def _give_up(name):
    error = _lost(name, f"no answer for {START_SECONDS:g} seconds")
    print(f"portrait: {error}", file=sys.stderr, flush=True)
    os._exit(error.exit_code)


@functools.cache
def _multi_worker_strategy():
    """The strategy of TF_CONFIG: there can be but one in a process."""
    import tensorflow as tf

    return tf.distribute.MultiWorkerMirroredStrategy()
