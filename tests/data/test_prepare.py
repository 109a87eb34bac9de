import csv
import json
import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_portrait.data.folder_options import OPTIONS_NAME, read_alignment, read_options
from keras_portrait.data.manifest import UNREADABLE, read_manifest, write_style_shares
from keras_portrait.data.prepare import prepare as module
from keras_portrait.data.prepare.drawings import mid_gray_share
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.prepare.sources import find_sources
from keras_portrait.data.prepare.squares import FaceLimits, SquareMaker, part_masks
from keras_portrait.data.shards.reader import data_alignment
from keras_portrait.data.synthetic_faces import draw_face, write_drawn_faces
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.alignment import ALIGNMENT, prepare_face
from keras_portrait.inference.faces import Box, Face
from keras_portrait.inference.geometry import face_template, square_to_photo
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.inference.segmentation import PersonSegmenter

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SIZE = 128


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Folder with photos and drawings of invented faces."""
    folder = tmp_path_factory.mktemp("faces")
    write_drawn_faces(folder, 4)
    return folder


@pytest.fixture
def inputs(faces, tmp_path):
    """Copies of the photo and drawing folders, to be changed at will."""
    for path in faces.rglob("*.png"):
        copy = tmp_path / path.relative_to(faces)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return tmp_path / "photos", tmp_path / "drawings"


def load(path: Path) -> np.ndarray:
    """The picture as it lies in the file, gray or RGB."""
    with Image.open(path) as picture:
        return np.array(picture)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_squares_masks_and_manifest(faces, tmp_path):
    before = contents(faces)
    output = tmp_path / "data"
    summary = prepare(faces / "photos", faces / "drawings", output, SIZE, holdout=0.5)
    assert summary.kept("photo") == summary.kept("drawing") == 4
    assert contents(faces) == before
    rows = read_manifest(output)
    assert rows == summary.rows
    assert {row.split for row in rows} == {"train", "test"}
    for row in rows:
        square, mask = load(output / row.file), load(output / row.mask)
        assert row.mask == f"masks/{row.file}"
        assert square.shape == ((SIZE, SIZE, 3) if row.kind == "photo" else (SIZE, SIZE))
        assert mask.shape == (SIZE, SIZE, 3) and row.size == SIZE
        folder = "photos" if row.kind == "photo" else "drawings/drawn"
        assert row.file == f"{folder}/{row.source.split('/')[-1]}"
        assert row.style == (None if row.kind == "photo" else "drawn")
        points = np.array(row.landmarks)
        assert np.abs(points - face_template(SIZE)).max() < 12
        eyes, nose, lips = np.moveaxis(mask, -1, 0)
        for part, inside in ((eyes, (0, 1)), (nose, (2,)), (lips, (3, 4))):
            for x, y in points[list(inside)].round().astype(int):
                assert part[y, x] == 255
        assert np.mean(square >= 250) > 0.3
    drawings = [load(output / row.file) for row in rows if row.kind == "drawing"]
    assert max(map(mid_gray_share, drawings)) < 0.12
    assert load(output / "preview.png").shape[1] > 8 * 100


def test_a_photo_is_aligned_as_at_drawing_time(faces, tmp_path):
    maker = SquareMaker(SIZE)
    photo = read_image(faces / "photos" / "0000.png")
    square = maker.photo(photo)
    landmarks = maker.photo_finder.find(photo)[0].landmarks
    expected = prepare_face(photo, landmarks, SIZE, PersonSegmenter()).square
    assert (square.picture == expected).all()
    assert (square.mask == part_masks(square.landmarks, SIZE)).all()


def test_a_second_run_does_nothing_again(inputs, tmp_path, monkeypatch):
    output = tmp_path / "data"
    prepare(*inputs, output, SIZE)
    first = contents(output)

    def refuse(self, picture):
        raise AssertionError("made again")

    monkeypatch.setattr(SquareMaker, "photo", refuse)
    monkeypatch.setattr(SquareMaker, "drawing", refuse)
    assert prepare(*inputs, output, SIZE).reused == 8
    assert contents(output) == first


def test_a_folder_keeps_the_alignment_that_it_was_made_with(inputs, tmp_path, portrait):
    photos, drawings = inputs
    output = tmp_path / "data"
    summary = prepare(*inputs, output, SIZE)
    options = read_options(output)
    assert (options["format"], options["alignment"], summary.alignment) == (2, 2, 2)
    assert read_alignment(output) == data_alignment(output) == ALIGNMENT == 2
    assert not any("alignment" in line for line in summary.lines())
    newest = load(output / "photos" / "0000.png")
    # As an older version left it, which knew of no other.
    assert prepare(*inputs, output, SIZE, alignment=1).reused == 0
    options = read_options(output)
    assert options["format"] == 1 and "alignment" not in options
    former = load(output / "photos" / "0000.png")
    assert not np.array_equal(former, newest)
    write_image(photos / "0004.png", draw_face(77, 300).photo)
    summary = prepare(*inputs, output, SIZE)
    assert summary.reused == 8 and read_alignment(output) == summary.alignment == 1
    assert any("the folder's alignment, 1; those of a new" in line for line in summary.lines())
    expected = SquareMaker(SIZE, alignment=1).photo(read_image(photos / "0004.png")).picture
    np.testing.assert_array_equal(load(output / "photos" / "0004.png"), expected)
    drawn = contents(output / "drawings")
    given = ("prepare", photos, drawings, "-o", output, "--size", SIZE, "--alignment", 2)
    assert portrait(*given)[0] == 0
    np.testing.assert_array_equal(load(output / "photos" / "0000.png"), newest)
    assert contents(output / "drawings") == drawn  # a sheet has no exposure


def test_alignments_that_nobody_knows_are_refused(inputs, tmp_path):
    output = tmp_path / "data"
    with pytest.raises(SettingError, match="must be one of 1, 2. Received: 3"):
        prepare(*inputs, output, SIZE, alignment=3)
    assert not output.exists()
    prepare(*inputs, output, SIZE)
    for other in (3, 0, "2", True, None):
        options = read_options(output) | {"alignment": other}
        (output / OPTIONS_NAME).write_text(json.dumps(options))
        with pytest.raises(InputError, match="knows the alignments 1, 2. Received: alignment"):
            prepare(*inputs, output, SIZE)


def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(inputs, tmp_path):
    whole, output = tmp_path / "whole", tmp_path / "data"
    prepare(*inputs, whole, SIZE)

    def interrupt(row, number, count):
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(*inputs, output, SIZE, progress=interrupt)
    with (output / "manifest.jsonl").open("a") as file:
        file.write('{"file": "photos/00')  # power cut in the middle of a line
    assert prepare(*inputs, output, SIZE).reused == 3
    assert contents(output) == contents(whole)


def test_a_changed_option_makes_all_anew(inputs, tmp_path):
    output = tmp_path / "data"
    prepare(*inputs, output, SIZE)
    assert prepare(*inputs, output, 64).reused == 0
    assert load(output / "photos" / "0000.png").shape == (64, 64, 3)
    none = prepare(*inputs, output, 64, face_limits=FaceLimits(least_score=1.1))
    assert none.kept("photo") == 0
    assert not list((output / "photos").iterdir())


def test_changed_lost_and_gone_pictures(inputs, tmp_path):
    photos, drawings = inputs
    output = tmp_path / "data"
    prepare(*inputs, output, SIZE)
    write_image(photos / "0001.png", draw_face(77, 300).photo)
    (output / "photos" / "0002.png").unlink()
    (photos / "0003.png").unlink()
    summary = prepare(*inputs, output, SIZE)
    assert summary.reused == 5 and len(summary.rows) == 7
    left = {path.name for path in (output / "photos").iterdir()}
    assert left == {"0000.png", "0001.png", "0002.png"}
    assert {path.name for path in (output / "masks" / "photos").iterdir()} == left


def test_bad_files_are_named_and_the_rest_is_done(inputs, tmp_path):
    photos, drawings = inputs
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "text.png").write_text("no picture")
    whole = (photos / "0000.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    write_image(drawings / "drawn" / "blank.png", np.full((200, 200, 3), 255, np.uint8))
    seen = []
    output = tmp_path / "data"
    summary = prepare(*inputs, output, SIZE, progress=lambda row, number, count: seen.append(row))
    assert seen == summary.rows and summary.kept("photo") == 4
    reasons = {row.source: row.reason for row in summary.rows if not row.kept}
    assert reasons.keys() == {"empty.jpg", "text.png", "cut.png", "drawn/blank.png"}
    assert reasons["drawn/blank.png"] == "no face found"
    assert summary.dropped("photo") == Counter({UNREADABLE: 3})
    # A file that could not be read is tried again.
    (photos / "cut.png").write_bytes(whole)
    assert prepare(*inputs, output, SIZE).kept("photo") == 5


def test_photos_alone_are_prepared(inputs, tmp_path, portrait):
    code, out, err = portrait("prepare", inputs[0], "-o", tmp_path / "data", "--size", SIZE)
    assert (code, err) == (0, "")
    assert {row.kind for row in read_manifest(tmp_path / "data")} == {"photo"}
    # Nothing is amiss with it but what a set of four would lack with drawings, too.
    code, out, err = portrait("prepare", "--check", tmp_path / "data")
    assert "drawing" not in out


def test_dry_run_reports_and_writes_nothing(inputs, tmp_path):
    before = contents(tmp_path)
    summary = prepare(*inputs, tmp_path / "data", SIZE, dry_run=True)
    assert summary.kept("photo") == summary.kept("drawing") == 4
    assert contents(tmp_path) == before and not (tmp_path / "data").exists()


def test_the_split_depends_on_the_name_alone(tmp_path):
    def splits(names):
        photos = tmp_path / str(len(names))
        photos.mkdir()
        for name in names:
            (photos / name).touch()
        sources = find_sources(photos, photos)
        return {source.relative: source.share < 0.2 for source in sources if source.style is None}

    names = [f"{number:03d}.png" for number in range(300)]
    all_splits, few_splits = splits(names), splits(names[::3])
    assert few_splits.items() <= all_splits.items()
    assert 0.12 < np.mean(list(all_splits.values())) < 0.28


def test_styles_and_names(tmp_path):
    photos, drawings = tmp_path / "photos", tmp_path / "ink"
    names = ["a/x.jpg", "a/x.png", "b/x.jpg", "a-x.webp"]
    for path in [*(photos / name for name in names), drawings / "pen/s/2.png"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    sources = {source.relative: source for source in find_sources(photos, drawings)}
    assert sources["pen/s/2.png"].style == "pen"
    assert sources["pen/s/2.png"].file == "drawings/pen/s-2.png"
    assert sources["b/x.jpg"].file == "photos/b-x.png"
    assert len({source.file for source in sources.values()}) == len(sources)


@pytest.mark.parametrize(
    ("names", "styles"),
    [
        (["1.png", "2.png"], {"1.png": "ink", "2.png": "ink"}),
        (["1.png", "pen/2.png"], {"1.png": None, "pen/2.png": "pen"}),
        (["pen/1.png", "untagged/a/2.png"], {"pen/1.png": "pen", "untagged/a/2.png": None}),
        (["1.png", "Untagged/1.png"], {"1.png": "ink", "Untagged/1.png": None}),
        (["1.png", "untagged/1.png", "a/1.png"], {"1.png": None, "untagged/1.png": None}),
        (["untagged/1.png"], {"untagged/1.png": None}),
    ],
)
def test_drawings_without_a_tag(tmp_path, names, styles):
    photos, drawings = tmp_path / "photos", tmp_path / "ink"
    for path in [photos / "x.jpg", *(drawings / name for name in names)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {source.relative: source for source in find_sources(photos, drawings)}
    assert {name: found[name].style for name in styles} == styles
    for source in found.values():
        if source.kind == "drawing" and source.style is None:
            assert source.file.startswith("drawings/untagged/")
    assert len({source.file for source in found.values()}) == len(names) + 1


def test_style_shares_stay_with_their_rows(inputs, tmp_path):
    photos, drawings = inputs
    (drawings / "untagged").mkdir()
    (drawings / "drawn" / "0000.png").rename(drawings / "untagged" / "0000.png")
    output = tmp_path / "data"
    rows = prepare(*inputs, output, 64).rows
    [untagged] = [row for row in rows if row.kind == "drawing" and row.style is None]
    assert untagged.file == "drawings/untagged/0000.png" and untagged.style_shares is None
    shares = {row.file: {"drawn": 1.0} for row in rows if row.kind == "drawing"}
    before = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    write_style_shares(output, shares)
    after = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    assert [row.pop("style_shares") for row in after] == [shares.get(row["file"]) for row in before]
    assert all(row.pop("style_shares") is None for row in before) and after == before
    # What is reused keeps them; a picture that has changed is another one.
    write_image(drawings / "drawn" / "0001.png", draw_face(78, 256).drawing)
    again = prepare(*inputs, output, 64)
    assert again.reused == 7
    kept = {row.source: row.style_shares for row in again.rows if row.kind == "drawing"}
    assert kept.pop("drawn/0001.png") is None
    assert set(map(str, kept.values())) == {"{'drawn': 1.0}"}
    assert (output / "preview.png").is_file()


def test_a_manifest_from_before_the_style_shares_is_read(faces, tmp_path):
    prepare(faces / "photos", faces / "drawings", tmp_path / "data", 64)
    path = tmp_path / "data" / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        del row["style_shares"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert all(row.style_shares is None for row in read_manifest(tmp_path / "data"))
    assert prepare(faces / "photos", faces / "drawings", tmp_path / "data", 64).reused == 8


class OneFace:
    """Finds the same face in every picture."""

    def __init__(self, landmarks, score=0.99):
        self.face = Face(Box(0, 0, 1, 1), np.asarray(landmarks, np.float32), score)

    def detect(self, photo):
        return [self.face]

    find = detect


def moved(change) -> np.ndarray:
    """The five points of a well placed face 100 px wide, changed."""
    return change(face_template(256).copy())


def nose_right(points):
    points[2, 0] += 25
    return points


def mouth_low(points):
    points[3:, 1] += 45
    return points


@pytest.mark.parametrize(
    ("change", "score", "reason"),
    [
        (lambda points: points, 0.5, "unsure face (confidence 0.50, at least 0.8)"),
        (nose_right, 0.99, "turned head (yaw 0."),
        (mouth_low, 0.99, "points far from the template ("),
        (lambda points: points * 0.3, 0.99, "face too small (eyes 16.5 px apart, at least 21.1)"),
    ],
)
def test_unfit_faces_are_named(change, score, reason):
    detector = OneFace(moved(change), score)
    maker = SquareMaker(SIZE, photo_finder=detector, drawing_detector=detector)
    picture = np.full((256, 256, 3), 200, np.uint8)
    for square in (maker.photo(picture), maker.drawing(picture)):
        assert square.fault.startswith(reason)
        assert square.picture is None and square.landmarks.shape == (5, 2)


class Segmentation:
    """Takes the upper part of every picture for a person, down to a share of its height."""

    def __init__(self, share):
        self.share = share

    def __call__(self, photo):
        alpha = np.zeros(photo.shape[:2], np.float32)
        alpha[: round(self.share * photo.shape[0])] = 1
        return alpha


@pytest.mark.parametrize("share", [1.0, 0.66, 0.3])
def test_a_face_that_the_segmentation_loses_is_named(share):
    face = draw_face(2)
    maker = SquareMaker(SIZE, photo_finder=OneFace(face.landmarks), segmenter=Segmentation(share))
    fault = maker.photo(face.photo).fault
    # The mouth lies at 0.72 of the square's height.
    assert fault is None if share == 1 else fault.startswith("face lost in the segmentation (alpha")


def test_large_squares_ask_for_no_larger_faces():
    points = moved(lambda points: points * 0.5)
    picture = np.full((256, 256, 3), 200, np.uint8)
    for size in (128, 512):
        maker = SquareMaker(size, photo_finder=OneFace(points), segmenter=Segmentation(1.0))
        assert maker.photo(picture).fault is None
        assert square_to_photo(points, size).shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"size": 31}, SettingError, "32 to 2048 pixels. Received: 31"),
        ({"size": 16}, SettingError, "Received: 16"),
        ({"holdout": 1.0}, SettingError, "Received: 1.0"),
        ({"holdout": float("nan")}, SettingError, "Received: nan"),
        ({"photos": "missing"}, InputError, "No such folder"),
        ({"drawings": "empty"}, InputError, "No pictures in the folder"),
        ({"output": "photos/data"}, InputError, "apart from the input"),
        ({"output": "."}, InputError, "apart from the input"),
        ({"output": "full"}, InputError, "holds something else"),
        ({"output": "full/note.txt"}, InputError, "Cannot make the output folder"),
    ],
)
def test_user_errors(inputs, tmp_path, change, error, text):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    before = contents(tmp_path)
    paths = {"photos": "photos", "drawings": "drawings", "output": "data"}
    settings = {"size": SIZE, "holdout": 0.1} | change
    settings |= {name: tmp_path / settings.get(name, path) for name, path in paths.items()}
    with pytest.raises(error, match=text) as raised:
        prepare(**settings)
    assert "\n" not in str(raised.value)
    assert contents(tmp_path) == before


def test_a_manifest_from_elsewhere_cannot_reach_out(inputs, tmp_path):
    output = tmp_path / "data"
    prepare(*inputs, output, SIZE)
    rows = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    rows[0]["file"] = "../photos/0000.png"
    (output / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="Line 1 is no row of a manifest"):
        prepare(*inputs, output, 64)
    assert (tmp_path / "photos" / "0000.png").exists()


def test_a_manifest_of_something_else_is_named(tmp_path):
    with pytest.raises(InputError, match="portrait prepare"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.jsonl").write_text('{"a": 1}\n{"b": 2}\n')
    with pytest.raises(InputError, match="Line 1"):
        read_manifest(tmp_path)


def test_memory_holds_one_picture_at_a_time(inputs, tmp_path, monkeypatch):
    alive, references = [], []

    def watched(path, **options):
        picture = read_image(path, **options)
        alive.append(sum(reference() is not None for reference in references))
        references.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr(module, "read_image", watched)
    prepare(*inputs, tmp_path / "data", 64)
    assert len(alive) == 8 and max(alive) == 0


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder `shared` is not beside the checkout")
def test_faces_in_scanned_drawings_are_judged_as_in_the_recorded_list():
    with (SHARED / "drawings.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("pen/")]
    well = [row for row in rows if row["aligned_well"] == "yes"][::6]
    badly = [row for row in rows if abs(float(row["nose_yaw"])) > 0.4]
    maker = SquareMaker(SIZE)

    def kept(rows):
        sheets = (read_image(SHARED / "drawings" / row["file"]) for row in rows)
        return np.mean([maker.drawing(sheet).fault is None for sheet in sheets])

    assert len(well) >= 10 and kept(well) >= 0.75
    assert len(badly) >= 5 and kept(badly) == 0


def test_the_command_reports_and_ends_with_the_result(inputs, tmp_path, portrait):
    (inputs[0] / "broken.jpg").write_bytes(b"no picture")
    output = tmp_path / "data"
    code, out, err = portrait("prepare", *inputs, "-o", output, "--size", "64")
    lines = out.splitlines()
    assert code == 2 and lines[-1] == str(output)
    assert lines[0].startswith("photos: 4 kept (") and lines[0].endswith("1 dropped")
    assert any(line.startswith("drawings: 4 kept (") for line in lines)
    assert err.count("\n") == 1 and err.startswith("broken.jpg: cannot be read")
    assert (output / "preview.png").is_file()


def test_the_command_names_a_user_error_in_one_line(tmp_path, portrait):
    code, out, err = portrait("prepare", tmp_path / "none", tmp_path, "-o", tmp_path / "data")
    assert code == 2 and out == ""
    assert err.count("\n") == 1 and "apart from the input" in err
    code, out, err = portrait("prepare", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "data")
    assert code == 2 and err.count("\n") == 1 and "No such folder" in err
    assert list(tmp_path.glob("data")) == []
