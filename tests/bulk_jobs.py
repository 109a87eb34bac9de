"""Small bulk jobs for tests: places, options, and what became of the photos."""

import json

import bulk_drawers
from keras_portrait.inference.bulk.drawing import DrawingOptions
from keras_portrait.inference.bulk.job import draw_in_bulk

OPTIONS = DrawingOptions("unused", "tiny", "ab" * 32, "ink", (1.0,))


def make_places(folder):
    """Folders IN, with three photos, and OUT, which is not there yet."""
    photos = folder / "in"
    (photos / "deep").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "deep/c.jpg"):
        (photos / name).write_bytes(name.encode())
    return photos, folder / "out"


def draw(places, options=OPTIONS, make=bulk_drawers.plain, workers=1, engine="local"):
    """Runs a job; returns its counts and what became of each photo."""
    ended = {}

    def report(photo):
        ended[photo.name] = photo

    counts = draw_in_bulk(*map(str, places), options, engine, report, workers, make)
    return dict(counts), ended


def manifest(out):
    """The rows of the manifest."""
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def files(out):
    """Names of all files below a folder, sorted."""
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
