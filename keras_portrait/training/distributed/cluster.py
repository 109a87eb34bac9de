"""The workers of a training on several hosts: who they are, and how they find each other.

TensorFlow itself waits an hour for workers that are missing, and fails in many lines where their
lists differ. So the workers meet before it starts, at the addresses that it will listen at.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from keras_portrait.errors import InputError, PortraitError, SettingError

EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)
# Seconds between two attempts to reach a worker, and for which one that answers may take its time.
RETRY_SECONDS = 0.5
ANSWER_SECONDS = 5.0
# Bytes of the longest handshake that is read.
LONGEST = 1 << 20


class WorkerLost(PortraitError):
    """Another worker ended or cannot be reached any more; all have to be started again."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


@dataclass(frozen=True)
class Cluster:
    """The workers of one training, and which of them this process is.

    Attributes:
        addresses: `host:port` of each, the chief's first.
        index: the place of this one in them.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the run folder."""
        return self.index == 0

    @property
    def name(self) -> str:
        """What a person calls this worker."""
        return f"worker {self.index + 1} of {len(self.addresses)}"


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Reads `TF_CONFIG`, as TensorFlow does.

    Args:
        environment: the environment variables.

    Returns:
        The cluster. A task of the type `chief` comes before the workers, as in TensorFlow; without
        one the first worker is the chief.

    Raises:
        SettingError: it is missing, or does not name the workers and this one among them.
    """
    text = environment.get("TF_CONFIG", "")
    if not text:
        raise SettingError(
            f"--strategy multiworker: expected TF_CONFIG, such as TF_CONFIG='{EXAMPLE}'. "
            "Received: none"
        )
    try:
        config = json.loads(text)
        jobs, task = dict(config["cluster"]), config["task"]
        kind, index = str(task["type"]), int(task["index"])
        addresses = {str(job): [str(address) for address in jobs[job]] for job in jobs}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise _malformed(f"{type(error).__name__} ({error}) in {_short(text)}") from None
    others = sorted(set(addresses) - {"chief", "worker"})
    if others or not addresses.get("worker") or len(addresses.get("chief", "1")) != 1:
        raise _malformed(f"tasks {', '.join(sorted(addresses)) or 'of no type'}", "workers")
    if not 0 <= index < len(addresses.get(kind, ())):
        raise _malformed(f"{kind} {index}", "a task that the cluster lists")
    listed = [*addresses.get("chief", []), *addresses["worker"]]
    for address in listed:
        host, _, port = address.rpartition(":")
        if (
            not host
            or not port.isdecimal()
            or not 0 < int(port) < 65536
            or listed.count(address) > 1
        ):
            raise _malformed(address, "an address host:port of its own for each worker")
    place = index if kind == "chief" else index + len(addresses.get("chief", []))
    return Cluster(tuple(listed), place)


def _malformed(received, expected=f"JSON such as {EXAMPLE}"):
    return SettingError(f"TF_CONFIG: expected {expected}. Received: {received}")


def _short(text):
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."


@dataclass(frozen=True)
class Handshake:
    """What workers tell each other when they meet; all of it but the index must agree.

    Attributes:
        addresses: of all workers.
        index: of the one who tells it.
        devices: how many devices of its machine take part.
        training: digest of recipe and pictures.
    """

    addresses: list[str]
    index: int
    devices: int
    training: str


def meet(cluster: Cluster, devices: int, training: str, seconds: float) -> None:
    """Waits until every worker has met every other one.

    Args:
        cluster: the workers.
        devices: how many devices of this machine take part.
        training: digest of what is trained.
        seconds: how long to wait.

    Raises:
        InputError: the own address cannot be listened at, or a worker does not come in time.
        SettingError: another worker was started with another list of workers, another number of
            devices, another recipe or other pictures.
    """
    own = Handshake(list(cluster.addresses), cluster.index, devices, training)
    others = {a for i, a in enumerate(cluster.addresses) if i != cluster.index}
    heard, met, reasons = {}, set(), {}
    deadline = time.monotonic() + seconds
    with _listening(cluster, own, heard):
        # Both ways: who leaves first must not be missed by one that still looks for it.
        while others - met or len(heard) < len(others):
            for address in sorted(others - met):
                try:
                    _compare(own, _dial(address, own), address)
                    met.add(address)
                except OSError as error:
                    reasons[address] = error.strerror or str(error)
            for address, handshake in list(heard.items()):
                _compare(own, handshake, address)
            if time.monotonic() > deadline:
                raise _missing(others, met, heard, reasons, seconds)
            time.sleep(RETRY_SECONDS if others - met else RETRY_SECONDS / 10)


def _missing(others, met, heard, reasons, seconds):
    silent = sorted(others - met) or sorted(others - set(heard))
    told = "; ".join(f"{a} ({reasons.get(a, 'does not reach this one')})" for a in silent)
    return InputError(
        f"Not every worker came within {seconds:g} seconds. Expected all of TF_CONFIG to be "
        f"started, and to reach each other. Received: nothing from {told}"
    )


def _compare(own, other, address):
    for received, expected, what in (
        (other.addresses, own.addresses, "TF_CONFIG: expected the same list of workers for all"),
        (other.devices, own.devices, "Expected the same number of devices on every machine"),
        (other.training, own.training, "Expected the same recipe and pictures for all workers"),
    ):
        if received != expected:
            here, there = (_told(value) for value in (expected, received))
            raise SettingError(f"{what}. Received: {here} here, {there} at {address}")
    if own.addresses.index(address) != other.index:
        raise SettingError(
            f"TF_CONFIG: expected an index of its own for each worker. Received: {other.index} at "
            f"{address}"
        )


def _told(value):
    return ", ".join(value) if isinstance(value, list) else value


@contextlib.contextmanager
def _listening(cluster, own, heard) -> Iterator[None]:
    """Answers other workers meanwhile; `heard` gets their handshakes by their addresses."""
    host, _, port = cluster.addresses[cluster.index].rpartition(":")
    try:
        server = _server(host, int(port))
    except OSError as error:
        raise InputError(
            f"TF_CONFIG: cannot listen ({error.strerror}). Expected a free port of this machine. "
            f"Received: {cluster.addresses[cluster.index]}"
        ) from None
    server.settimeout(RETRY_SECONDS / 5)
    left = threading.Event()

    def answer():
        while not left.is_set():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    handshake = _exchange(connection, own)
                    heard[handshake.addresses[handshake.index]] = handshake

    thread = threading.Thread(target=answer, name="meets workers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
        server.close()


def _server(host, port):
    """Loopback stays within the machine; other names may be those of a router before it."""
    if host in ("localhost", "127.0.0.1"):
        return socket.create_server((host, port))
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _dial(address, own):
    host, _, port = address.rpartition(":")
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS)
    except UnicodeError:  # as Python tells of a name that is too long
        raise OSError("no name of a host") from None
    with connection:
        return _exchange(connection, own)


def _exchange(connection, own):
    """Tells the own handshake and returns the other's; `OSError` where that is none."""
    connection.settimeout(ANSWER_SECONDS)
    connection.sendall(json.dumps(asdict(own)).encode() + b"\n")
    with connection.makefile("rb") as file:
        line = file.readline(LONGEST)
    try:
        handshake = Handshake(**json.loads(line))
        if [type(value) for value in vars(handshake).values()] != [list, int, int, str]:
            raise TypeError
        if not all(isinstance(address, str) for address in handshake.addresses):
            raise TypeError
        if not 0 <= handshake.index < len(handshake.addresses):
            raise ValueError
        return handshake
    except (ValueError, TypeError, RecursionError):
        raise OSError("something else answers there") from None
