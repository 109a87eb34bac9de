"""The model card of a preset: what it is, where it comes from, how good it is, where it fails.

Everything but `notes.toml` is read from files that training, export and evaluation have written.
The same inputs give the same card; it says neither when nor where it was made.
"""

import functools
import textwrap
from pathlib import Path

from keras_portrait.errors import InputError, SettingError
from keras_portrait.evaluation.report.files import JSON_NAME, PICTURES, picture_path
from keras_portrait.files import make_folder, write_whole
from keras_portrait.inference.imaging import write_image
from keras_portrait.inference.litert.graph import network_sha256
from keras_portrait.inference.metadata import NOISE, PresetMetadata, read_metadata
from keras_portrait.inference.presets import find_preset
from keras_portrait.model_card.figures import (
    check_evaluation,
    own_entries,
    style_figures,
    worst_sheet,
)
from keras_portrait.model_card.notes import Notes, read_notes, untold
from keras_portrait.model_card.runs import RunFacts, read_json, read_run
from keras_portrait.training.templates import load_template

TEMPLATE = "model_card.md.j2"
# The sheet of the worst drawings, beside the card.
WORST_NAME = "worst.png"
# Where `portrait-export --report` writes its figures.
EXPORT_NAME = "report.json"
MODES = {
    "fp32": "32-bit weights",
    "fp16": "16-bit weights",
    "dynamic": '8-bit weights ("dynamic")',
    "int8": "8-bit integers throughout",
}
_WIDTH = 120


def write_model_card(
    output: Path,
    preset: str | Path,
    runs: list[Path],
    evaluation: Path | None,
    notes: Path | None,
    export: Path | None = None,
) -> list[str]:
    """Writes a model card, and the sheet of the worst drawings beside it.

    Args:
        output: the card, a `.md` file; replaced if it is there, as is `worst.png` beside it.
        preset: name, folder or model file of a preset that draws photos.
        runs: folders of the run that it comes from, last, and of its teachers before.
        evaluation: folder that `portrait evaluate` made of this preset; None says that nothing was
            measured.
        notes: see `notes.Notes`; None says what nobody has told yet.
        export: folder that `portrait-export --report` wrote this preset to; None leaves out how
            near it is to its float network.

    Returns:
        Warnings: what could not be told.

    Raises:
        InputError: a file is missing or broken, or is of another preset.
        SettingError: `output` is no `.md` file, the preset draws no photos, or the notes are
            incomplete.
        MissingExtra: jinja2 is not installed.
    """
    if output.suffix.lower() != ".md":
        raise SettingError(f"-o must be a .md file. Received: {output}")
    template = load_template(Path(__file__).with_name(TEMPLATE), "A model card")
    told, path = notes and read_notes(notes), find_preset(preset)
    metadata = read_metadata(path)
    said = told or untold(metadata.data_licence)
    if metadata.inputs == NOISE or metadata.channels != 1:
        raise SettingError(f"Expected a preset that draws photos in gray. Received: {preset}")
    trained = [read_run(run) for run in runs]
    _check_run(metadata, trained[-1], runs[-1])
    folder = path if path.is_dir() else path.parent
    model = _read_model(folder / metadata.file)
    result, entries = None, []
    if evaluation is not None:
        place = evaluation / JSON_NAME
        result = check_evaluation(read_json(place), place)
        entries = own_entries(result, {metadata.name, folder.resolve().name}, metadata)
    fidelity = _fidelity(metadata, model, export) if export else []
    styles = [style_figures(result, entry) for entry in entries]
    has_worst = any(entry["worst"] for entry in entries)
    card = template.render(
        metadata=metadata,
        draws=_draws(metadata),
        model=_model_rows(metadata, len(model), trained[-1], fidelity),
        notes=said,
        runs=trained,
        sources=_sources(said),
        licence=_licence(said),
        measured=_measured(result),
        styles=styles,
        verdicts=_verdicts,
        score=f"In brackets the score that ranks them: {result['score']}." if result else "",
        worst_name=WORST_NAME if has_worst else "",
        wrap=_wrap,
        item=_item,
        table=_table,
    )
    make_folder(output.parent)
    if has_worst:
        sheet = worst_sheet(entries, functools.partial(picture_path, evaluation / PICTURES))
        write_image(output.with_name(WORST_NAME), sheet)
    write_whole(output, (card.strip() + "\n").encode("utf-8", "replace"))
    return [warning for run in trained for warning in run.warnings] + _doubts(trained)


def _check_run(metadata: PresetMetadata, run: RunFacts, folder: Path) -> None:
    if metadata.method != run.method or not set(metadata.styles) <= set(run.styles):
        raise InputError(
            f"The last --run is not the one that the preset {metadata.name} comes from. Expected "
            f"{metadata.method} with {', '.join(metadata.styles)}. "
            f"Received: {run.method} with {', '.join(run.styles)} in {folder}"
        )


def _doubts(runs: list[RunFacts]) -> list[str]:
    """Says where a student's teacher is none of the runs given; a preset of one may be it."""
    *teachers, student = runs
    known = set().union(*(run.generators for run in teachers))
    if not teachers or student.teacher in known:
        return []
    return [
        f"make sure that {student.name} learned from {teachers[-1].name}: its teacher is none of "
        "the generators there"
    ]


def _draws(metadata) -> str:
    styles = [f"`{style}` ({index})" for index, style in enumerate(metadata.styles)]
    many = f"{len(styles)} styles" if len(styles) > 1 else "one style"
    mixed = " Weights may be mixed, as in `--style " if len(styles) > 1 else ""
    mixed += f"{','.join(metadata.styles[:2])}`." if mixed else ""
    return (
        f"Draws the face in a photo, {metadata.size} x {metadata.size} pixels, in {many}: "
        f"{', '.join(styles)}.{mixed}"
    )


def _read_model(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read the model ({error.strerror}). Received: {file}") from error


def _model_rows(metadata, size: int, run: RunFacts, fidelity) -> list[tuple[str, str]]:
    mode = MODES.get(metadata.mode, metadata.mode)
    return [
        ("network", run.network),
        ("file", f"`{metadata.file}`, {mode}, {round(size / 1000):,} kB"),
        *fidelity,
        ("origin", metadata.origin or "not recorded"),
        ("SHA-256", f"`{metadata.sha256}`"),
    ]


def _fidelity(metadata, model: bytes, folder: Path) -> list[tuple[str, str]]:
    """What the export has measured of exactly this network, whatever words are in the file now."""
    place = folder / EXPORT_NAME
    network = network_sha256(model)
    for found in (read_json(place) or {}).get("artefacts", []):
        same_file = found["contract"]["sha256"] == metadata.sha256
        # Reports of earlier versions know the file alone.
        if same_file or found["statistics"].get("network_sha256") == network:
            break
    else:
        raise InputError(
            f"Expected the report of `portrait-export` on the preset {metadata.name}, by its "
            f"SHA-256. Received: {place}"
        )
    measured = found["fidelity"]
    psnr, ssim = measured["psnr"], measured["ssim"]
    return [
        ("multiply-adds", f"{found['statistics']['macs'] / 1e9:.2f} billion"),
        (
            "to the float network",
            f"on {len(measured['inputs'])} pictures: PSNR mean {_decibels(psnr['mean'])}, worst "
            f"{_decibels(psnr['worst'])}; SSIM mean {ssim['mean']:.4f}, worst {ssim['worst']:.4f}",
        ),
    ]


def _decibels(value) -> str:
    # Without any difference the report has the word "Infinity".
    return "infinite" if isinstance(value, str) else f"{value:.1f} dB"


def _sources(notes: Notes) -> list[list[str]]:
    return [
        [
            f"[{source.name}]({source.link})" if source.link else source.name,
            source.used_for,
            source.licence,
            source.credit or "–",
        ]
        for source in notes.sources
    ]


def _licence(notes: Notes) -> str:
    if not notes.weights_licence:
        return "Under which licence the weights are nobody has said yet."
    return f"The weights are under this licence: {notes.weights_licence}."


def _measured(result) -> list[str]:
    """How the figures came about, and how to read them."""
    if result is None:
        return ["Not measured: there were no held-back photos to draw."]
    photos, drawings = result["photos"], result["drawings"]
    groups = [f"{count:,} {group}" for group, count in photos["groups"].items() if count]
    of_whom = f" ({', '.join(groups)})" if groups else ""
    left_out = f", {len(photos['skipped']):,} more left out" if photos["skipped"] else ""
    compared = (
        f"Style is compared with {drawings['count']:,} drawings "
        f"({', '.join(f'{count:,} {style}' for style, count in drawings['styles'].items())})."
        if drawings
        else "Style was not compared with any drawings."
    )
    lips = "The goal of the upper lip is met where the interval reaches down to 0. "
    lips = lips if "lip_excess" in result["measures"] else ""
    return [
        f"By `portrait evaluate` on {photos['count']:,} photos{of_whom}{left_out}; SHA-256 of the "
        f"photos `{photos['sha256']}`. {compared} Drawings are measured at {result['size']} "
        f"pixels. Feature extractor of the distances between sets: {result['extractor']}.",
        "In brackets 95 % intervals: where two overlap, their order may be chance. The best of a "
        'line is bold; "real against real", the noise floor, is what the training drawings score '
        f"among themselves. Baselines are filters without any training, compared with the drawings "
        f"of the same style. {lips}What each measure "
        "does not see is in `docs/evaluation.md`.",
    ]


def _verdicts(figures) -> list[str]:
    goals = len(figures.met) + len(figures.missed)
    texts = [f"Goals met: {len(figures.met)} of {goals}."] if goals else []
    if figures.missed:
        texts[0] += f" Missed: {'; '.join(figures.missed)}."
    if figures.better:
        texts.append(f"No baseline is better in: {'; '.join(figures.better)}.")
    if figures.worse:
        texts.append(f"A baseline is better in: {'; '.join(figures.worse)}.")
    return texts


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _item(text: str) -> str:
    return _wrap(f"- {text}", "  ")


def _table(heads: list[str], rows) -> str:
    cells = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "|" + "|".join(f" {text} " if text else " " for text in map(_in_cell, row)) + "|"
        for row in cells
    )


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|")
