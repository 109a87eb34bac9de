"""Presets on the Hugging Face Hub, or on what `HF_ENDPOINT` names instead.

What huggingface_hub does is its own: who is let in (`hf auth login`, `HF_TOKEN`), mirrors, proxies.
It is imported when it is needed.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import keras_portrait
from keras_portrait.errors import InputError, MissingExtra, PortraitError, SettingError
from keras_portrait.files import file_sha256
from keras_portrait.inference.addresses.address import Address
from keras_portrait.inference.addresses.cache import Unreachable
from keras_portrait.inference.addresses.contents import (
    check_files,
    is_part,
    is_passed_over,
    most_bytes,
)

_COMMIT = re.compile(r"[0-9a-f]{40}")
# Seconds for the list of files.
_PATIENCE = 30.0


def download(address: Address, work: Path, made: Path) -> None:
    """Fetches the files of a repository, each as the hub's list of files has it.

    Args:
        address: of kind `HUB`.
        work: folder for what is on its way.
        made: folder that takes the files.

    Raises:
        Unreachable: there is no connection.
        InputError: there is no such repository or revision, it holds what is no preset, or a file
            is not what the list says.
        MissingExtra: huggingface_hub is not installed.
    """
    package = _package(address.text)
    with _told(package, address.text):
        api = _api(package)
        info = api.model_info(
            address.place, revision=address.revision, files_metadata=True, timeout=_PATIENCE
        )
        listed = {file.rfilename: file for file in info.siblings or ()}
        files = {name: file for name, file in listed.items() if not is_passed_over(name)}
        asked_for = address.revision if _COMMIT.fullmatch(address.revision) else info.sha
        if info.sha != asked_for or not _COMMIT.fullmatch(info.sha):
            raise InputError(
                f"The hub answers with another commit. Expected {asked_for}. "
                f"Received: {info.sha} from {address.text}"
            )
        check_files({name: int(file.size) for name, file in files.items()}, address.text)
        for name, file in files.items():
            bar = _bounded_bar(package, name, int(file.size), address.text)
            options = {"revision": info.sha, "local_dir": work, "tqdm_class": bar}
            path = Path(api.hf_hub_download(address.place, name, **options))
            if path.stat().st_size > most_bytes(name) or not _is_listed(path, file):
                raise _other_file(name, address.text)
            shutil.move(path, made / name)


def push(files: dict[str, Path | bytes], address: Address, private: bool) -> str:
    """Writes the files of a preset into a repository, in one commit.

    Files of a preset that was there before are removed by the same commit.

    Args:
        files: places or contents, by name.
        address: of kind `HUB`; its revision is a branch that is there.
        private: whether a repository that is made now is for its owner alone.

    Returns:
        The commit.

    Raises:
        Unreachable: there is no connection.
        InputError: the hub does not let the user write there, or the repository holds other things.
        MissingExtra: huggingface_hub is not installed.
    """
    package = _package(address.text)
    with _told(package, address.text), _quiet(package):
        api = _api(package)
        api.create_repo(address.place, private=private or None, exist_ok=True)
        there = api.model_info(address.place, revision=address.revision, files_metadata=True)
        before = {file.rfilename: file.size or 0 for file in there.siblings or ()}
        others = [name for name in before if name not in files and not is_passed_over(name)]
        gone = [name for name in others if is_part(name)]
        if len(gone) < len(others):
            foreign = next(name for name in others if name not in gone)
            raise InputError(
                "The repository holds other things, for which nobody could fetch the preset. "
                f"Expected one of its own. Received: {foreign} in {address.text}"
            )
        operations = [
            package.CommitOperationAdd(
                name, content if isinstance(content, bytes) else str(content)
            )
            for name, content in files.items()
        ]
        operations += [package.CommitOperationDelete(name) for name in gone]
        options = {"revision": address.revision, "commit_message": "Add the preset"}
        return api.create_commit(address.place, operations, **options).oid


@contextlib.contextmanager
def _quiet(package: ModuleType) -> Iterator[None]:
    """Without remarks on cards, and without progress where standard error is no terminal."""
    no_terminal = sys.stderr is None or not sys.stderr.isatty()
    is_ours = no_terminal and not package.utils.are_progress_bars_disabled()
    if is_ours:
        package.utils.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if is_ours:
            package.utils.enable_progress_bars()


def _package(where: str) -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.utils  # noqa: F401  the package brings them when asked for by name
    except ImportError:
        raise MissingExtra(
            "hf:// needs the package huggingface_hub. Install it with: "
            f'pip install "keras-portrait[hub]". Received: {where}'
        ) from None
    return huggingface_hub


def _api(package: ModuleType):
    version = keras_portrait.__version__
    return package.HfApi(library_name="keras-portrait", library_version=version)


def _bounded_bar(package: ModuleType, name: str, size: int, where: str) -> type:
    """The hub's progress bar, which ends a download that is longer than the list says."""

    class Bar(package.utils.tqdm):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.received = 0

        def update(self, n=1):
            self.received += n or 0
            if self.received > size:
                raise _other_file(name, where)
            return super().update(n)

    return Bar


def _is_listed(path: Path, file) -> bool:
    """Whether a file is the one of the list, which has its SHA-256, or its name in git."""
    if file.lfs:
        return file_sha256(path) == file.lfs.sha256
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest() == file.blob_id


def _other_file(name: str, where: str) -> InputError:
    return InputError(
        "The hub sends another file than its list says. Expected the checksum and the length of "
        f"the list. Received: {name} from {where}"
    )


@contextlib.contextmanager
def _told(package: ModuleType, where: str) -> Iterator[None]:
    """One line of text for whatever goes wrong, and none of the package's own."""
    errors, logger = package.errors, logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except PortraitError:
        raise
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        is_asked_for = isinstance(error, errors.OfflineModeIsEnabled)
        reason = "HF_HUB_OFFLINE is set" if is_asked_for else "the hub cannot be reached"
        raise Unreachable(reason, where) from None
    except errors.HFValidationError:
        raise SettingError(
            f"Not a name of a repository. Expected hf://user/name. Received: {where}"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"The repository has no such revision. Received: {where}") from None
    except errors.RepositoryNotFoundError:  # also where its owner has to agree first
        raise InputError(
            "There is no such preset on the hub, or you are not let in. Expected a public one, or "
            f"one that `hf auth login` or HF_TOKEN lets you in to. Received: {where}"
        ) from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        words = {
            401: "Expected a token: `hf auth login` or HF_TOKEN. ",
            403: "Expected a token that may do this. ",
        }
        raise InputError(
            f"The hub answers with status {status}. {words.get(status, '')}Received: {where}"
        ) from None
    except OSError as error:
        if error.errno and not isinstance(error, ConnectionError):
            raise InputError(
                f"Cannot keep the preset ({os.strerror(error.errno)}). Received: {where}"
            ) from error
        raise _no_hub(error, where) from None
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise _no_hub(error, where) from None
    except Exception as error:  # httpx has a tree of its own
        raise Unreachable(_first_line(error), where) from None
    finally:
        logger.setLevel(level)


def _no_hub(error: Exception, where: str) -> InputError:
    return InputError(
        f"The server does not answer as the hub does ({_first_line(error)}). Received: {where}"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # Signatures stand in queries; numbers of errors tell nobody anything.
    return re.sub(r"\?\S*|^\[Errno -?\d+\] ", "", lines[0])[:160].rstrip(".")
