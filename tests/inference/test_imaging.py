import io
import os

import numpy as np
import pytest
from PIL import Image

from keras_portrait.errors import InputError
from keras_portrait.inference import imaging


@pytest.fixture
def colours():
    """A picture whose four corners differ: red, green / blue, white."""
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[:3, :4] = 255, 0, 0
    picture[:3, 4:] = 0, 255, 0
    picture[3:, :4] = 0, 0, 255
    picture[3:, 4:] = 255, 255, 255
    return picture


def encoded(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def test_path_text_bytes_image_and_array_read_the_same(tmp_path, colours):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    for source in (path, str(path), path.read_bytes(), Image.open(path), colours):
        read = imaging.read_image(source)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, colours)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(colours, orientation):
    # How a camera stores the upright picture, by the EXIF standard (row 0 side, column 0 side).
    stored = {
        1: colours,
        2: colours[:, ::-1],
        3: colours[::-1, ::-1],
        4: colours[::-1],
        5: colours.transpose(1, 0, 2),
        6: np.rot90(colours, 1),
        7: np.rot90(colours, 2).transpose(1, 0, 2),
        8: np.rot90(colours, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for file_format in ("PNG", "TIFF"):
        data = encoded(Image.fromarray(np.ascontiguousarray(stored)), file_format, exif=exif)
        np.testing.assert_array_equal(imaging.read_image(data), colours)


def test_alpha_goes_over_white(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:, :2, 3] = 255
    rgba[0, 3, 3] = 128
    for source in (rgba, Image.fromarray(rgba), encoded(Image.fromarray(rgba))):
        read = imaging.read_image(source)
        assert (read[:, :2] == 0).all() and (read[1:, 2:] == 255).all()
        assert abs(int(read[0, 3, 0]) - 127) <= 1


def test_palette_with_a_transparent_colour():
    image = Image.new("P", (4, 2), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((3, 1), 1)
    read = imaging.read_image(encoded(image, "GIF", transparency=1))
    assert tuple(read[0, 0]) == (255, 0, 0) and tuple(read[1, 3]) == (255, 255, 255)


def test_sixteen_bits_are_scaled_not_clipped():
    gray = np.array([[0, 257, 32896, 65535]], np.uint16)
    expected = [0, 1, 128, 255]
    image = Image.fromarray(gray)
    for source in (gray, image, encoded(image), encoded(image, "TIFF")):
        assert imaging.read_image(source)[0, :, 1].tolist() == expected


def test_cmyk_gray_and_bilevel():
    cmyk = Image.new("CMYK", (5, 4), (0, 255, 255, 0))
    read = imaging.read_image(encoded(cmyk, "JPEG", quality=95))
    assert read.shape == (4, 5, 3) and read[0, 0, 0] > 200 and read[0, 0, 1:].max() < 60
    for mode in ("L", "1", "LA"):
        assert imaging.read_image(encoded(Image.new(mode, (5, 4), 1))).shape == (4, 5, 3)


def test_first_frame_of_an_animation(colours):
    frames = [Image.fromarray(colours), Image.new("RGB", (8, 6), "black")]
    for file_format in ("GIF", "PNG", "TIFF"):
        data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(imaging.read_image(data), colours)


def test_broken_metadata_does_not_cost_the_photo(colours):
    data = encoded(Image.fromarray(colours), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(imaging.read_image(data), colours)


def test_write_then_read(tmp_path, colours):
    imaging.write_image(tmp_path / "a.png", colours)
    np.testing.assert_array_equal(imaging.read_image(tmp_path / "a.png"), colours)
    imaging.write_image(tmp_path / "g.jpg", colours[..., :1])
    assert imaging.read_image(tmp_path / "g.jpg").shape == (6, 8, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "g.jpg"]


def test_a_failed_write_leaves_the_old_file(tmp_path, colours, monkeypatch):
    path = tmp_path / "a.png"
    imaging.write_image(path, colours)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="No space left"):
        imaging.write_image(path, 255 - colours)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_write_names_the_suffixes_that_it_knows(tmp_path, colours):
    with pytest.raises(InputError, match=r"\.png, \.jpg, \.jpeg.*'\.xyz'"):
        imaging.write_image(tmp_path / "a.xyz", colours)
    with pytest.raises(InputError, match="nowhere"):
        imaging.write_image(tmp_path / "nowhere" / "a.png", colours)


def test_signed_range_round_trip():
    levels = np.arange(256, dtype=np.uint8)
    signed = imaging.to_signed(levels)
    assert signed.dtype == np.float32 and signed[0] == -1 and signed[-1] == 1
    np.testing.assert_array_equal(imaging.from_signed(signed), levels)
    assert imaging.from_signed(np.array([-9.0, 9.0, 0.4 / 127.5])).tolist() == [0, 255, 128]


def test_resize_averages_down_and_keeps_axes():
    checks = np.indices((8, 8)).sum(axis=0) % 2 * np.uint8(200)
    small = imaging.resize(checks.astype(np.uint8)[..., None], 4, 4)
    assert small.shape == (4, 4, 1) and (small == 100).all()
    assert imaging.resize(np.full((4, 6, 3), 7, np.uint8), 12, 2).shape == (2, 12, 3)
    assert (imaging.resize(np.full((4, 6, 3), 7, np.uint8), 12, 9) == 7).all()


def test_grid_places_row_by_row():
    sheet = imaging.grid([np.full((2, 3), level, np.uint8) for level in (10, 20, 30)], 2, gap=1)
    assert sheet.shape == (5, 7, 3)
    assert sheet[0, 0, 0] == 10 and sheet[0, 4, 0] == 20 and sheet[3, 0, 0] == 30
    assert (sheet[2] == 255).all() and (sheet[3:, 4:] == 255).all()


def test_list_images_is_sorted_recursive_and_picky(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.JPG", "a.png", "deep/c.webp", "notes.txt", "._a.png"):
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in imaging.list_images(tmp_path)]
    assert names == ["a.png", "b.JPG", "deep/c.webp"]
    with pytest.raises(InputError, match="No such folder"):
        imaging.list_images(tmp_path / "a.png")


def test_enlarged_lines_stay_sharp():
    drawing = np.full((32, 32), 255, np.uint8)
    drawing[:, 10:14] = 0
    large = imaging.enlarge_drawing(drawing, 128, 128)
    row = large[64].astype(int)
    assert row.min() == 0 and row[0] == 255
    grays = np.count_nonzero((row > 20) & (row < 235))
    soft = imaging.resize(drawing, 128, 128)[64].astype(int)
    assert grays <= 4 < np.count_nonzero((soft > 20) & (soft < 235))
    assert np.count_nonzero(row < 128) == pytest.approx(16, abs=2)


def test_a_drawing_that_does_not_grow_keeps_its_grays():
    drawing = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    np.testing.assert_array_equal(imaging.enlarge_drawing(drawing, 64, 64), drawing)
    np.testing.assert_array_equal(
        imaging.enlarge_drawing(drawing, 32, 32), imaging.resize(drawing, 32, 32)
    )
