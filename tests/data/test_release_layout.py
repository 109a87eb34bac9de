"""The release's layout: its folders, masks, points and style features."""

import json
import shutil

import numpy as np
import pytest

from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.portraits import PortraitBatches, load_prepared
from keras_portrait.data.prepare import squares
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.prepare.sources import find_sources
from keras_portrait.data.shards.reader import ShardFolder
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError
from keras_portrait.inference.geometry import PARTS, face_template, part_mask, square_to_photo, warp
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.recipe import DataSettings
from matlab_files import matlab, matrix, text

SIZE = 128


@pytest.fixture(autouse=True)
def light(monkeypatch):
    """No detector is asked, and every picture is all person."""

    monkeypatch.setattr(squares, "find_face_in_drawing", lambda sheet, detector: None)
    monkeypatch.setattr(squares.FaceFinder, "find", lambda finder, photo: [])
    everywhere = lambda segmenter, photo: np.ones(photo.shape[:2], np.float32)  # noqa: E731
    monkeypatch.setattr(squares.PersonSegmenter, "__call__", everywhere)


def masks_of(seed, side=SIZE):
    """Three masks around the template's places, none of them a box; uint8 (side, side)."""
    rng = np.random.default_rng(seed)
    masks = {}
    for part in PARTS:
        inside = part_mask(face_template(side), side, part) > 0.5
        masks[part] = np.where(inside & (rng.random((side, side)) < 0.9), 255, 0).astype(np.uint8)
    return masks


def aligned(seed, drawing=False):
    """A face of `draw_face` that lies as the template wants it, uint8 (SIZE, SIZE, ...)."""
    face = draw_face(seed)
    picture = face.drawing if drawing else face.photo
    return warp(picture, square_to_photo(face.landmarks.astype(float), SIZE), SIZE)


def put(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, picture)


@pytest.fixture
def release(written, tmp_path):
    """A copy of the training folder, to be changed at will."""
    shutil.copytree(written, tmp_path / "portrait_drawing")
    return tmp_path / "portrait_drawing" / "train"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A training folder as the release describes it: two photos, three drawings, all aligned."""
    train = tmp_path_factory.mktemp("release") / "train"
    for kind, count in (("A", 2), ("B", 3)):
        for number in range(count):
            name = f"{kind.lower()}{number}.png"
            put(train / kind / name, aligned(number, kind == "B"))
            for part, mask in masks_of((ord(kind), number)).items():
                put(train / f"{kind}_{part}" / name, mask)
    (train / "B_feat").mkdir()
    for number, shares in enumerate(([0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0, 0.25, 0.75])):
        np.save(train / "B_feat" / f"b{number}.npy", np.float32(shares))
    return train.parent


def stacked(masks):
    return np.dstack([masks[part] for part in PARTS])


def by_source(rows):
    return {row.source: row for row in rows}


def test_a_folder_of_the_release_is_recognised(release, tmp_path, portrait):
    put(release.parent / "test" / "A" / "left.png", aligned(7))
    output = tmp_path / "data"
    root = release.parent
    code, out, err = portrait("prepare", root, "-o", output, "--size", SIZE, "--holdout", 0)
    assert (code, err) == (0, "")
    assert f"layout of the release: photos in {release / 'A'}, drawings in {release / 'B'}" in out
    assert f"{root / 'test' / 'A'}: 1 pictures not taken; see --holdout" in out
    assert "A: masks of 2 of 2 pictures" in out and "B: masks of 3 of 3 pictures" in out
    assert "B: style features of 3 pictures" in out and "masks given: 5" in out
    assert "photos: 2 kept" in out and "drawings: 3 kept" in out
    rows = by_source(read_manifest(output))
    assert [rows[f"b{n}.png"].style for n in range(3)] == ["style1", "style2", "style3"]
    assert rows["b0.png"].style_shares == pytest.approx(
        {"style1": 0.7, "style2": 0.2, "style3": 0.1}
    )
    for name, row in rows.items():
        # They lie aligned already, and no detector finds them: what is cut out is what was there.
        assert row.mask_source == "files" and row.score is None and row.landmarks_given
        np.testing.assert_allclose(row.landmarks, face_template(SIZE), atol=0.006)
        written = read_image(output / row.mask)
        np.testing.assert_array_equal(
            written, stacked(masks_of((ord(name[0].upper()), int(name[1]))))
        )


def test_training_sees_the_masks_of_the_files(release, tmp_path):
    output = tmp_path / "data"
    prepare(release, None, output, SIZE, holdout=0)
    data = load_prepared(output)
    assert data.styles == ["style1", "style2", "style3"]
    rows = by_source([*data.photos, *data.drawings])
    settings = DataSettings(SIZE, 4, scale=1.0, flip=True, soft_styles=True)
    batches, mirrored = PortraitBatches(data, settings, seed=3), set()
    for step in range(2):
        batch = batches.batch(step)
        for kind in ("photo", "drawing"):
            for place in range(4):
                seen = batch[kind][place]
                [(name, turned)] = [
                    (name, turned)
                    for name, row in rows.items()
                    for turned in (False, True)
                    if row.kind == kind
                    and np.allclose(seen, _signed(output, row, turned), atol=1e-6)
                ]
                mirrored.add(turned)
                masks = masks_of((ord(name[0].upper()), int(name[1])))
                for part in PARTS:
                    expected = masks[part][:, ::-1] if turned else masks[part]
                    found = batch[f"{kind}_{part}"][place, ..., 0]
                    np.testing.assert_array_equal(found, expected / np.float32(255))
    assert mirrored == {False, True}


def _signed(folder, row, turned):
    picture = read_image(folder / row.file)[..., : 3 if row.kind == "photo" else 1] / 127.5 - 1
    return picture[:, ::-1] if turned else picture


def test_masks_in_shards_are_those_of_the_files(release, tmp_path):
    prepare(release, None, tmp_path / "data", SIZE, holdout=0, shards=1)
    [row, _] = sorted(ShardFolder(tmp_path / "data" / "shards").rows("photo", False), key=str)
    assert row.mask_source == "files"
    expected = stacked(masks_of((ord("A"), int(row.source[1]))))
    np.testing.assert_array_equal(row.read("", row.mask), expected)


def test_masks_go_the_way_of_the_picture(tmp_path):
    """A turned and enlarged photo whose masks are ramps: after alignment they are ramps, too."""
    turn, scale, shift, side = 0.2, 1.3, np.array([60.0, -18.0]), 250
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = face_template(SIZE) @ rotation.T + shift
    put(tmp_path / "A" / "x.jpg", np.full((side, side, 3), 190, np.uint8))
    (tmp_path / "A" / "x_facial5point.mat").write_bytes(matlab(matrix(values=points + 1)))
    ramp = np.arange(side, dtype=np.uint8)
    put(tmp_path / "A_eyes" / "x.png", np.tile(ramp, (side, 1)))
    put(tmp_path / "A_nose" / "x.png", np.tile(ramp[:, None], (1, side)))
    put(tmp_path / "A_lips" / "x.png", np.full((side, side), 200, np.uint8))
    summary = prepare(tmp_path / "A", None, tmp_path / "data", SIZE, avatars=tmp_path / "A")
    [row] = [row for row in summary.rows if row.kind == "photo"]
    assert row.kept and row.landmarks_given
    grid = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1) @ rotation.T + shift
    inside = ((grid > 1) & (grid < side - 2)).all(axis=-1)
    masks = read_image(tmp_path / "data" / row.mask).astype(float)
    for channel in (0, 1):
        assert np.abs(masks[..., channel] - grid[..., channel])[inside].max() < 1.1
    assert (masks[..., 2][inside] == 200).all()
    outside = ((grid < -1) | (grid > side)).any(axis=-1)
    assert outside.any() and (masks[outside] == 0).all()


def preprocessed(folder, points=True):
    """The example of the release's preprocessing: a photo, its points, its aligned copy, masks."""
    face = draw_face(5)
    put(folder / "ia_5.jpg", face.photo)
    if points:
        data = matlab(matrix(values=face.landmarks.astype(float) + 1), packed=True)
        (folder / "ia_5_facial5point.mat").write_bytes(data)
    put(folder / "ia_5_resized.png", aligned(5))
    for name, part in (("A", "nose"), ("A_eyes", "eyes"), ("A_lips", "lips")):
        put(folder / name / "ia_5_resized.png", masks_of(9)[part])
    return folder


@pytest.mark.parametrize("points", [True, False])
def test_the_example_of_the_preprocessing_is_one_photo(tmp_path, points):
    folder = preprocessed(tmp_path / "example", points)
    summary = prepare(folder, None, tmp_path / "data", SIZE)
    [row] = summary.rows
    assert row.kept and row.source == ("ia_5.jpg" if points else "ia_5_resized.png")
    # Masks of the aligned picture are those of the square.
    np.testing.assert_array_equal(read_image(tmp_path / "data" / row.mask), stacked(masks_of(9)))
    left = "ia_5_resized.png" if points else "ia_5.jpg"
    assert f"there twice, aligned and as they were: 1 left out: {left}" in summary.lines()


def test_texts_with_points_align_and_captions_do_not(tmp_path):
    for seed, name in enumerate(("x", "y", "z")):
        put(tmp_path / "photos" / f"{name}.png", draw_face(seed).photo)
    points = text(draw_face(0).landmarks.astype(float) + 1)
    (tmp_path / "photos" / "x.txt").write_bytes(points)
    (tmp_path / "photos" / "y.txt").write_text("a woman in a red hat")
    rows = by_source(prepare(tmp_path / "photos", None, tmp_path / "data", SIZE).rows)
    assert rows["x.png"].kept and rows["x.png"].landmarks_given
    assert rows["y.png"].reason == rows["z.png"].reason == "no face found"


def test_a_table_of_landmarks_counts_before_points_beside(tmp_path):
    face = draw_face(0)
    put(tmp_path / "photos" / "x.png", face.photo)
    (tmp_path / "photos" / "x.txt").write_bytes(text(face.landmarks.astype(float)))
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    columns = [f"{name}_{axis}" for name in names for axis in "xy"]
    moved = [*map(str, (face.landmarks + 3).ravel())]
    table = tmp_path / "points.csv"
    table.write_text(",".join(["file", *columns]) + "\n" + ",".join(["x.png", *moved]) + "\n")
    prepare(tmp_path / "photos", None, tmp_path / "data", SIZE, landmarks=table)
    prepare(tmp_path / "photos", None, tmp_path / "other", SIZE)
    squares = [read_image(tmp_path / name / "photos" / "x.png") for name in ("data", "other")]
    assert np.mean(squares[0] != squares[1]) > 0.1


def change(release, what):
    """Breaks a folder of the release in one way."""
    if what == "folder":
        for path in (release / "A_nose").iterdir():
            path.unlink()
        (release / "A_nose").rmdir()
    elif what == "mask":
        (release / "A_lips" / "a1.png").unlink()
    elif what == "masks":
        for part in PARTS:
            (release / f"B_{part}" / "b2.png").unlink()
    elif what == "names":
        for part in PARTS:
            for path in (release / f"A_{part}").iterdir():
                path.rename(path.with_stem(f"{path.stem}_{part}"))
    elif what == "size":
        put(release / "A_nose" / "a0.png", np.zeros((SIZE, SIZE + 2), np.uint8))
    elif what == "broken mask":
        (release / "A_eyes" / "a0.png").write_bytes(b"no picture")
    elif what == "twice":
        (release / "A" / "a0.txt").write_bytes(text(face_template(SIZE)))
        (release / "A" / "a0_facial5point.txt").write_bytes(text(face_template(SIZE)))
    elif what == "nan":
        points = np.where(face_template(SIZE) > 90, np.nan, face_template(SIZE))
        (release / "A" / "a0_facial5point.mat").write_bytes(matlab(matrix(values=points)))
    elif what == "array":
        (release / "A" / "a0_facial5point.mat").write_bytes(matlab(matrix("pts")))
    elif what == "no feature":
        (release / "B_feat" / "b1.npy").unlink()
    elif what == "shares":
        np.save(release / "B_feat" / "b1.npy", np.array([0.5, 0.2, 0.1]))
    elif what == "nan share":
        np.save(release / "B_feat" / "b1.npy", np.array([np.nan, 0.2, 0.1]))
    elif what == "two shares":
        np.save(release / "B_feat" / "b1.npy", np.array([0.5, 0.5]))
    elif what == "pickle":
        np.save(release / "B_feat" / "b1.npy", np.array([{}], object), allow_pickle=True)
    elif what == "complex":
        np.save(release / "B_feat" / "b1.npy", np.array([0.5 + 1j, 0.25, 0.25]))
    elif what == "zip":
        (release / "B_feat" / "b1.npy").write_bytes(b"PK\x03\x04" + bytes(40))
    elif what == "header":
        head = b"{'descr': (".ljust(53) + b"\n"
        (release / "B_feat" / "b1.npy").write_bytes(b"\x93NUMPY\x01\x00\x36\x00" + head)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("folder", "a folder for each. Received: A_eyes, A_lips, no .*A_nose$"),
        ("mask", "a1.png: expected masks of eyes, nose, lips. Received: none in A_lips$"),
        ("masks", "expected masks of every picture, or of none. Received: none of b2.png$"),
        ("names", "masks under the names of the pictures. Received: no such name in A_eyes$"),
        ("size", "a mask as large as its picture, 128 x 128 pixels. Received: 130 x 128$"),
        ("broken mask", "a0.png"),
        ("twice", "one file of five points. Received: a0_facial5point.txt, a0.txt$"),
        ("nan", "five points of finite numbers. Received: nan"),
        ("array", "with an array facial5point. Received: no facial5point but pts$"),
        ("no feature", "Cannot read the style features \\(No such file"),
        ("shares", "three shares from 0 to 1, 1 together. Received: 0.5, 0.2, 0.1$"),
        ("nan share", "Received: nan, 0.2, 0.1$"),
        ("two shares", "Received: 0.5, 0.5$"),
        ("complex", "b1.npy: expected a NumPy file of three shares. Received: other bytes$"),
        ("zip", "b1.npy: expected a NumPy file of three shares. Received: other bytes$"),
        ("header", "b1.npy: expected a NumPy file of three shares. Received: other bytes$"),
        ("pickle", "expected a NumPy file of three shares. Received: other bytes$"),
    ],
)
def test_broken_layouts_are_refused_in_one_line(release, tmp_path, what, told):
    change(release, what)
    with pytest.raises(InputError, match=told) as raised:
        prepare(release, None, tmp_path / "data", SIZE)
    assert "\n" not in str(raised.value)
    # What is whole before it stays, and nothing half of it.
    assert not (tmp_path / "data" / "photos" / "a0.png").exists()


def test_masks_of_an_aligned_square_are_squares_of_one_size(tmp_path):
    folder = preprocessed(tmp_path / "example")
    put(folder / "A_lips" / "ia_5_resized.png", np.zeros((64, 64), np.uint8))
    with pytest.raises(InputError, match="a mask as large as the others, 128 x 128 .*: 64 x 64$"):
        prepare(folder, None, tmp_path / "data", SIZE)
    put(folder / "A_eyes" / "ia_5_resized.png", np.zeros((64, 60), np.uint8))
    with pytest.raises(InputError, match="of the aligned square, 64 x 64 pixels. Received: 60 x"):
        prepare(folder, None, tmp_path / "data", SIZE)


def test_pictures_with_an_empty_mask_are_left_out(release, tmp_path):
    points = text(face_template(SIZE) + 1)
    (release / "A" / "a0.txt").write_bytes(points)
    put(release / "A_lips" / "a0.png", np.zeros((SIZE, SIZE), np.uint8))
    rows = by_source(prepare(release, None, tmp_path / "data", SIZE).rows)
    assert rows["a0.png"].reason == "empty mask (lips)" and rows["a1.png"].kept


def test_pictures_that_do_not_lie_as_the_template_need_a_detector(release, tmp_path):
    for part, mask in masks_of((ord("A"), 0)).items():
        put(release / f"A_{part}" / "a0.png", np.roll(mask, 12, axis=1))
    rows = by_source(prepare(release, None, tmp_path / "data", SIZE).rows)
    assert rows["a0.png"].reason == "no face found" and rows["a1.png"].kept


def test_a_changed_mask_makes_its_picture_anew(release, tmp_path):
    prepare(release, None, tmp_path / "data", SIZE)
    put(release / "A_nose" / "a0.png", masks_of(77)["nose"])
    again = prepare(release, None, tmp_path / "data", SIZE)
    assert again.reused == 4
    mask = read_image(tmp_path / "data" / by_source(again.rows)["a0.png"].mask)
    np.testing.assert_array_equal(mask[..., 1], masks_of(77)["nose"])


def test_other_folders_are_taken_as_they_were(tmp_path):
    drawings = tmp_path / "drawings"
    for name in ("blue_eyes/one.png", "plain/two.png", "plain/two_resized.png"):
        put(drawings / name, aligned(1, drawing=True))
    found = {source.relative: source for source in find_sources(None, drawings)}
    assert {name: source.style for name, source in found.items()} == {
        "blue_eyes/one.png": "blue_eyes",
        "plain/two.png": "plain",
        "plain/two_resized.png": "plain",
    }
    assert all(source.masks is source.points is source.shares is None for source in found.values())
    # Albums that are called A and B are no release.
    for name in ("A", "B"):
        put(tmp_path / "photos" / name / "x.png", aligned(1))
    summary = prepare(tmp_path / "photos", None, tmp_path / "data", SIZE)
    assert [row.source for row in summary.rows] == ["A/x.png", "B/x.png"]


def test_older_versions_read_rows_without_given_masks(release, tmp_path):
    put(tmp_path / "photos" / "x.png", draw_face(0).photo)
    (tmp_path / "photos" / "x.txt").write_bytes(text(draw_face(0).landmarks.astype(float) + 1))
    prepare(tmp_path / "photos", None, tmp_path / "plain", SIZE)
    prepare(release, None, tmp_path / "data", SIZE)
    for name, there in (("plain", False), ("data", True)):
        for line in (tmp_path / name / "manifest.jsonl").read_text().splitlines():
            assert ("mask_source" in json.loads(line)) is there
