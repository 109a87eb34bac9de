"""What a user may get wrong: one line that names the input and what was expected, exit code 2."""

import io
import os
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from conftest import EXAMPLE
from keras_portrait.errors import InputError
from keras_portrait.inference import imaging


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """A small PNG file that says it is huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def truncated(file_format: str) -> bytes:
    """The first fifth of a file, which holds less than half of the picture."""
    buffer = io.BytesIO()
    Image.open(EXAMPLE).save(buffer, file_format)
    return buffer.getvalue()[: len(buffer.getvalue()) // 5]


BROKEN = {
    "zero-byte.jpg": (b"", "The file is empty"),
    "text.jpg": (b"this is no picture\n" * 20, "Not a picture"),
    "page.png": (b"<html></html>", "Not a picture"),
    "header-only.jpg": (b"\xff\xd8\xff\xe0", "Not a picture|broken"),
    "header-only.png": (b"\x89PNG\r\n\x1a\n", "Not a picture"),
    "empty-gif.gif": (b"GIF89a\x00\x00\x00\x00\x00\x00\x00;", "no pixels|Not a picture|broken"),
    "truncated.jpg": (truncated("JPEG"), "broken or cut short"),
    "truncated.png": (truncated("PNG"), "broken or cut short"),
    "truncated.webp": (truncated("WEBP"), "broken or cut short|Not a picture"),
    "truncated.tif": (truncated("TIFF"), "broken or cut short|Not a picture"),
    "truncated.gif": (truncated("GIF"), "broken or cut short|Not a picture"),
    "bomb.png": (png_bomb(10_000, 10_000), "too large. Expected at most 80 million pixels"),
    "big-bomb.png": (png_bomb(100_000, 100_000), "too large"),
    "no-ghostscript.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "Not a picture"),
}


@pytest.fixture
def refused(portrait, tmp_path):
    """Runs the command and makes sure that it fails in one line and leaves nothing behind."""

    def run(*arguments, **options):
        before = sorted(tmp_path.rglob("*"))
        code, out, err = portrait(*arguments, **options)
        assert code == 2 and out == ""
        assert len(err.splitlines()) == 1 and err.startswith("portrait: ") and "Received: " in err
        assert sorted(tmp_path.rglob("*")) == before
        return err.strip()

    return run


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(refused, tmp_path, name):
    data, text = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(data)
    error = refused("stylize", path)
    with pytest.raises(InputError, match=text):
        imaging.read_image(path)
    assert name in error
    with pytest.raises(InputError) as caught:
        imaging.read_image(data)
    assert "\n" not in str(caught.value) and f"{len(data)} bytes" in str(caught.value)


def test_what_pillow_logs_does_not_reach_the_user(tmp_path, tiny_preset):
    buffer = io.BytesIO()
    with Image.open(EXAMPLE) as photo:
        photo.resize((8, 8)).save(buffer, "TIFF")
    samples = struct.pack("<HHI", 277, 3, 1)  # the tag SamplesPerPixel
    data = buffer.getvalue().replace(samples + b"\3\0", samples + b"\xff\0")
    assert data != buffer.getvalue()
    (tmp_path / "a.tif").write_bytes(data)
    code = "import sys; from keras_portrait.cli import main; sys.argv[0] = 'portrait'; main()"
    command = [sys.executable, "-c", code, "stylize", str(tmp_path / "a.tif")]
    command += ["--preset", str(tiny_preset)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damaged_files_are_read_or_refused(file_format):
    buffer = io.BytesIO()
    Image.open(EXAMPLE).resize((64, 64)).save(buffer, file_format)
    whole = np.frombuffer(buffer.getvalue(), np.uint8)
    random = np.random.default_rng(0)
    for _ in range(60):
        data = whole.copy()
        where = random.integers(0, min(len(data), 2000), 6)
        data[where] = random.integers(0, 256, 6)
        try:
            assert imaging.read_image(data.tobytes()).ndim == 3
        except InputError as error:
            assert "\n" not in str(error)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(InputError, match="too large"):
        imaging.read_image(png_bomb(10_000, 10_000))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_files_that_are_not_there_or_no_files(refused, tmp_path):
    assert "No such file" in refused("stylize", tmp_path / "none.jpg")
    assert "xxx.jpg" in refused("stylize", tmp_path / ("x" * 300 + ".jpg"))
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "Not a regular file" in refused("stylize", tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert "loop.jpg" in refused("stylize", tmp_path / "loop.jpg")
    (tmp_path / "empty").mkdir()
    assert "No pictures in the folder" in refused("stylize", tmp_path / "empty")


def test_sources_of_another_kind():
    for source in (None, 3, ["a.jpg"]):
        with pytest.raises(InputError, match="must be a path, bytes, a file object"):
            imaging.read_image(source)
    with pytest.raises(InputError, match="a folder|A folder"):
        imaging.read_image(EXAMPLE.parent)
    with pytest.raises(InputError, match="0 bytes"):
        imaging.read_image(b"")
    with pytest.raises(InputError, match="regular|No such file|Cannot read"):
        imaging.read_image("a\0b.jpg")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_that_are_no_pictures(array):
    with pytest.raises(InputError, match="must be uint8 or uint16.*Received: "):
        imaging.read_image(array)


def test_pictures_of_floating_point_numbers(refused, tmp_path):
    Image.fromarray(np.zeros((9, 9), np.float32)).save(tmp_path / "float.tif")
    assert "8 or 16 bits" in refused("stylize", tmp_path / "float.tif")


def test_files_and_folders_without_permission(refused, portrait, tmp_path, monkeypatch):
    # The tests may run as root, whom no mode keeps out, so the refusal is staged.
    photo = tmp_path / "photos" / "locked.jpg"
    photo.parent.mkdir()
    shutil.copy(EXAMPLE, photo)

    def locked(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path / "photos"))

    monkeypatch.setattr(imaging.Image, "open", locked)
    assert "No permission" in refused("stylize", photo)
    monkeypatch.setattr(os, "scandir", locked)
    error = portrait("stylize", photo.parent)[2]
    assert "Cannot read the folder (Permission denied)" in error and len(error.splitlines()) == 1


def test_a_place_that_cannot_be_written_to(refused, tmp_path):
    photo = shutil.copy(EXAMPLE, tmp_path / "me.jpg")
    (tmp_path / "file").write_text("in the way")
    assert "Cannot make the folder" in refused("stylize", photo, "-o", tmp_path / "file" / "x.png")
    assert ".jpeg, .svg or .gcode file" in refused("stylize", photo, "-o", tmp_path / "x.bmp")


def test_options_that_exclude_each_other(refused):
    assert "--crop or --whole" in refused("stylize", EXAMPLE, "--crop", "--whole")


def test_a_photo_without_a_face(refused, tmp_path):
    Image.new("RGB", (300, 200), "gray").save(tmp_path / "wall.png")
    error = refused("stylize", tmp_path / "wall.png", "-o", tmp_path / "out.png")
    assert "No face found" in error and "--whole" in error and error.endswith("wall.png")


def test_unknown_presets_and_styles(refused, tiny_preset, monkeypatch):
    monkeypatch.setattr("keras_portrait.inference.presets.BUILT_IN", tiny_preset.parent)
    assert 'Did you mean "tiny"?' in refused("stylize", EXAMPLE, preset="tinny")
    assert 'Did you mean "bold"?' in refused("stylize", EXAMPLE, "--style", "blod")
    assert "2 style(s)" in refused("stylize", EXAMPLE, "--style", "2")
    assert "2 weight(s)" in refused("stylize", EXAMPLE, "--style", "1,0,0")


def test_a_preset_with_a_missing_or_altered_file(refused, tiny_preset):
    model = tiny_preset / "tiny.tflite"
    data = model.read_bytes()
    model.write_bytes(data[:-8])
    assert "sha256" in refused("stylize", EXAMPLE)
    model.write_bytes(b"")
    assert "sha256" in refused("stylize", EXAMPLE)
    model.unlink()
    assert "tiny.tflite" in refused("stylize", EXAMPLE)
    (tiny_preset / "portrait.json").unlink()
    assert "portrait.json" in refused("stylize", EXAMPLE)
    assert "portrait.json" in refused("stylize", EXAMPLE, preset=model)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("CMYK", ".jpg"), ("P", ".gif"), ("RGBA", ".png"), ("LA", ".png"), ("I;16", ".png")],
)
def test_odd_but_whole_pictures_are_drawn(portrait, tmp_path, mode, suffix):
    photo = Image.open(EXAMPLE)
    if mode == "I;16":
        photo = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    else:
        photo = photo.convert(mode)
    path = tmp_path / f"odd{suffix}"
    photo.save(path)
    assert portrait("stylize", path)[0] == 0
    drawing = imaging.read_image(tmp_path / "odd.portrait.png")
    assert drawing.shape == (512, 512, 3) and drawing[90:150, 200:250].min() < 120


def test_the_first_frame_of_an_animation_is_drawn(portrait, tmp_path):
    photo = Image.open(EXAMPLE)
    photo.save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("RGB", photo.size)])
    assert portrait("stylize", tmp_path / "a.gif")[0] == 0
    assert imaging.read_image(tmp_path / "a.portrait.png")[90:150, 200:250].min() < 120
