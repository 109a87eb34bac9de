"""`report.html` and `report.json`: what exported generators cost, how near they come to Keras."""

import base64
import dataclasses
import functools
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from keras_portrait.errors import InputError
from keras_portrait.files import make_folder, write_whole
from keras_portrait.inference.imaging import encode_image
from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.inference.presets import load_preset
from keras_portrait.training.templates import load_template
from keras_portrait_export.benchmark.fidelity import (
    FidelityReport,
    Pictures,
    Score,
    measure_fidelity,
)
from keras_portrait_export.benchmark.speed import Speed, describe_machine, measure_speed
from keras_portrait_export.report.statistics import ModelStatistics, model_statistics
from keras_portrait_export.verify import Sample

PAGE_NAME = "report.html"
JSON_NAME = "report.json"
TEMPLATE = "report.html.j2"
FORMAT = 1
# Times that differences are enlarged, so that those of compression can be seen.
AMPLIFICATION = 8
# WebP quality of photos, which are there to be recognised; what is compared stays exact.
_PHOTO_QUALITY = 85
# Heading of a measure, its field in `FidelityReport`, and digits after the point.
_SHOWN = (
    ("PSNR, dB", "psnr", 1),
    ("SSIM", "ssim", 4),
    ("LPIPS", "lpips", 4),
    ("Line F1", "line_f1", 4),
)


@dataclass(frozen=True)
class ReportEntry:
    """One exported generator.

    Attributes:
        metadata: what it is.
        path: its model file.
        statistics: of that file.
        fidelity: against the float Keras model.
        speed: on this machine.
    """

    metadata: PresetMetadata
    path: Path
    statistics: ModelStatistics
    fidelity: FidelityReport
    speed: Speed


def measure_preset(folder: Path, samples: list[Sample]) -> ReportEntry:
    """Measures an exported generator in all respects.

    Args:
        folder: the preset.
        samples: what it is compared on, drawn by the float Keras model.

    Raises:
        InputError: the preset cannot be used, or does not take the samples.
    """
    generator = load_preset(folder)
    path = folder / generator.metadata.file
    return ReportEntry(
        metadata=generator.metadata,
        path=path,
        statistics=model_statistics(path.read_bytes()),
        fidelity=measure_fidelity(generator, samples),
        speed=measure_speed(path),
    )


def write_report(folder: str | Path, entries: Sequence[ReportEntry]) -> None:
    """Writes `report.html`, one page with all pictures inside, and `report.json`, all figures.

    Both show what the generators were compared on: where those are photos of people, so does the
    page.

    Args:
        folder: where to; made when it is not there.
        entries: artefacts in the order of the page, measured on this machine.

    Raises:
        InputError: no entry, or a file cannot be written.
        MissingExtra: jinja2 is not installed.
    """
    if not entries:
        raise InputError("A report needs an exported generator or more. Received: none")
    folder, machine = Path(folder), describe_machine()
    page = load_template(Path(__file__).with_name(TEMPLATE), "The report").render(
        heads=[_head(entry) for entry in entries],
        machine=_machine_text(machine),
        groups=_table(entries),
        worst=[_worst(entry) for entry in entries],
        sheets=_sheets(entries),
        amplification=AMPLIFICATION,
        json_name=JSON_NAME,
    )
    figures = {
        "format": FORMAT,
        "machine": machine,
        "artefacts": [_figures(entry, folder) for entry in entries],
    }
    text = json.dumps(_as_json(figures), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    make_folder(folder)
    write_whole(folder / JSON_NAME, text.encode("utf-8", "replace"))
    write_whole(folder / PAGE_NAME, page.encode("utf-8", "replace"))


def _figures(entry: ReportEntry, folder: Path) -> dict:
    """All numbers of an artefact; its file by a path from the report's folder if it lies there."""
    path, fidelity = entry.path.resolve(), entry.fidelity
    inside = path.is_relative_to(folder.resolve())
    return {
        "contract": dataclasses.asdict(entry.metadata),
        "file": path.relative_to(folder.resolve()).as_posix() if inside else path.name,
        "statistics": dataclasses.asdict(entry.statistics),
        "fidelity": {
            "inputs": fidelity.names,
            **{name: dataclasses.asdict(getattr(fidelity, name)) for _, name, _ in _SHOWN},
            "max_error": fidelity.max_error,
            "worst_input": fidelity.names[fidelity.worst_index],
            "worst_index": fidelity.worst_index,
        },
        "speed": dataclasses.asdict(entry.speed),
    }


def _as_json(value):
    """JSON has neither of two numbers: infinity becomes "Infinity", what is no number null."""
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _machine_text(machine: dict[str, str | int]) -> str:
    facts = dict(machine)
    first = f"{facts.pop('processor')}, {facts.pop('cores')} cores, {facts.pop('system')}"
    return " · ".join([first, *(f"{name} {version}" for name, version in facts.items())])


def _head(entry: ReportEntry) -> tuple[str, str]:
    metadata = entry.metadata
    words = [metadata.mode, f"{metadata.size}\N{NO-BREAK SPACE}px", ", ".join(metadata.styles)]
    return metadata.name, " · ".join(word for word in words if word)


def _table(entries: Sequence[ReportEntry]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Groups of rows: title, and for each row its label and a cell for each artefact."""
    counts = list(dict.fromkeys(call.threads for entry in entries for call in entry.speed.calls))
    file = {
        "Size, kB": lambda e: f"{e.statistics.file_bytes / 1000:,.0f}",
        "Parameters, thousands": lambda e: f"{e.statistics.parameters / 1000:,.1f}",
        "MMAC": lambda e: f"{e.statistics.macs / 1e6:,.1f}",
        "MMAC, transposed convolutions at output size": lambda e: (
            f"{e.statistics.macs_at_output / 1e6:,.1f}"
        ),
        "Computes in": lambda e: " + ".join(e.statistics.macs_by_arithmetic) or "–",
        "Delegates": lambda e: " / ".join(
            dict.fromkeys(str(call.delegates) for call in e.speed.calls)
        ),
    }
    times = {
        "Load, ms": lambda e: _milliseconds(e.speed.load_ms),
        "First call, ms": lambda e: _milliseconds(e.speed.first_ms),
    }
    for count in counts:
        threads = f"{count} thread{'s' if count > 1 else ''}"
        for name, field in (("Median", "median_ms"), ("95 % under", "p95_ms")):
            times[f"{name}, {threads}, ms"] = functools.partial(_call_time, count, field)
    likeness = {}
    for label, name, digits in _SHOWN:
        for field in ("mean", "worst"):
            likeness[f"{label}, {field}"] = functools.partial(_score_text, name, field, digits)
    likeness["Largest error, of 2"] = lambda e: f"{e.fidelity.max_error:.2g}"
    likeness["Inputs"] = lambda e: str(len(e.fidelity.names))
    groups = {
        "The file": file,
        "Time on this machine": times,
        "Against the float Keras model": likeness,
    }
    return [
        (title, [(label, [cell(entry) for entry in entries]) for label, cell in rows.items()])
        for title, rows in groups.items()
    ]


def _call_time(threads: int, field: str, entry: ReportEntry) -> str:
    found = [getattr(call, field) for call in entry.speed.calls if call.threads == threads]
    return _milliseconds(found[0]) if found else "–"


def _milliseconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}"


def _score_text(name: str, field: str, digits: int, entry: ReportEntry) -> str:
    score: Score = getattr(entry.fidelity, name)
    return _decimal(getattr(score, field), digits)


def _decimal(value: float, digits: int) -> str:
    return {math.inf: "∞ (equal)"}.get(value, "–" if math.isnan(value) else f"{value:.{digits}f}")


def _worst(entry: ReportEntry) -> dict:
    fidelity = entry.fidelity
    difference = np.abs(fidelity.worst.expected.astype(int) - fidelity.worst.received)
    difference = np.minimum(AMPLIFICATION * difference, 255).astype(np.uint8)
    shown = _shown(fidelity.worst)
    shown += [
        ("exported", _uri(fidelity.worst.received)),
        (f"difference × {AMPLIFICATION}", _uri(255 - difference)),
    ]
    figures = []
    for label, name, digits in _SHOWN:
        value = getattr(fidelity, name).each[fidelity.worst_index]
        figures.append(f"{label.removesuffix(', dB')} {_decimal(value, digits)}")
    return {
        "head": _head(entry),
        "name": fidelity.worst.name,
        "pictures": shown,
        "figures": ", ".join(figures),
    }


def _shown(pictures: Pictures) -> list[tuple[str, str]]:
    """Caption and address of the photo, where there is one, and of what Keras made of it."""
    photo = [] if pictures.photo is None else [("photo", _uri(pictures.photo, exact=False))]
    return [*photo, ("Keras, float", _uri(pictures.expected))]


def _sheets(entries: Sequence[ReportEntry]) -> list[dict]:
    """Rows of inputs; artefacts share a sheet where Keras made the same pictures for them."""
    sheets = {}
    for entry in entries:
        examples = entry.fidelity.examples
        key = b"".join(one.expected.tobytes() for one in examples)
        sheets.setdefault(key, []).append(entry)
    return [
        {
            "heads": [
                *(caption for caption, _ in _shown(own[0].fidelity.examples[0])),
                *(" · ".join(_head(entry)) for entry in own),
            ],
            "rows": [
                {
                    "name": examples[0].name,
                    "uris": [
                        *(uri for _, uri in _shown(examples[0])),
                        *(_uri(one.received) for one in examples),
                    ],
                }
                for examples in zip(*(entry.fidelity.examples for entry in own), strict=True)
            ],
        }
        for own in sheets.values()
    ]


def _uri(picture: np.ndarray, exact: bool = True) -> str:
    if exact:
        kind, data = "png", encode_image(picture)
    else:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "WEBP", quality=_PHOTO_QUALITY)
        kind, data = "webp", file.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
