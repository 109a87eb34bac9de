import shutil

import numpy as np
import pytest
from PIL import Image

from conftest import EXAMPLE
from keras_portrait.errors import InputError
from keras_portrait.inference.geometry import square_to_photo, warp
from keras_portrait.inference.imaging import enlarge_drawing, read_image, resize
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.presets import load_preset
from keras_portrait.inference.recording import RecordedPicture, read_recording, write_recording
from keras_portrait.inference.sheets import GAP, HEADER, captioned_grid
from keras_portrait.inference.stylizer import Stylizer
from tiny_preset import write_colour_preset, write_tiny_preset


@pytest.fixture
def colour(tmp_path):
    """A preset of 64 px that swaps red and blue."""
    return write_colour_preset(tmp_path / "presets" / "colour")


@pytest.fixture
def wall(tmp_path):
    """A photo without a face."""
    Image.new("RGB", (300, 200), "gray").save(tmp_path / "wall.png")
    return tmp_path / "wall.png"


def cells(path, rows, columns, side=64):
    """The line of captions, and the pictures by row and column."""
    sheet = read_image(path)
    assert sheet.shape == (HEADER + rows * (side + GAP) - GAP, columns * (side + GAP) - GAP, 3)
    step, below = side + GAP, sheet[HEADER:]
    return sheet[:HEADER], [
        [below[r * step : r * step + side, c * step : c * step + side] for c in range(columns)]
        for r in range(rows)
    ]


def test_photo_and_drawings_side_by_side(portrait, tiny_preset, colour, tmp_path):
    target = tmp_path / "new" / "sheet.png"
    presets = f"{tiny_preset},{tiny_preset}:bold, {tiny_preset}:1,{colour / 'tiny.tflite'}"
    code, out, err = portrait("compare", EXAMPLE, "--presets", presets, "-o", target)
    assert (code, out, err) == (0, f"{target}\n", "")
    captions, [[photo, thin, bold, same, coloured]] = cells(target, 1, 5)
    # As `portrait stylize --crop` draws them.
    picture, stylizer = read_image(EXAMPLE), Stylizer(tiny_preset)
    np.testing.assert_array_equal(thin, stylizer(picture, crop=True))
    np.testing.assert_array_equal(bold, stylizer(picture, style="bold", crop=True))
    np.testing.assert_array_equal(same, bold)
    np.testing.assert_array_equal(coloured, Stylizer(colour)(picture))
    face = stylizer.largest_face(picture)
    np.testing.assert_array_equal(photo, warp(picture, square_to_photo(face.landmarks, 64), 64))
    for index in range(5):  # a caption above each column
        part = captions[:, index * (64 + GAP) :][:, :64]
        assert (part < 128).any() and (part[0] == 255).all()


def test_a_row_for_each_photo_that_has_a_face(portrait, tiny_preset, wall, tmp_path):
    target = tmp_path / "sheet.png"
    mirrored = tmp_path / "mirrored.png"
    Image.open(EXAMPLE).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)
    photos = (EXAMPLE, wall, tmp_path / "none.jpg", mirrored)
    code, out, err = portrait("compare", *photos, "--presets", tiny_preset, "-o", target)
    assert (code, out) == (2, f"{target}\n")
    face, none, count = err.splitlines()
    assert face.startswith("skipped: No face found") and face.endswith("wall.png")
    assert none.startswith("skipped: No such file") and none.endswith("none.jpg")
    assert count == "2 of 4 pictures could not be drawn"
    _, [first, second] = cells(target, 2, 2)
    for cell, other in zip(first, second, strict=True):
        assert np.abs(cell.astype(int) - other[:, ::-1]).mean() < 12
        assert np.abs(cell.astype(int) - other).mean() > 12


def test_photos_of_a_closed_format_are_told_in_one_line(portrait, tiny_preset, tmp_path):
    for name in ("a.dng", "b.dng"):
        (tmp_path / name).write_bytes(b"II*\0" + bytes(99))
    photos = (tmp_path / "a.dng", EXAMPLE, tmp_path / "b.dng")
    target = tmp_path / "sheet.png"
    code, out, err = portrait("compare", *photos, "--presets", tiny_preset, "-o", target)
    assert code == 2 and out == f"{target}\n"
    raw, count = err.splitlines()
    assert raw.startswith("skipped: 2 pictures: RAW photos") and raw.endswith("a.dng")
    assert count == "2 of 3 pictures could not be drawn"


def test_without_any_face_nothing_is_written(portrait, tiny_preset, wall, tmp_path):
    target = tmp_path / "new" / "sheet.png"
    code, out, err = portrait("compare", wall, "--presets", tiny_preset, "-o", target)
    assert (code, out) == (2, "") and "No face found" in err and "1 of 1" in err
    assert not target.parent.exists()


def test_the_largest_preset_sets_the_size(portrait, colour, tmp_path):
    small = write_tiny_preset(tmp_path / "small", size=32, styles=("pen",))
    target = tmp_path / "sheet.png"
    arguments = ("compare", EXAMPLE, "--presets", f"{small},{colour}", "-o", target)
    assert portrait(*arguments)[0] == 0
    _, [[_, drawing, _]] = cells(target, 1, 3)
    square = Stylizer(small)(read_image(EXAMPLE), crop=True)
    np.testing.assert_array_equal(drawing[..., 0], enlarge_drawing(square[..., 0], 64, 64))


def test_run_folders_are_drawn_by_keras(portrait, tmp_path):
    from tiny_runs import write_run

    run = write_run(tmp_path / "001-cyclegan", "cyclegan")
    target = tmp_path / "sheet.png"
    presets = f"{run},{run / 'inverse_generator.keras'}"
    code, out, err = portrait("compare", EXAMPLE, "--presets", presets, "-o", target)
    assert (code, out, err) == (0, f"{target}\n", "")
    _, [[_, there, back]] = cells(target, 1, 3, 32)
    assert np.ptp(there, axis=2).max() > 20 and (there != back).mean() > 0.5
    drawing = tmp_path / "drawing.png"
    assert portrait("stylize", EXAMPLE, "-o", drawing, preset=run)[0] == 0
    np.testing.assert_array_equal(read_image(drawing), there)


def test_mistakes_are_one_line_and_leave_nothing_behind(portrait, tiny_preset, tmp_path):
    photo = shutil.copy(EXAMPLE, tmp_path / "me.jpg")
    before, out = photo.read_bytes(), tmp_path / "out" / "sheet.png"
    for presets, target, text in (
        (tiny_preset, photo, "would overwrite the photo"),
        (tiny_preset, tmp_path / "a.bmp", "-o must be a .png or .jpg"),
        (f"{tiny_preset},", out, "expected A,B,C"),
        (f"{tiny_preset},nonsuch", out, "No such preset"),
        (f"{tiny_preset}:blod", out, 'Did you mean "bold"?'),
        (f"{tiny_preset}:2", out, "2 style(s)"),
        (f"{tiny_preset}:", out, "No such style"),
        (",".join([str(tiny_preset)] * 20_000), out, "The sheet is too large"),
    ):
        code, stdout, err = portrait("compare", photo, "--presets", presets, "-o", target)
        assert (code, stdout) == (2, "") and err.count("\n") == 1, err
        assert text in err and "Received: " in err
    assert photo.read_bytes() == before and not out.parent.exists()
    code, _, err = portrait("compare", "--presets", tiny_preset, "-o", out)
    assert code == 2 and "Nothing to draw. Expected photos, or a preset with a recording" in err


@pytest.fixture
def recorded(tmp_path):
    """A preset whose original drew two pictures, in a mixed style: lighter by 3, and by 3 and 9."""
    folder = write_tiny_preset(tmp_path / "theirs")
    rng, style = np.random.default_rng(0), np.float32([[0.75, 0.25]])
    pictures = []
    for most in (3, 9):
        square = rng.integers(80, 200, (64, 64, 3), np.uint8)
        output = load_preset(folder).draw(square, style) + np.uint8(3)
        output[:32] += np.uint8(most - 3)
        pictures.append(RecordedPicture(square, output, style))
    write_recording(folder, read_metadata(folder), pictures)
    return folder, pictures


def test_without_photos_the_original_stands_beside_its_export(portrait, recorded, colour, tmp_path):
    folder, pictures = recorded
    small = write_tiny_preset(tmp_path / "small", size=32)
    target = tmp_path / "new" / "sheet.png"
    presets = f"{folder},{folder}:bold,{small},{colour}"
    code, out, err = portrait("compare", "--presets", presets, "-o", target)
    assert (code, err) == (0, "")
    *lines, bold, reduced, coloured, last = out.splitlines()
    # 3 everywhere but for half of the second picture.
    assert lines == [
        "tiny, thin: 4.50 of 255 levels off the original in the mean, 9 at most; 2 picture(s)"
    ]
    assert bold.startswith("tiny, bold: ") and last == str(target)
    assert reduced.startswith("tiny, thin: not measured, since its pictures are not 64 x 64 x 1")
    assert coloured.startswith("colour: not measured")
    captions, rows = cells(target, 2, 6)
    for row, picture in zip(rows, pictures, strict=True):
        np.testing.assert_array_equal(row[0], picture.square)
        np.testing.assert_array_equal(row[1][..., :1], picture.output)
        np.testing.assert_array_equal(
            row[2][..., 0], load_preset(folder).draw(picture.square, picture.style)[..., 0]
        )
        thick = load_preset(folder).draw(picture.square, np.float32([[0, 1]]))
        np.testing.assert_array_equal(row[3][..., 0], thick[..., 0])
        assert row[4].std() > 1 and np.array_equal(row[5], picture.square[..., ::-1])
    assert all((captions[:, at * 68 :][:, :64] < 128).any() for at in range(6))


def test_what_was_recorded_of_another_model_is_not_shown(portrait, recorded, tmp_path):
    folder, _ = recorded
    other = write_tiny_preset(tmp_path / "other", offsets=(0.1, 0.2))
    for file in folder.glob("recorded*"):
        shutil.copy(file, other)
    target = tmp_path / "sheet.png"
    presets = f"filter:ink,{other},{other / 'tiny.tflite'}"
    code, out, err = portrait("compare", "--presets", presets, "-o", target)
    assert (code, out) == (2, "") and not target.exists()
    assert "Expected photos, or a preset with a recording" in err
    assert err.endswith(f"Received: filter, {other}, {other / 'tiny.tflite'}\n")


@pytest.mark.parametrize(("name", "content", "text"), [
    ("recorded.txt", b"\nink", "not a list of numbers"),
    ("recorded.txt", b"\n1 0 0", "2 weight(s) of styles"),
    ("recorded.txt", b"\nnan 0", "not a list of numbers"),
    ("recorded.txt", b"\n1e39 0", "not a list of numbers"),
    ("recorded-1-output.png", b"PNG", "Not a picture that can be read"),
    ("recorded-2-input.png", None, "No such file"),
])  # fmt: skip
def test_a_damaged_recording_is_one_line(portrait, recorded, tmp_path, name, content, text):
    file = recorded[0] / name
    if content is None:
        file.unlink()
    else:
        head = file.read_bytes().split(b"\n")[0] if name.endswith(".txt") else b""
        file.write_bytes(head + content)
    target = tmp_path / "sheet.png"
    code, out, err = portrait("compare", "--presets", recorded[0], "-o", target)
    assert (code, out) == (2, "") and err.count("\n") == 1 and not target.exists()
    assert text in err and "Received: " in err


def test_a_new_recording_takes_the_place_of_the_former(recorded):
    folder, pictures = recorded
    metadata = read_metadata(folder)
    write_recording(folder, metadata, pictures[1:])
    (kept,) = read_recording(folder, metadata)
    assert np.array_equal(kept.output, pictures[1].output)
    assert kept.style.tolist() == [[0.75, 0.25]]
    write_recording(folder, metadata, [])
    assert read_recording(folder, metadata) == [] and not list(folder.glob("recorded*"))


def test_captions_that_are_too_long_are_cut():
    white = np.full((60, 60, 3), 255, np.uint8)
    for caption in ("a", "a preset with a very long name", "W" * 500):
        sheet = captioned_grid([white, white], ["", caption])
        assert sheet.shape == (HEADER + 60, 2 * 60 + GAP, 3)
        assert (sheet[:, : 60 + GAP // 2] == 255).all() and (sheet[:, 62:] < 128).any()


def test_colour_is_never_turned_to_gray_nor_pasted(colour, example):
    photo, _ = example
    stylizer = Stylizer(colour)
    square = stylizer(photo)
    face = stylizer.largest_face(photo)
    kept = warp(photo, square_to_photo(face.landmarks, 64), 64)
    assert square.shape == (64, 64, 3)
    np.testing.assert_array_equal(stylizer(photo, background="keep"), kept[..., ::-1])
    # The person alone, on white: where paper is white in drawings too.
    assert (square[:8, :8] == 255).all() and np.ptp(square[20:44, 20:44], axis=2).max() > 60
    np.testing.assert_array_equal(square, stylizer(photo, crop=True))
    np.testing.assert_array_equal(square[20:44, 20:44], kept[20:44, 20:44, ::-1])


def test_colour_drawn_whole(colour, example):
    photo = example[0][:, 100:356]
    drawing = Stylizer(colour)(photo, whole=True, background="keep")
    expected = resize(resize(photo, 32, 64), 256, 512)[..., ::-1]
    assert drawing.shape == photo.shape
    assert np.abs(drawing.astype(int) - expected).max() <= 1


def test_no_face_is_an_error_of_both_kinds_of_preset(colour, tiny_preset):
    for folder in (colour, tiny_preset):
        with pytest.raises(InputError, match="No face found.*Received: wall"):
            Stylizer(folder).largest_face(np.full((90, 90, 3), 128, np.uint8), "wall")
