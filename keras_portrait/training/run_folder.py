"""The folder of a training run: its options, which one to go on with, and who trains in it."""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import (
    UNFINISHED_PREFIX,
    make_folder,
    parse_json,
    read_bounded,
    remove_unfinished,
    write_whole,
)
from keras_portrait.training.checkpoints import newest_step
from keras_portrait.training.run_identity import RunIdentity, describe

try:
    import fcntl
except ImportError:  # Windows, where run folders are not locked
    fcntl = None

OPTIONS_NAME = "options.json"
# Of `options.json`; the highest that this version writes and reads.
FORMAT = 2
PICTURES_NAME = "pictures.json"
LOCK_NAME = ".lock"
PACKAGES = ("keras-portrait", "keras", "tensorflow", "torch", "numpy")
_NUMBERED = re.compile(r"([0-9]{3,})-.*")


def find_run(
    identity: RunIdentity,
    finished: Callable[[Path], bool],
    name: str,
    runs: Path = Path("runs"),
    finished_too: bool = False,
) -> Path:
    """The unfinished run with these options and pictures, or a folder with the next number.

    Args:
        identity: which run it is.
        finished: says whether the run in a folder has come to its end.
        name: what follows the number in a new folder's name.
        runs: where the run folders lie.
        finished_too: whether the last finished one will do, where none is unfinished.

    Returns:
        A folder, not necessarily there yet.
    """
    found = ((_NUMBERED.fullmatch(folder.name), folder) for folder in runs.glob("*-*"))
    numbered = sorted((int(match[1]), folder) for match, folder in found if match)
    done = None
    for _, folder in numbered:
        # A folder whose options cannot be read is somebody else's.
        with contextlib.suppress(InputError):
            known = read_options(folder)
            same = known is not None and identity.is_of(known, read_pictures(folder))
            if same and not finished(folder):
                return folder
            done = folder if same else done
    if finished_too and done is not None:
        return done
    last = numbered[-1][0] if numbered else 0
    return runs / f"{last + 1:03d}-{name}"


def claim_run(folder: Path, find: Callable[[], Path]) -> Path:
    """Makes the folder of a new run, so that no other start gets the same one.

    Args:
        folder: what `find_run` answered.
        find: asks it once more, where the folder is there already.

    Returns:
        A new folder, or that of an unfinished run with these options.

    Raises:
        InputError: the folder cannot be made.
    """
    while True:
        make_folder(folder.parent)
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            folder = find()
        except OSError as error:
            raise _cannot_write(folder, error) from None
        if read_options(folder) is not None:
            return folder


@contextlib.contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Keeps other processes from training in a run folder, as long as this one lives at most.

    Where the system or the disk knows no locks, nothing is kept from anybody.

    Args:
        folder: the run folder; made where it is not there.

    Raises:
        InputError: another process trains in it, it holds something else, or it cannot be written.
    """
    _make(folder)
    try:
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        if fcntl is not None:
            _lock(lock, folder, fcntl.LOCK_EX)
        # Who it is, for others to tell; it is the lock that counts, not this number.
        with contextlib.suppress(OSError):
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(lock)


def refuse_held(folder: Path) -> None:
    """Refuses a run folder that another process holds at this moment; writes nothing.

    Raises:
        InputError: another process trains in it.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError):  # no such run yet
        lock = os.open(folder / LOCK_NAME, os.O_RDONLY)
        try:
            _lock(lock, folder, fcntl.LOCK_SH)
        finally:
            os.close(lock)


def _lock(lock, folder, kind):
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
        raise InputError(
            "Another process trains in the run folder. Expected to wait for its end, or another "
            f"--run-dir. Received: {folder}, process {holder}"
        ) from None
    except OSError:
        pass  # some network disks know no locks


def read_options(folder: Path) -> dict | None:
    """The options of a run folder, or None where there are none.

    Raises:
        InputError: the file is there and cannot be read.
    """
    return _read(folder / OPTIONS_NAME, "the options of a run")


def read_pictures(folder: Path) -> dict | None:
    """The pictures that a run is trained on, as `open_run` noted them; None where there is no run.

    Raises:
        InputError: the file is there and cannot be read.
    """
    return _read(folder / PICTURES_NAME, "the pictures of a run")


def open_run(folder: Path, identity: RunIdentity) -> None:
    """Makes a run folder, with the options, pictures and versions that it is trained with.

    One that is gone on with notes where its pictures lie now, and how many epochs there are to be.

    Raises:
        InputError: it cannot be written.
    """
    _make(folder)
    known = read_options(folder)
    if known is not None and (other := identity.differences(known)):
        # Another training took the folder after this one had looked.
        raise InputError(
            f"{folder} was taken by another training. Expected to start again, which takes "
            f"the next number. Received: {describe(other)}"
        )
    remove_unfinished(folder)
    if known is None:
        _write(folder / PICTURES_NAME, identity.pictures)
        _write(folder / OPTIONS_NAME, identity.options)
    elif (renewed := identity.renewed(known, begun=newest_step(folder) >= 0)) != known:
        _write(folder / OPTIONS_NAME, renewed)
    _write(folder / "versions.json", installed_versions(PACKAGES))


def refuse_other_run(folder: Path, identity: RunIdentity) -> None:
    """Refuses a run folder that holds another run; one that has moved, or grows, is the same.

    Raises:
        InputError: its options cannot be read, or its pictures are others.
        SettingError: its options are others.
    """
    known = read_options(folder)
    if known is not None:
        identity.refuse_others(folder, known, read_pictures(folder))


def _make(folder):
    """Makes a run folder; refuses one that holds more than what a killed start leaves."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in folder.iterdir()} - {LOCK_NAME, PICTURES_NAME}
    except OSError as error:
        raise _cannot_write(folder, error) from None
    foreign = [name for name in names if not name.startswith(UNFINISHED_PREFIX)]
    if foreign and OPTIONS_NAME not in names:
        raise InputError(
            "The run folder holds something else. Expected a new or empty folder, or that of a "
            f"run. Received: {folder}"
        )


def _cannot_write(folder, error):
    return InputError(f"Cannot write the run folder ({error.strerror}). Received: {folder}")


def _read(path, what):
    try:
        values = parse_json(read_bounded(path)) if os.path.isfile(path) else None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected {what}. Received: {error}") from None
    if values is not None and not isinstance(values, dict):
        raise InputError(f"{path}: expected {what}. Received: {type(values).__name__}")
    return values


def _write(path, values):
    write_whole(path, (json.dumps(values, indent=1) + "\n").encode())


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those of these packages that are installed, by name."""
    versions = {}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
