"""The engine `local`: all cores of this machine.

Threads of this process read and write, and lend each other worker processes that draw. So the slow
way to a store is taken while others draw, only one process needs credentials, places within the
process such as memory:// work, and a worker that is killed was never writing anything.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from keras_portrait.inference.bulk.drawing import DrawingOptions
from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.inference.bulk.photos import Photo, draw_photo, read_photo, write_photo
from keras_portrait.inference.bulk.workers import Maker, WorkerPool


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def draw_locally(
    photos: Iterator[Photo],
    source,
    target,
    options: DrawingOptions,
    make: Maker,
    report: Callable[[Photo], None],
    workers: int | None = None,
) -> None:
    """Draws photos; holds a few of them in memory at a time.

    Args:
        photos: with their names.
        source: the place of the photos.
        target: the place of the drawings.
        options: what is drawn with.
        make: opens the drawing in a worker.
        report: called with each photo at its end, in this thread.
        workers: number of worker processes; None for one a core.

    Raises:
        JobStopped: a place cannot be reached, or no thread or worker starts.
    """
    size = workers or cores()
    # As many again read ahead or write while the others draw.
    most = 2 * size + 2
    pool, pending = WorkerPool(make, size), set()

    def take(photo: Photo) -> Photo:
        photo = read_photo(photo, source, target, options)
        return write_photo(draw_photo(photo, pool.draw), target)

    threads = ThreadPoolExecutor(most, thread_name_prefix="bulk")
    try:
        for photo in photos:
            try:
                pending.add(threads.submit(take, photo))
            except RuntimeError as error:
                raise JobStopped(
                    f"Cannot start a thread. Expected room for {most} threads and {size} worker "
                    f"processes. Received: {error}"
                ) from error
            if len(pending) >= most:
                pending = _report_ended(pending, report)
        while pending:
            pending = _report_ended(pending, report)
    finally:
        pool.close()
        threads.shutdown(cancel_futures=True)
        # After Ctrl-C or an error: what others had finished by then.
        for future in pending:
            if not future.cancelled() and future.exception() is None:
                report(future.result())


def _report_ended(pending: set[Future], report: Callable[[Photo], None]) -> set[Future]:
    """Waits until a photo has come to its end, reports all that have, and returns the others."""
    ended, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in ended:
        report(future.result())
        pending.discard(future)
    return pending
