"""The engine `ray`: the cores of a Ray cluster, or of this machine where there is none.

Ray's tasks read and write wherever there is room, so that pictures do not pass through this
process, and one pool of actors draws. Each actor holds a worker process as the engine `local`
does: a photo that ends its worker costs that process, not the actor, and is not tried for ever.
"""

import functools
import itertools
import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

from keras_portrait.errors import MissingExtra, SettingError
from keras_portrait.inference.bulk.drawing import DrawingOptions
from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.inference.bulk.photos import Photo, draw_photo, read_photo, write_photo
from keras_portrait.inference.bulk.places import open_place
from keras_portrait.inference.bulk.workers import Maker, WorkerPool
from keras_portrait.inference.litert.silence import silent_stderr

# Photos that Ray hears of at a time; their names, not their bytes, are held here.
_PHOTOS_AT_ONCE = 50_000
# Photos that travel together at most; fewer where there would be no work for every actor.
_PHOTOS_IN_BLOCK = 8
_BLOCKS_AN_ACTOR = 4
# Shares of a core. They differ, for Ray joins stages that do not, and reading would then wait for
# drawing; and they add up to less than one, so that the actors leave room for the others.
_READING, _DRAWING, _WRITING = 0.15, 0.7, 0.1
_STOPPED = "stopped"
# Seconds to wait for the cluster that RAY_ADDRESS names. Ray itself would ask for ten minutes.
_REACH_SECONDS = 10.0
# How a client of HTTP/2, which Ray speaks, begins (RFC 9113, section 3.4): a preface, and a frame
# of no settings. A server answers with its own; the fourth byte of a frame tells its kind.
_SETTINGS = 4
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])
open_cached = functools.lru_cache(maxsize=8)(open_place)


def draw_with_ray(
    photos: Iterator[Photo],
    source: str,
    target: str,
    options: DrawingOptions,
    make: Maker,
    report: Callable[[Photo], None],
    workers: int | None = None,
) -> None:
    """Draws photos with Ray Data.

    A cluster that this process has joined, or that RAY_ADDRESS names, is used; otherwise one is
    started on this machine and ended afterwards.

    Args:
        photos: with their names.
        source: path or URL of the photos, which every machine of the cluster must see.
        target: path or URL of the drawings, likewise.
        options: what is drawn with.
        make: opens the drawing in a worker.
        report: called with each photo at its end.
        workers: number of actors; None for one a core.

    Raises:
        MissingExtra: Ray is not installed.
        SettingError: a place cannot be seen by other processes.
        JobStopped: a place or the cluster cannot be reached, no worker starts, or Ray gives up.
    """
    for place in (source, target):
        if open_cached(place).in_process:
            raise SettingError(
                "Ray's workers are other processes, which do not see this place. Expected a "
                f"folder, another store, or --engine local. Received: {place}"
            )
    ray = _import_ray()
    ours = not ray.is_initialized()
    try:
        if ours:
            _start(ray)
        size = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        stages = (
            functools.partial(_read, source=source, target=target, options=options),
            functools.partial(_write, target=target),
        )
        while chunk := list(itertools.islice(photos, _PHOTOS_AT_ONCE)):
            for row in _rows(ray, chunk, *stages, make, size):
                photo = Photo(**row)
                if photo.status == _STOPPED:
                    raise JobStopped(photo.reason)
                report(photo)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise JobStopped(
            f"Ray gave up. Expected a cluster that runs. Received: {reason}"
        ) from error
    finally:
        if ours:
            ray.shutdown()


def _start(ray) -> None:
    """Joins the cluster that RAY_ADDRESS names, or starts one on this machine."""
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.rpartition(":")
    try:
        # Of ray://host:port, and of what is no address, Ray itself tells soon.
        if "/" not in host and port.isdecimal():
            _greet(host.strip("[]"), int(port))
        with silent_stderr():
            ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except Exception as error:  # each kind of address has errors of its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise JobStopped(
            f"Cannot reach a Ray cluster, or start one ({reason}). Expected its address in "
            f"RAY_ADDRESS, or none. Received: {address or 'none'}"
        ) from error


def _greet(host: str, port: int) -> None:
    """Raises an OSError where nothing listens at an address, or what listens is no Ray."""
    with socket.create_connection((host, port), _REACH_SECONDS) as peer:
        # Over TLS it would take Ray's certificates to be answered.
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return
        peer.sendall(_GREETING)
        try:
            answer = peer.recv(4)
        except TimeoutError:
            raise OSError(f"no answer within {_REACH_SECONDS:.0f} seconds") from None
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise OSError("what listens there is no Ray")


def _import_ray():
    # Ray tells its makers how it is used, unless told not to; that is for the user to choose. And
    # it remarks on its own inner ways, which are nothing that the user could mend.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"--engine ray needs {error.name}; --engine local does not. "
            'Install it with: pip install "keras-portrait[ray]"'
        ) from None
    # What it would say of an error, in many lines, is told in one.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


def _rows(ray, chunk: list[Photo], read, write, make: Maker, size: int) -> Iterator[dict]:
    """The photos of a chunk as rows, in the order in which they end."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    in_block = min(_PHOTOS_IN_BLOCK, max(1, len(chunk) // (_BLOCKS_AN_ACTOR * size)))
    blocks = -(-len(chunk) // in_block)
    rows = ray.data.from_items([asdict(photo) for photo in chunk], override_num_blocks=blocks)
    rows = rows.map(read, num_cpus=_READING)
    actors = ray.data.ActorPoolStrategy(size=min(size, blocks))
    rows = rows.map(_Draw, fn_constructor_args=(make,), compute=actors, num_cpus=_DRAWING)
    return rows.map(write, num_cpus=_WRITING).iter_rows()


def _step(row: dict, step: Callable[[Photo], Photo]) -> dict:
    """Takes a step with a photo; what stops the job travels as a row, not as Ray's traceback."""
    photo = Photo(**row)
    try:
        return asdict(step(photo))
    except JobStopped as error:
        return asdict(replace(photo.failed(error), status=_STOPPED))


def _read(row: dict, source: str, target: str, options: DrawingOptions) -> dict:
    places = open_cached(source), open_cached(target)
    return _step(row, lambda photo: read_photo(photo, *places, options))


class _Draw:
    """The actor: a worker process, and what asks it."""

    def __init__(self, make: Maker):
        self._pool = WorkerPool(make, 1)

    def __call__(self, row: dict) -> dict:
        return _step(row, lambda photo: draw_photo(photo, self._pool.draw))


def _write(row: dict, target: str) -> dict:
    return _step(row, lambda photo: write_photo(photo, open_cached(target)))
