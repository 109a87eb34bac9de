import csv
import json

import numpy as np
import pytest

from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare import given_landmarks as module
from keras_portrait.data.prepare import squares
from keras_portrait.data.prepare.check import check_prepared
from keras_portrait.data.prepare.given_landmarks import (
    COLUMNS,
    FILE,
    match_landmarks,
    read_landmarks,
)
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.prepare.sources import Source, find_sources
from keras_portrait.data.shards.reader import ShardFolder
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError
from keras_portrait.inference.geometry import invert, square_to_photo, transform_points
from keras_portrait.inference.imaging import write_image

SIZE = 64
PHOTOS, DRAWINGS = ("me.png", "you.png"), ("ink/one.png", "ink/two.png")
SEEDS = {name: seed for seed, name in enumerate((*PHOTOS, *DRAWINGS))}


def points_of(name):
    return draw_face(SEEDS[name]).landmarks.astype(np.float64).round(1)


@pytest.fixture
def inputs(tmp_path):
    """Folders of two photos and of two drawings."""
    for folder, names in (("photos", PHOTOS), ("drawings", DRAWINGS)):
        for name in names:
            face = draw_face(SEEDS[name])
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, face.photo if folder == "photos" else face.drawing)
    return tmp_path / "photos", tmp_path / "drawings"


@pytest.fixture
def table(tmp_path):
    """Writes a CSV file of landmarks by name: five points, or ten fields as they are."""

    def write(rows, columns=(FILE, *COLUMNS), start=""):
        path = tmp_path / "points.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            file.write(start)
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([name, *np.ravel(fields)] for name, fields in rows)
        return path

    return write


@pytest.fixture
def blind(monkeypatch):
    """No face is found in any picture."""
    monkeypatch.setattr(squares, "find_face_in_drawing", lambda sheet, detector: None)
    monkeypatch.setattr(squares.FaceFinder, "find", lambda finder, photo: [])


def by_source(rows):
    return {row.source: row for row in rows}


def test_a_table_is_read_by_its_columns(tmp_path):
    points = np.arange(10.0).reshape(5, 2) + 0.25
    path = tmp_path / "points.csv"
    columns = ["artist", *reversed(COLUMNS), FILE]
    lines = [
        ",".join(columns),
        ",".join(['"Pyle, Howard"', *map(str, points.ravel()[::-1]), "./a/b.png"]),
        ",".join(["", *[""] * 10, "c.png"]),
    ]
    # As spreadsheets write it.
    path.write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    found = read_landmarks(path)
    assert list(found) == ["a/b.png", "c.png"] and found["c.png"] is None
    np.testing.assert_array_equal(found["a/b.png"], points)


GOOD = np.arange(10)


@pytest.mark.parametrize(
    ("rows", "columns", "text"),
    [
        ([("a", GOOD)], (FILE, *COLUMNS[1:], "x"), "no left_eye_x is there. Received: file, left"),
        ([("a", GOOD)], ("file;left_eye_x", *COLUMNS), "no file is there. Received: file;left"),
        ([], (FILE, *COLUMNS), "expected rows of landmarks. Received: none"),
        ([("", GOOD)], (FILE, *COLUMNS), "line 2: expected the name of a picture"),
        ([("a", GOOD), ("a", GOOD)], (FILE, *COLUMNS), "line 3: expected a row for .*: a again"),
        (
            [("a", GOOD), ("b", ["nan", *GOOD[1:]]), ("c", [*GOOD[:9], ""]), ("d", ["x"] * 10)],
            (FILE, *COLUMNS),
            "Received: line 3, b, left_eye_x nan; line 4, c, mouth_right_y missing; "
            "line 5, d, left_eye_x x$",
        ),
        ([("a", [*GOOD[:9], "inf"])], (FILE, *COLUMNS), "line 2, a, mouth_right_y inf$"),
        ([(str(n), ["?"] * 10) for n in range(9)], (FILE, *COLUMNS), "line 6, 4, .* and 4 more$"),
    ],
)
def test_tables_that_are_none_are_refused_in_one_line(table, rows, columns, text):
    with pytest.raises(InputError, match=text) as raised:
        read_landmarks(table(rows, columns))
    assert "\n" not in str(raised.value) and "points.csv" in str(raised.value)


def test_files_that_are_no_tables_are_refused(tmp_path):
    path = tmp_path / "points.csv"
    with pytest.raises(InputError, match="Cannot read the landmarks \\(No such file"):
        read_landmarks(path)
    with pytest.raises(InputError, match="Cannot read the landmarks"):
        read_landmarks(tmp_path)
    path.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_landmarks(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="Received: an empty file"):
        read_landmarks(path)
    path.write_text("file," + "x" * 200_000)
    with pytest.raises(
        InputError, match="expected a CSV file of landmarks. Received: field larger"
    ):
        read_landmarks(path)


def source(relative, kind="drawing"):
    return Source(None, relative, kind, None, "")


def test_a_row_names_the_picture_whose_path_ends_as_it_does(table):
    sources = [source("b/a/x.png"), source("b/y.png"), source("ax.png", "photo")]
    sources.append(source("x.png", "avatar"))
    rows = [(name, GOOD + n) for n, name in enumerate(("a/x.png", "y.png", "ax.png", "b/x.png"))]
    given = match_landmarks(table(rows), sources)
    expected = [("drawing", "b/a/x.png"), ("drawing", "b/y.png"), ("photo", "ax.png")]
    assert list(given.points) == expected
    for number, each in enumerate(sources[:3]):
        np.testing.assert_array_equal(given.of(each).ravel(), GOOD + number)
    assert given.of(sources[3]) is None and given.stamp(sources[3]) == ""
    assert len({given.stamp(each) for each in sources[:3]}) == 3
    assert given.remarks == ["points.csv: 1 row names no picture of the input folders: b/x.png"]


def test_rows_that_name_nothing_are_counted_and_the_first_named(table):
    rows = [("x.png", [""] * 10), *((f"{n}.png", GOOD) for n in range(7))]
    given = match_landmarks(table(rows), [source("x.png")])
    assert given.points == {}
    assert given.remarks == [
        "points.csv: 7 rows name no picture of the input folders: "
        "0.png, 1.png, 2.png, 3.png, 4.png and 2 more",
        "points.csv: 1 row has no points, the face is looked for there",
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["x.png"], "which may be x.png, a/x.png, b/x.png$"),
        (["a/x.png", "y.png", "c/y.png"], "Received: y.png and c/y.png for c/y.png$"),
        (["z.png", "A/x.png"], "paths inside them. Received: z.png, A/x.png$"),
    ],
)
def test_rows_that_do_not_fit_the_input_are_refused(table, names, text):
    sources = [source("x.png", "photo"), source("a/x.png"), source("b/x.png"), source("c/y.png")]
    with pytest.raises(InputError, match=text) as raised:
        match_landmarks(table([(name, GOOD) for name in names]), sources)
    assert "\n" not in str(raised.value)


def test_faces_that_the_detector_misses_are_aligned_by_given_points(
    inputs, table, tmp_path, blind, portrait
):
    rows = [(name, points_of(name)) for name in ("me.png", "ink/one.png")]
    path = table([*rows, ("gone.png", GOOD), ("ink/two.png", [""] * 10)])
    output = tmp_path / "data"
    code, out, err = portrait("prepare", *inputs, "-o", output, "--size", SIZE, "--landmarks", path)
    assert (code, err) == (0, "")
    assert "landmarks given: 2\n" in out
    assert "points.csv: 1 row names no picture of the input folders: gone.png\n" in out
    assert "points.csv: 1 row has no points, the face is looked for there\n" in out
    found = by_source(read_manifest(output))
    for name in ("me.png", "ink/one.png"):
        row, points = found[name], points_of(name)
        assert row.kept and row.landmarks_given and row.score is None
        aligned = transform_points(points, invert(square_to_photo(points, SIZE)))
        np.testing.assert_allclose(row.landmarks, aligned, atol=0.006)
    for name in ("you.png", "ink/two.png"):
        row = found[name]
        assert row.reason == "no face found" and not row.landmarks_given
    # Older versions know of no such field; it is there where it says something.
    lines = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    assert sum("landmarks_given" in line for line in lines) == 2


def test_given_points_count_where_the_detector_finds_a_face_too(inputs, table, tmp_path):
    shifted = points_of("ink/one.png") + (12, 0)
    prepare(*inputs, tmp_path / "data", SIZE, landmarks=table([("one.png", shifted)]))
    prepare(*inputs, tmp_path / "found", SIZE)
    given, found = (
        by_source(read_manifest(tmp_path / name))["ink/one.png"] for name in ("data", "found")
    )
    assert given.kept and found.kept and found.score > 0.8 and not found.landmarks_given
    pictures = [
        row.read(tmp_path / name, row.file) for row, name in ((given, "data"), (found, "found"))
    ]
    assert np.mean(np.abs(pictures[0].astype(int) - pictures[1])) > 10


def test_a_changed_table_makes_anew_what_it_changes(inputs, table, tmp_path, blind):
    output = tmp_path / "data"
    names = (*PHOTOS, *DRAWINGS)
    rows = {name: points_of(name) for name in names}
    first = prepare(*inputs, output, SIZE, landmarks=table(rows.items()))
    assert first.reused == 0 and all(row.kept for row in first.rows)
    squares_before = {row.source: (output / row.file).read_bytes() for row in first.rows}
    again = prepare(*inputs, output, SIZE, landmarks=table(reversed(rows.items())))
    assert again.reused == 4 and again.rows == first.rows
    rows["ink/one.png"] = rows["ink/one.png"] + (2, 0)
    moved = prepare(*inputs, output, SIZE, landmarks=table(rows.items()))
    assert moved.reused == 3
    changed = {
        row.source
        for row in moved.rows
        if (output / row.file).read_bytes() != squares_before[row.source]
    }
    assert changed == {"ink/one.png"}
    del rows["me.png"]
    less = prepare(*inputs, output, SIZE, landmarks=table(rows.items()))
    assert less.reused == 3 and by_source(less.rows)["me.png"].reason == "no face found"
    assert not (output / "photos" / "me.png").exists()
    none = prepare(*inputs, output, SIZE)
    assert none.reused == 1 and not any(row.kept for row in none.rows)


def test_drawings_of_an_older_version_are_made_anew(inputs, tmp_path):
    output = tmp_path / "data"
    prepare(*inputs, output, SIZE)
    path = output / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["stamp"] = row["stamp"].split(", ")[0]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert prepare(*inputs, output, SIZE).reused == len(PHOTOS)


def test_points_outside_of_the_picture_are_named(inputs, table, tmp_path):
    far = [
        ("me.png", points_of("me.png") + 1e300),
        ("one.png", points_of("ink/one.png") + 256),
    ]
    rows = by_source(prepare(*inputs, tmp_path / "data", SIZE, landmarks=table(far)).rows)
    for name in ("me.png", "ink/one.png"):
        assert rows[name].reason == "given landmarks outside of the picture"
        assert rows[name].landmarks is None


def test_points_in_a_wrong_order_are_judged_as_found_ones(inputs, table, tmp_path):
    swapped = points_of("me.png")[[1, 0, 2, 4, 3]]
    heap = np.full((5, 2), 100.0)
    path = table([("me.png", swapped), ("one.png", heap)])
    rows = by_source(prepare(*inputs, tmp_path / "data", SIZE, landmarks=path).rows)
    assert rows["me.png"].reason and not rows["me.png"].kept
    assert rows["ink/one.png"].reason.startswith(("face too small", "points far"))


def test_the_check_looks_for_no_face_where_its_points_were_given(
    inputs, table, tmp_path, monkeypatch
):
    output = tmp_path / "data"
    path = table([("one.png", points_of("ink/one.png"))])
    prepare(*inputs, output, SIZE, holdout=0, landmarks=path)
    monkeypatch.setattr(
        "keras_portrait.data.prepare.check.find_face_in_drawing", lambda *given: None
    )
    found = {finding.what: finding.files for finding in check_prepared(output)}
    assert found["drawings in whose square no face is found"] == ("drawings/ink/two.png",)


def test_shards_tell_which_landmarks_were_given(inputs, table, tmp_path):
    output = tmp_path / "data"
    path = table([("one.png", points_of("ink/one.png"))])
    prepare(*inputs, output, SIZE, holdout=0, landmarks=path, shards=1)
    rows = ShardFolder(output / "shards").rows("drawing", False, at_random=True)
    assert {row.source: row.landmarks_given for row in rows} == {
        "ink/one.png": True,
        "ink/two.png": False,
    }


def test_a_manifest_with_another_kind_of_note_is_refused(inputs, tmp_path):
    output = tmp_path / "data"
    prepare(*inputs, output, SIZE)
    path = output / "manifest.jsonl"
    row = json.loads(path.read_text().splitlines()[0]) | {"landmarks_given": "yes"}
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match="Line 1 is no row of a manifest"):
        read_manifest(output)


def test_errors_leave_nothing_behind(inputs, table, tmp_path, portrait):
    output = tmp_path / "data"
    path = table([("gone.png", GOOD)])
    code, out, err = portrait("prepare", *inputs, "-o", output, "--landmarks", path)
    assert (code, out, err.count("\n")) == (2, "", 1) and "Received: gone.png" in err
    assert not output.exists()
    code, out, err = portrait("prepare", "--check", output, "--landmarks", path)
    assert code == 2 and "Received: --landmarks too" in err


def test_the_names_of_the_columns_are_those_of_the_help(portrait):
    text = " ".join(portrait("prepare", "--help")[1].replace("│", " ").split())
    assert ", ".join((*COLUMNS[:5], "nose_y", *COLUMNS[6:])) in text


def test_sources_of_all_kinds_are_looked_through(inputs, table):
    path = table([("two.png", GOOD), ("me.png", GOOD)])
    given = match_landmarks(path, find_sources(*inputs))
    assert set(given.points) == {("drawing", "ink/two.png"), ("photo", "me.png")}
    assert module.GivenLandmarks().of(source("ink/two.png")) is None
