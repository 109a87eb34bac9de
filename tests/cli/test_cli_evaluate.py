import functools
import json
import logging
import shutil
import sys
import types
from dataclasses import dataclass

import pytest
from markupsafe import escape

from invented_evaluation import invented_result, write_pictures
from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.errors import InputError
from keras_portrait.evaluation.report.files import picture_path
from tiny_preset import write_tiny_preset

# The module: in its package the function of the same name stands before it.
COMMAND = sys.modules["keras_portrait.cli.evaluate"]


@dataclass(frozen=True)
class Source:
    name: str
    generator: object
    kind: str = "preset"


class FakeEvaluation(types.ModuleType):
    """Stands in for `keras_portrait.evaluation`: writes down what it is asked for."""

    Source = Source

    def __init__(self):
        super().__init__("keras_portrait.evaluation")
        self.calls, self.error = [], None
        self.result = invented_result(2, (("tiny", "thin", "preset"),), ("XDoG",))

    def evaluate(self, sources, photos, folder, *, progress, **options):
        self.calls.append((sources, photos, options))
        progress("drawing", 0, 2)
        write_pictures(self.result, functools.partial(picture_path, folder), size=24)
        progress("drawing", 2, 2)
        if self.error:
            raise self.error
        return self.result


@pytest.fixture
def evaluation(monkeypatch):
    fake = FakeEvaluation()
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    return fake


@pytest.fixture
def place(tmp_path):
    """The folder that the report is written to, alone in its folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place" / "report"


def given(tiny_preset, place, *more):
    return ("evaluate", tiny_preset, "--photos", "faces", "-o", place, *more)


def test_a_report_is_a_folder_of_page_figures_and_pictures(
    portrait, evaluation, tiny_preset, place
):
    code, out, err = portrait(*given(tiny_preset, place))
    assert (code, out) == (0, f"{place}\n")
    assert err == "2 photos were left out; the report says why\n"
    assert sorted(path.name for path in place.iterdir()) == [
        *("evaluation.html", "evaluation.json", "pictures")
    ]
    assert sorted(path.name for path in (place / "pictures").iterdir()) == [
        *("edges", "photos", "tiny-thin", "xdog")
    ]
    assert [path.name for path in place.parent.iterdir()] == ["report"]  # nothing unfinished
    page = (place / "evaluation.html").read_text(encoding="utf-8")
    assert f"portrait evaluate {tiny_preset} --photos faces -o {place}" in page
    assert "Photo men/0000.png" in page
    figures = json.loads((place / "evaluation.json").read_bytes())
    assert figures["entries"][0]["name"] == "tiny" and "numpy" in figures["versions"]


def test_options_reach_the_evaluation(portrait, evaluation, tiny_preset, place):
    more = ("--drawings", "data", "--groups", "who.csv", "--identity", "--among", "more")
    assert portrait(*given(tiny_preset, place, *more, "--count", 7, "--no-classical"))[0] == 0
    [(sources, photos, options)] = evaluation.calls
    assert [(source.name, source.kind) for source in sources] == [("tiny", "preset")]
    assert sources[0].generator.metadata.styles == ("thin", "bold")
    assert str(photos) == "faces"
    assert {name: value if value is None else str(value) for name, value in options.items()} == {
        "drawings": "data",
        "groups": "who.csv",
        "identity": "True",
        "among": "more",
        "limit": "7",
        "baselines": "False",
    }


def test_without_options_all_photos_and_baselines_are_measured(
    portrait, evaluation, tiny_preset, place
):
    portrait(*given(tiny_preset, place))
    [(_, _, options)] = evaluation.calls
    assert options["limit"] is None and options["baselines"] is True
    assert options["drawings"] is options["groups"] is options["among"] is None
    assert options["identity"] is False


def test_sources_are_called_what_a_person_calls_them(
    portrait, evaluation, tiny_preset, tmp_path, place, monkeypatch
):
    other = write_tiny_preset(tmp_path / "presets" / "other")
    run = tmp_path / "runs" / "001-mine"
    run.mkdir(parents=True)
    (run / "generator.keras").write_bytes(b"")
    opened = []
    monkeypatch.setattr(COMMAND, "open_generator", opened.append)
    monkeypatch.chdir(other)
    names = ("fast", f"{tiny_preset}/", ".", run, run / "best.keras", tiny_preset / "tiny.tflite")
    code, _, _ = portrait("evaluate", *names, "--photos", "faces", "-o", place)
    assert code == 0 and opened == [str(name) for name in names]
    [(sources, _, _)] = evaluation.calls
    assert [(source.name, source.kind) for source in sources] == [
        ("fast", "preset"),
        ("tiny", "preset"),
        ("other", "preset"),
        ("001-mine", "run"),
        ("001-mine best", "run"),
        ("tiny.tflite", "preset"),
    ]


def test_without_photos_none_is_in_the_report(portrait, evaluation, tiny_preset, place):
    assert portrait(*given(tiny_preset, place, "--no-photos"))[0] == 0
    assert "Photo men" not in (place / "evaluation.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in (place / "pictures").iterdir()) == ["tiny-thin", "xdog"]


def test_without_photos_their_edge_maps_go_too(portrait, evaluation, tiny_preset, place):
    evaluation.result = invented_result(2, (("tiny", "thin", "preset"),), ("HED map", "XDoG"))
    assert portrait(*given(tiny_preset, place, "--no-photos"))[0] == 0
    assert sorted(path.name for path in (place / "pictures").iterdir()) == ["tiny-thin", "xdog"]
    page = (place / "evaluation.html").read_text(encoding="utf-8")
    assert "Drawing men/0000.png" in page and "HED map, men" not in page and "XDoG, men" in page
    # Its figures stay.
    assert "<b>HED map</b>" in page


def test_a_finished_report_is_not_lost(portrait, evaluation, tiny_preset, place, monkeypatch):
    def refuse(path, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(COMMAND.Path, "rename", refuse)
    err = refusal(portrait, *given(tiny_preset, place))
    [part] = place.parent.iterdir()
    assert (part / "evaluation.html").exists()
    assert "(Permission denied)" in err and f"It is in {part}. Received: {place}" in err


def test_a_table_is_printed_before_the_place(portrait, evaluation, tiny_preset, place):
    evaluation.result["photos"]["skipped"] = []
    code, out, err = portrait(*given(tiny_preset, place, "--markdown"))
    head, rule, *lines, last = out.splitlines()
    assert (code, err, last) == (0, "", str(place))
    assert head == "|  | tiny · thin | XDoG | real against real · ink |"
    assert len(lines) == 8 and lines[0].startswith("| Face found again")


def test_an_empty_folder_is_taken(portrait, evaluation, tiny_preset, place):
    place.mkdir()
    assert portrait(*given(tiny_preset, place))[0] == 0
    assert (place / "evaluation.html").exists()


def refusal(portrait, *arguments):
    code, out, err = portrait(*arguments)
    assert (code, out) == (2, "") and err.startswith("portrait: ") and err.count("\n") == 1
    return err


def test_what_is_there_is_never_touched(portrait, evaluation, tiny_preset, place):
    portrait(*given(tiny_preset, place))
    evaluation.calls.clear()
    err = refusal(portrait, *given(tiny_preset, place))
    assert "Expected a new or empty folder" in err and err.endswith(f"Received: {place}\n")
    err = refusal(portrait, *given(tiny_preset, place / "evaluation.json"))
    assert "-o must be a folder" in err
    shutil.rmtree(place)
    place.write_text("mine")
    assert "Expected a new or empty folder" in refusal(portrait, *given(tiny_preset, place))
    assert place.read_text() == "mine" and evaluation.calls == []


def test_a_page_of_its_own_is_refused(portrait, evaluation, tiny_preset, place):
    err = refusal(portrait, *given(tiny_preset, place.with_suffix(".html")))
    assert "-o must be a folder" in err and evaluation.calls == []


def test_a_report_among_the_photos_is_refused(portrait, evaluation, tiny_preset, place):
    folder = place.parent
    among = ("--identity", "--among", folder)
    options = {"--photos": (), "--drawings": ("--drawings", folder), "--among": among}
    for option, more in options.items():
        photos = folder if option == "--photos" else "faces"
        arguments = ("evaluate", tiny_preset, "--photos", photos, "-o", place, *more)
        err = refusal(portrait, *arguments)
        assert f"-o lies in the folder of {option}" in err
    assert evaluation.calls == []


def test_other_people_are_of_no_use_where_nobody_is_looked_for(
    portrait, evaluation, tiny_preset, place
):
    err = refusal(portrait, *given(tiny_preset, place, "--among", "more"))
    assert "--among says where --identity looks. Expected both. Received: more" in err
    assert evaluation.calls == []


def test_an_unknown_preset_is_named(portrait, evaluation, tiny_preset, place):
    err = refusal(portrait, "evaluate", tiny_preset, "finne", "--photos", "faces", "-o", place)
    assert 'Did you mean "fine" or "fine-256"?' in err and err.endswith("Received: finne\n")
    assert evaluation.calls == []


def test_a_count_is_at_least_one(portrait, evaluation, tiny_preset, place):
    code, _, err = portrait(*given(tiny_preset, place, "--count", 0))
    assert code == 2 and "--count" in err


def test_a_failed_evaluation_leaves_nothing(portrait, evaluation, tiny_preset, place):
    evaluation.error = InputError("No face in any photo. Received: faces")
    assert "No face in any photo" in refusal(portrait, *given(tiny_preset, place))
    evaluation.error = OSError(28, "No space left on device")
    err = refusal(portrait, *given(tiny_preset, place))
    assert (
        err == f"portrait: Cannot write the report (No space left on device). Received: {place}\n"
    )
    assert list(place.parent.iterdir()) == []


def test_an_interrupted_evaluation_leaves_nothing(portrait, evaluation, tiny_preset, place):
    evaluation.error = KeyboardInterrupt()
    assert portrait(*given(tiny_preset, place))[0] not in (0, 2)
    assert list(place.parent.iterdir()) == []


def test_without_the_extra_one_line_says_what_to_install(portrait, tiny_preset, place, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'keras'", name="keras")

    fake = types.SimpleNamespace(import_module=missing)
    monkeypatch.setattr("keras_portrait.cli.with_keras.importlib", fake)
    err = refusal(portrait, *given(tiny_preset, place))
    assert err.endswith('needs keras. Install it with: pip install "keras-portrait[train]"\n')
    assert list(place.parent.iterdir()) == []


def test_tensorflow_does_not_warn_of_batches_of_several_shapes():
    logger = logging.getLogger("tensorflow")
    before = logger.level
    try:
        for wished, expected in ((logging.NOTSET, logging.ERROR), (logging.INFO, logging.INFO)):
            logger.setLevel(wished)
            import_with_keras("json", "This test")
            assert logger.level == expected
    finally:
        logger.setLevel(before)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tiny_preset_is_measured_twice_alike(portrait, tiny_preset, tmp_path, monkeypatch):
    from keras_portrait.evaluation import extractors

    monkeypatch.setattr(extractors, "find_inception", lambda: None)  # nothing is downloaded
    write_drawn_faces(tmp_path, 8)
    options = ("--photos", tmp_path / "photos", "--drawings", tmp_path / "drawings", "--count", 4)
    (tmp_path / "place").mkdir()
    texts = []
    for name in ("first", "second"):
        folder = tmp_path / "place" / name
        code, out, err = portrait("evaluate", tiny_preset, *options, "-o", folder)
        assert (code, out, err) == (0, f"{folder}\n", "")
        texts.append((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    figures = json.loads(texts[0])
    assert figures["photos"]["count"] == 4
    styles = [(entry["name"], entry["style"]) for entry in figures["entries"]]
    assert styles[:2] == [("tiny", "thin"), ("tiny", "bold")]
    assert {entry["kind"] for entry in figures["entries"]} == {"preset", "baseline", "floor"}
    page = (folder / "evaluation.html").read_text(encoding="utf-8")
    for measure in figures["measures"].values():
        assert str(escape(measure["title"])) in page
    assert "This picture cannot be read" not in page
