"""Batches that other processes make while a device computes.

One process makes some ten pictures a second with their line drawings: enough for a CPU that trains,
too few for a GPU.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, ForkServerProcess

from keras_portrait.errors import InputError

# One GPU is kept busy by fewer; more would only take memory.
MOST_PROCESSES = 8
# Batches that each process may be ahead.
_AHEAD = 2
# They reach the whole group of processes; the parent decides what they mean.
_FOR_PARENT = (signal.SIGINT, signal.SIGTERM)

_batches = None


def usable_processes() -> int:
    """How many processes may make batches: half of the cores, since others want to train, too."""
    return min(MOST_PROCESSES, (os.cpu_count() or 1) // 2)


def batches_ahead(batches, start: int, processes: int) -> Iterator[dict]:
    """The batches from step `start` on, without end and in order.

    Args:
        batches: `Batches`; it travels to the processes, and so must be picklable.
        start: int, number of the first step.
        processes: int, how many make batches.

    Yields:
        What `batches.batch` returns for each step.

    Raises:
        PortraitError: as `batches.batch` raises it.
        InputError: a process was killed.
    """
    _start_fork_server(type(batches).__module__)
    pool = ProcessPoolExecutor(processes, _Context(), _adopt, (batches,))
    waiting, step = deque(), start
    try:
        while True:
            while len(waiting) < _AHEAD * processes:
                waiting.append(pool.submit(_make, step))
                step += 1
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise InputError(
            "A process that makes batches was killed, most often because memory was short. "
            f"Expected room for {processes} of them. The same command goes on"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Process(ForkServerProcess):
    def terminate(self):
        """Ends it; the pool does so when another one was killed."""
        self.kill()  # SIGTERM is ignored


class _Context(ForkServerContext):
    Process = _Process


def _start_fork_server(module):
    """Starts what the processes are copies of: no GPU, no threads, all imported once."""
    forkserver.set_forkserver_preload([module])
    # It would come first and lift the mask.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_PARENT)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _adopt(batches):
    global _batches
    _batches = batches
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for number in _FOR_PARENT:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    # The pool would wait for ever: its processes hold both ends of their pipe.
    multiprocessing.parent_process().join()
    os._exit(1)


def _make(step):
    return _batches.batch(step)
