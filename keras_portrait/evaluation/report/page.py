"""The report on an evaluation: one page with all pictures inside, and all figures as JSON."""

import json
from collections.abc import Callable
from pathlib import Path

from keras_portrait.evaluation.report.figures import entry_label, make_panel, number
from keras_portrait.evaluation.report.files import JSON_NAME, PAGE_NAME
from keras_portrait.evaluation.report.pictures import pack_pictures, shown_entries
from keras_portrait.files import write_whole
from keras_portrait.training.templates import load_template

TEMPLATE = "evaluation.html.j2"
# What the kinds of entries are called.
KINDS = {"preset": "preset", "run": "run", "baseline": "baseline", "floor": "noise floor"}
_OWN = ("preset", "run")
# So many skipped photos are listed without being asked for.
_LISTED = 10


def require_template() -> None:
    """Says at once, not after an evaluation, that no page can be made.

    Raises:
        MissingExtra: jinja2 is not installed.
    """
    _template()


def write_evaluation(
    folder: Path,
    result: dict,
    find: Callable[[str, int], Path],
    photos: bool = True,
    command: str = "",
    versions: dict[str, str] | None = None,
) -> None:
    """Writes `evaluation.html` and `evaluation.json`.

    Neither says when or how fast it was made: the same evaluation gives the same files.

    Args:
        folder: where to; it must exist.
        result: what `evaluation.evaluate` returned.
        find: the file of a picture, by the key of an entry or "photos", and the photo's index.
        photos: whether the page shows the photos beside the drawings, and their edge maps.
        command: what was typed, for the page.
        versions: of the packages that took part.

    Raises:
        InputError: a file cannot be written.
        MissingExtra: jinja2 is not installed.
    """
    figures = {key: value for key, value in result.items() if key != "seconds"}
    figures["versions"] = versions or {}
    text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page = _page(result, find, photos, command, versions or {})
    write_whole(folder / JSON_NAME, text.encode("utf-8", "replace"))
    write_whole(folder / PAGE_NAME, page.encode("utf-8", "replace"))


def _template():
    return load_template(Path(__file__).with_name(TEMPLATE), "The report")


def _page(result, find, photos, command, versions) -> str:
    entries = result["entries"]
    pictures = pack_pictures(result, find, photos)
    own = [entry["name"] for entry in entries if entry["kind"] in _OWN]
    drawn = [entry_label(entry) for entry in shown_entries(entries, photos)]
    panels = [make_panel(result, key) for key in result["measures"]]
    return _template().render(
        title=", ".join(dict.fromkeys(own)),
        facts=_facts(result),
        entries=[_head(entry, len(result["photo_names"])) for entry in entries],
        panels=panels,
        measured=[panel for panel in panels if panel.dots],
        score=result["score"],
        worst=_worst(entries, pictures.worst),
        sheet=pictures.sheet,
        sheet_heads=["photo", *drawn] if photos else drawn,
        every=pictures.every,
        count=len(result["photo_names"]),
        skipped=result["photos"]["skipped"],
        listed=_LISTED,
        tables={"This report": _made(result, command), "Versions": versions},
        json_name=JSON_NAME,
    )


def _head(entry, photos) -> dict:
    """What a row of the table begins with."""
    notes, reference = [KINDS[entry["kind"]]], entry["reference"]
    if entry["kind"] != "floor":
        measured = max((figure["count"] for figure in entry["figures"].values()), default=0)
        if measured < photos:
            notes.append(f"on {measured:,} of the photos")
        if reference:
            notes.append(f"against {reference} drawings")
    group = "own" if entry["kind"] in _OWN else entry["kind"]
    return {"label": entry_label(entry), "notes": notes, "group": group}


def _facts(result) -> list[tuple[str, str, str]]:
    """What a person asks first: triples of label, answer and further words."""
    photos, drawings = result["photos"], result["drawings"]
    groups = [f"{count:,} {group}" for group, count in photos["groups"].items() if count]
    if photos["skipped"]:
        groups.append(f"{len(photos['skipped']):,} more left out")
    styles = (
        [f"{count:,} {style}" for style, count in drawings["styles"].items()] if drawings else []
    )
    return [
        ("Photos", f"{photos['count']:,}", ", ".join(groups)),
        (
            "Drawings to compare with",
            f"{drawings['count']:,}" if drawings else "none",
            ", ".join(styles) if drawings else "so style is not measured",
        ),
        ("Feature extractor", result["extractor"], "for the distances between sets of drawings"),
    ]


def _worst(entries, packed) -> list[dict]:
    """The worst drawings of each entry, with the words that go with them."""
    return [
        {
            "label": entry_label(entry),
            "open": entry["kind"] != "baseline",
            "rows": [
                {"row": row, "score": number(one["score"]), "why": one["why"]}
                for row, one in zip(rows, entry["worst"], strict=False)
            ],
        }
        for entry, rows in zip(entries, packed, strict=True)
        if rows
    ]


def _made(result, command) -> dict[str, str]:
    """How the figures came about."""
    photos, drawings = result["photos"], result["drawings"]
    made = {
        "command": command,
        "photos": f"{photos['count']:,} of {photos['folder']}",
        "SHA-256 of the photos": photos["sha256"],
        "drawings": f"{drawings['count']:,} of {drawings['folder']}" if drawings else "none",
        "compared at": f"{result['size']} x {result['size']} pixels",
        "feature extractor": result["extractor"],
        "edge detector": f"HED in {result['precision']}",
        "seed": str(result["seed"]),
    }
    return {label: text for label, text in made.items() if text}
