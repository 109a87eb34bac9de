"""Writes the page that draws in a browser: a folder for any web server that serves files."""

import contextlib
import html
import json
import os
import re
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import (
    UNFINISHED_PREFIX,
    make_folder,
    parse_json,
    read_bounded,
    remove_forgotten,
    write_whole,
)
from keras_portrait.inference import segmentation
from keras_portrait.inference.faces.mtcnn import NETS
from keras_portrait.inference.filter_presets import is_filter
from keras_portrait.inference.metadata import (
    FILE_NAME,
    NOISE,
    PresetMetadata,
    read_metadata,
    split_model,
)
from keras_portrait.inference.presets import BUILT_IN, find_preset, load_preset
from keras_portrait.web.runtime import read_runtime

PRESETS = ("fast", "fine", "portrait", "artists")
# What this module wrote into a folder, so that the next call knows what it may replace.
LIST_NAME = "site.json"
_STATIC = Path(__file__).with_name("static")
_EXAMPLE = Path(__file__).parents[1] / "example.jpg"
_LANGUAGE = "en"
# The English texts are written into the page, where they are seen before its script runs.
_TEXT = re.compile(r'(<[a-z0-9]+\b[^>]*\bdata-text="([^"]+)"[^>]*>)(?=</)')
_LABEL = re.compile(r'\bdata-label="([^"]+)"')
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')
_SITE = b"/* SITE */ {}"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Written last: whoever has the page has what it loads.
_LAST = ("index.html", "service-worker.js", LIST_NAME)


@dataclass(frozen=True)
class Site:
    """What was written.

    Attributes:
        folder: where it lies.
        files: bytes of each file by its path.
        presets: their names, the first being the page's default.
    """

    folder: Path
    files: dict[str, int]
    presets: tuple[str, ...]


def write_site(folder: "str | Path", presets: tuple[str, ...] = PRESETS) -> Site:
    """Writes the page, the networks and the runtime.

    Args:
        folder: new or empty, or written by this function before: then it is brought up to date,
            and what else lies in it stays.
        presets: as `find_preset` takes them, the page's default first.

    Raises:
        SettingError: there is no such preset, or it draws no photos.
        InputError: the folder holds something else or cannot be written, or a preset is broken.
        MissingExtra: npm is missing, or cannot fetch the runtime.
    """
    folder = Path(folder)
    former = _former_files(folder)
    chosen = _read_presets(presets)
    files = _page() | _networks(chosen)
    files |= {f"runtime/{name}": data for name, data in read_runtime().items()}
    site = {
        "version": _digest(files),
        "policy": _POLICY.search(files["index.html"].decode())[1],
        "files": {name: sha256(data).hexdigest() for name, data in sorted(files.items())},
        "shell": sorted(name for name in files if _is_shell(name, chosen[0][0].name)),
    }
    worker = files["service-worker.js"].replace(_SITE, json.dumps(site).encode())
    files["service-worker.js"] = worker
    sizes = {name: len(data) for name, data in sorted(files.items())}
    files[LIST_NAME] = _json({"version": site["version"], "files": sizes})
    if not folder.exists():
        _write_new(folder, files)
    elif not former:
        _fill(folder, files)
    else:
        _write(folder, files)
        _remove(folder, former - set(files))
    names = tuple(metadata.name for metadata, _ in chosen)
    return Site(folder, {name: len(data) for name, data in files.items()}, names)


def _former_files(folder: Path) -> set[str]:
    """What a former call wrote there; nothing where it is new or empty."""
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return set()
        files = parse_json(read_bounded(folder / LIST_NAME))["files"]
        if not isinstance(files, dict) or not all(Path(name).parts for name in files):
            raise ValueError("no names of files")
    except NotADirectoryError:
        raise InputError(f"Expected a folder. Received: {folder}") from None
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(
            f"Expected a new or empty folder, or one that `portrait web` wrote. Received: {folder}"
        ) from None
    # A list that somebody altered must not remove files elsewhere.
    inside = {
        name for name in files if ".." not in Path(name).parts and not Path(name).is_absolute()
    }
    return inside | {LIST_NAME}


def _read_presets(presets: tuple[str, ...]) -> list[tuple[PresetMetadata, Path]]:
    """Metadata and place of each preset; those from elsewhere are loaded once, as a test."""
    chosen = []
    for preset in presets:
        if is_filter(preset):
            raise SettingError(
                f"The page draws with networks, not with filters. Received: {preset}"
            )
        path = find_preset(preset)
        metadata = read_metadata(path)
        if metadata.inputs == NOISE:
            raise SettingError(f"Expected a preset that draws photos. Received: {preset}")
        if not _SAFE_NAME.fullmatch(metadata.name):
            raise SettingError(
                "The name of a preset is part of an address here: expected letters, digits, dots, "
                f"- and _. Received: {metadata.name} in {path}"
            )
        if metadata.name in {other.name for other, _ in chosen}:
            raise SettingError(f"Two presets of one name. Received: {metadata.name}")
        if not Path(os.path.abspath(path)).is_relative_to(BUILT_IN):
            load_preset(path)
        chosen.append((metadata, path))
    return chosen


def _page() -> dict[str, bytes]:
    """The page itself, by path."""
    files = {
        path.relative_to(_STATIC).as_posix(): path.read_bytes()
        for path in _STATIC.rglob("*")
        if path.is_file()
    }
    texts = json.loads(files["texts.json"])[_LANGUAGE]
    page = _with_texts(files["index.html"].decode(), texts)
    manifest = json.loads(files["portrait.webmanifest"])
    manifest |= {"name": texts["title"], "short_name": texts["title"]}
    manifest["description"] = texts["description"]
    notice = Path(segmentation.__file__).with_name("selfie_segmentation.NOTICE.txt").read_bytes()
    return files | {
        "index.html": page.encode(),
        "portrait.webmanifest": _json(manifest),
        "licences.txt": files["licences.txt"] + b"\n" + notice,
        "example.jpg": _EXAMPLE.read_bytes(),
    }


def _with_texts(page: str, texts: dict[str, str]) -> str:
    def text(match) -> str:
        return match[1] + html.escape(texts[match[2]], quote=False)

    def label(match) -> str:
        return f'{match[0]} aria-label="{html.escape(texts[match[1]])}"'

    return _LABEL.sub(label, _TEXT.sub(text, page))


def _networks(chosen: list[tuple[PresetMetadata, Path]]) -> dict[str, bytes]:
    """What the page draws with, by path, and the list of it."""
    files = {f"models/{path.name}": path.read_bytes() for path in NETS.glob("*.tflite")}
    net = Path(segmentation.__file__).with_name("selfie_segmentation.tflite")
    files[f"models/{net.name}"] = net.read_bytes()
    rows = []
    for metadata, path in chosen:
        place = f"models/presets/{metadata.name}"
        model = path / metadata.file if path.is_dir() else path
        files[f"{place}/{metadata.file}"] = model.read_bytes()
        files[f"{place}/{FILE_NAME}"] = _contract(path)
        rows.append(
            {
                "name": metadata.name,
                "styles": metadata.styles,
                "size": metadata.size,
                "bytes": len(files[f"{place}/{metadata.file}"]),
                "description": metadata.description,
            }
        )
    facts = {
        name: {"bytes": len(data), "sha256": sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    }
    files["models/index.json"] = _json({"presets": rows, "files": facts})
    return files


def _contract(path: Path) -> bytes:
    """The text of a preset's contract, from where `read_metadata` has read it."""
    if path.is_dir():
        return (path / FILE_NAME).read_bytes()
    appended = split_model(path.read_bytes())[1]
    if FILE_NAME in appended:
        return appended[FILE_NAME].encode()
    return path.with_name(FILE_NAME).read_bytes()


def _is_shell(name: str, preset: str) -> bool:
    """Whether a file is loaded at once; the others when they are first needed."""
    if name.startswith("models/presets/"):
        return name.startswith(f"models/presets/{preset}/")
    return not name.startswith("runtime/") and name != "service-worker.js"


def _digest(files: dict[str, bytes]) -> str:
    """Names the contents of all files: the first half of a SHA-256."""
    rows = (f"{name} {sha256(data).hexdigest()}\n" for name, data in sorted(files.items()))
    return sha256("".join(rows).encode()).hexdigest()[:32]


def _json(value) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _write_new(folder: Path, files: dict[str, bytes]) -> None:
    """Writes beside the folder first: it is there whole, or not at all."""
    parent, name = folder.absolute().parent, folder.absolute().name
    make_folder(parent)
    remove_forgotten(parent, f"{name}-")
    try:
        prefix = f"{UNFINISHED_PREFIX}{name}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as place:
            part = Path(place) / name
            _write(part, files)
            part.rename(folder)
    except OSError as error:
        raise InputError(
            f"Cannot write the folder ({error.strerror}). Received: {folder}"
        ) from error


def _fill(folder: Path, files: dict[str, bytes]) -> None:
    """Writes into an empty folder, which may be a mount or belong to a web server: it stays."""
    try:
        _write(folder, files)
    except BaseException:
        with contextlib.suppress(InputError):
            _remove(folder, set(files))
        raise


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in sorted(files.items(), key=lambda item: item[0] in _LAST):
        make_folder((folder / name).parent)
        write_whole(folder / name, data)


def _remove(folder: Path, names: set[str]) -> None:
    """Removes what a former version needed, and the folders that are empty then."""
    for name in sorted(names):
        path = folder / name
        try:
            path.unlink(missing_ok=True)
            for parent in path.relative_to(folder).parents[:-1]:
                if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
                    (folder / parent).rmdir()
        except (OSError, ValueError) as error:  # ValueError: no name of a file at all
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"Cannot remove a file of the page before ({reason}). Received: {path}"
            ) from error
