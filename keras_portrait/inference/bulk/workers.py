"""Worker processes: each loads the preset once and turns bytes of photos into bytes of drawings."""

import contextlib
import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable

from keras_portrait.errors import InputError, PortraitError
from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.terminal import picture_warnings

# Opens the drawing in a worker; anything that pickle can send to another process.
Maker = Callable[[], Callable[[bytes], bytes]]

# A photo that takes longer is taken for one that would never end.
MOST_SECONDS = 300.0
# A photo during which the worker ended is tried once more: somebody else may have been the cause.
_TRIES = 2
_STARTS = 3


class _Ended(Exception):
    """The worker process is gone."""


class WorkerPool:
    """Worker processes that are lent to threads, one photo at a time.

    They are started when they are first needed, and again when one has ended. The pool may be used
    from many threads.

    Args:
        make: called in each worker; gives the function that draws.
        size: number of processes.
        most_seconds: how long one photo may take before its worker is ended.
    """

    def __init__(self, make: Maker, size: int, most_seconds: float = MOST_SECONDS):
        self._make, self._most_seconds = make, most_seconds
        self._idle = queue.SimpleQueue()
        for _ in range(size):
            self._idle.put(None)
        self._alive, self._closed, self._lock = set(), False, threading.Lock()

    def draw(self, photo: bytes) -> tuple[bytes, float, str]:
        """Draws a photo in some worker; waits for one that is free.

        Returns:
            What the worker's function made of it, the seconds that took, and what is to be said of
            the photo, such as that its file was cut short; "" for nothing.

        Raises:
            InputError: the photo cannot be drawn, or its worker ended at each of two tries.
            JobStopped: no worker starts.
        """
        worker = self._idle.get()
        try:
            for _ in range(_TRIES):
                if worker is None:
                    worker = self._start()
                try:
                    return worker.draw(photo, self._most_seconds)
                except _Ended as error:
                    reason = str(error)
                    self._drop(worker)
                    worker = None
            raise InputError(f"Its worker process ended at each of {_TRIES} tries ({reason})")
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Ends the workers, whatever they are doing."""
        with self._lock:
            self._closed = True
            workers = list(self._alive)
        # Their pipes stay open: threads may be reading them, and see their end now.
        for worker in workers:
            worker.process.kill()
            worker.process.join()

    def pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        with self._lock:
            return [worker.process.pid for worker in self._alive]

    def _start(self) -> "_Worker":
        for _ in range(_STARTS):
            with self._lock:
                if self._closed:
                    break
                try:
                    worker = _Worker(self._make)
                except OSError as error:
                    raise JobStopped(
                        "Cannot start a worker process. Expected room for one more process and its "
                        f"files; fewer workers need less. Received: {error.strerror}"
                    ) from error
                self._alive.add(worker)
            try:
                worker.wait_until_ready()
                return worker
            except _Ended as error:
                reason = str(error)
                self._drop(worker)
            except PortraitError as error:
                self._drop(worker)
                raise JobStopped(str(error)) from error
        if self._closed:
            raise JobStopped("The job was stopped.")
        raise JobStopped(
            f"No worker process starts. Expected one that is ready to draw. Received: {reason}"
        )

    def _drop(self, worker: "_Worker") -> None:
        with self._lock:
            self._alive.discard(worker)
        worker.end()


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, make: Maker):
        # A fresh interpreter: a forked one would inherit locks that other threads hold.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make), daemon=True)
        self.process.start()
        # Only the worker keeps that end, so that its death shows as the end of the pipe.
        theirs.close()

    def wait_until_ready(self) -> None:
        answer = self._receive()
        if isinstance(answer, Exception):
            raise answer

    def draw(self, photo: bytes, most_seconds: float) -> tuple[bytes, float, str]:
        with self._told():
            self._pipe.send_bytes(photo)
            if not self._pipe.poll(most_seconds):
                raise _Ended(f"longer than {most_seconds:g} s")
        answer = self._receive()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self._pipe.close()

    def _receive(self):
        with self._told():
            return self._pipe.recv()

    @contextlib.contextmanager
    def _told(self):
        """Makes the end of the pipe the end of the worker."""
        try:
            yield
        except (EOFError, OSError):
            self.process.join(5)
            raise _Ended(f"exit code {self.process.exitcode}") from None


def _serve(pipe, make: Maker) -> None:
    """Runs in the worker: loads, says so, and draws until the other end of the pipe is closed."""
    # Ctrl-C reaches the whole group of processes; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The parent is gone, or ends this worker: nobody is left to tell.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            draw = make()
        except PortraitError as error:
            pipe.send(error)
            return
        pipe.send(None)
        while True:
            pipe.send(answer(draw, pipe.recv_bytes()))


def answer(draw: Callable[[bytes], bytes], photo: bytes) -> "tuple[bytes, float, str] | InputError":
    """What `WorkerPool.draw` returns or raises, drawn in this process."""
    started, remarks = time.perf_counter(), []
    try:
        with picture_warnings(remarks.append):
            drawing = draw(photo)
        # The worker knows the photo by its bytes alone.
        said = "; ".join(remark.partition(" Received: ")[0] for remark in remarks)
        return drawing, time.perf_counter() - started, said
    except PortraitError as error:
        return InputError(str(error))
    # Of a million photos one may meet a fault of a library; it must not cost the others.
    except Exception as error:
        lines = str(error).splitlines()
        return InputError(f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}")
