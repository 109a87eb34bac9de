"""What is a picture, and what becomes of each kind of file."""

import importlib.util
import io
import struct
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from conftest import EXAMPLE
from first_bytes import HEADS
from keras_portrait import Stylizer
from keras_portrait.errors import InputError, MissingExtra, TruncatedPictureWarning
from keras_portrait.inference import formats, jpeg_files, reading
from keras_portrait.inference.formats import HEAD, kind_of_bytes, kind_of_name
from keras_portrait.inference.jpeg_xl_head import read_jpeg_xl_head
from keras_portrait.inference.reading import TooLargePicture, read_image

NEEDS_HEIF = pytest.mark.skipif(
    importlib.util.find_spec("pillow_heif") is None, reason="pillow-heif is not installed"
)
NEEDS_JXL = pytest.mark.skipif(
    importlib.util.find_spec("pillow_jxl") is None, reason="pillow-jxl-plugin is not installed"
)
SUFFIXES = {
    "JPEG": (".jpg", ".JPEG", ".jpe", ".jfif", ".jif", ".mpo"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pnm", ".pgm", ".pbm"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
}


def encoded(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.fixture
def photo():
    with Image.open(EXAMPLE) as image:
        return image.convert("RGB")


@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_suffix_is_read_and_told_by_its_first_bytes(kind, photo, tmp_path):
    small = photo.resize((48, 32))
    data = encoded(small, kind)
    assert kind_of_bytes(data[:HEAD]) == kind
    for suffix in (*SUFFIXES[kind], "", ".download"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(data)
        assert read_image(path).shape == (32, 48, 3), suffix
        if suffix in SUFFIXES[kind]:
            assert kind_of_name(path) == kind


@pytest.mark.parametrize("name", HEADS)
def test_kinds_are_told_by_name_and_by_first_bytes(name):
    kind, head = HEADS[name]
    assert kind_of_name(name) == kind_of_name(name.upper()) == kind
    assert kind_of_bytes(head) == kind


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"P6 is a road\n",
        b"BMW and other cars, a list\0\0\0",
        b"GIF is a format",
        b"RIFF1234WAVE",
    ]
    + [b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", b"%PDF-1.7", b"%!PS-Adobe-3.0", b"<svg "],
)
def test_texts_videos_and_sounds_are_no_pictures(head):
    assert kind_of_bytes(head) is None


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize(
    "file_format",
    ["AVIF", pytest.param("HEIF", marks=NEEDS_HEIF), pytest.param("JXL", marks=NEEDS_JXL)],
)
def test_new_formats_are_turned_upright_once(file_format, orientation, tmp_path):
    if file_format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    elif file_format == "JXL":
        import pillow_jxl  # noqa: F401  (adds itself to Pillow)
    colours = np.zeros((48, 64, 3), np.uint8)
    colours[:24, :32] = 255, 0, 0
    colours[:24, 32:] = 0, 255, 0
    colours[24:, :32] = 0, 0, 255
    colours[24:, 32:] = 255, 255, 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(colours), file_format, exif=exif.tobytes(), quality=95)
    expected = {
        1: colours,
        3: colours[::-1, ::-1],
        6: np.rot90(colours, -1),
        7: np.rot90(colours, 2).transpose(1, 0, 2),
    }[orientation]
    read = read_image(data)
    assert read.shape == expected.shape
    corners = ((8, 8), (8, -8), (-8, 8), (-8, -8))
    for place in corners:
        assert np.abs(read[place].astype(int) - expected[place]).max() < 8


@NEEDS_HEIF
def test_a_heic_photo_is_drawn_whatever_it_is_called(photo, tiny_preset, tmp_path, portrait):
    import pillow_heif

    pillow_heif.register_heif_opener()
    for name in ("me.heic", "you.HIF", "renamed.jpg", "nosuffix"):
        (tmp_path / name).write_bytes(encoded(photo, "HEIF"))
        assert portrait("stylize", tmp_path / name)[0] == 0
    drawn = read_image(tmp_path / "nosuffix.portrait.png")
    np.testing.assert_array_equal(drawn, read_image(tmp_path / "me.portrait.png"))


def test_a_missing_reader_is_named(without_readers, tmp_path, portrait):
    for name in ("iphone.heic", "bare.jxl"):
        (tmp_path / name).write_bytes(HEADS[name][1] + bytes(99))
    with pytest.raises(MissingExtra) as error:
        read_image(tmp_path / "iphone.heic")
    assert isinstance(error.value, InputError)
    assert 'pip install "keras-portrait[heif]"' in str(error.value)
    code, out, err = portrait("stylize", tmp_path / "iphone.heic")
    assert code == 2 and out == "" and len(err.splitlines()) == 1
    assert 'pip install "keras-portrait[heif]"' in err and err.endswith("iphone.heic\n")
    with pytest.raises(MissingExtra, match="pip install pillow-jxl-plugin"):
        read_image((tmp_path / "bare.jxl").read_bytes())


@pytest.mark.parametrize("name", ["a.cr2", "a.raf", "a.psd", "a.nef", "a.DNG", "a.jp2"])
def test_pictures_of_other_programs_say_what_to_do(name, photo, tmp_path):
    head = HEADS[name][1] if name in HEADS else encoded(photo.resize((9, 9)), "TIFF")
    if name == "a.jp2":
        head = b"\0\0\0\x0cjP  \r\n\x87\n"
    (tmp_path / name).write_bytes(head + bytes(99))
    with pytest.raises(formats.UnreadableFormat, match="Expected .*JPEG.* Received: ") as error:
        read_image(tmp_path / name)
    assert formats.shared_reason(str(error.value)) and str(error.value).endswith(name)


def test_the_preview_in_a_raw_file_is_not_taken_for_the_photo(photo):
    preview = encoded(photo.resize((160, 120)), "TIFF", tiffinfo={254: 1, 50706: b"\1\4\0\0"})
    with pytest.raises(formats.UnreadableFormat, match="RAW"):
        read_image(preview)
    assert read_image(encoded(photo.resize((160, 120)), "TIFF", tiffinfo={254: 0})).shape[1] == 160


def test_a_jpeg_under_another_name_is_a_jpeg(photo, tmp_path):
    for name in ("a.dng", "a.psd", "a.heic", "a.tga"):
        (tmp_path / name).write_bytes(encoded(photo, "JPEG"))
        assert read_image(tmp_path / name).shape == (512, 512, 3)


def test_file_objects(photo, tmp_path, tiny_preset):
    path = tmp_path / "me.png"
    photo.save(path)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file), read_image(path))
    stylizer = Stylizer(tiny_preset)
    with path.open("rb") as file:
        drawn = stylizer(file)
    assert isinstance(drawn, bytes) and drawn == stylizer(path.read_bytes())
    with (
        path.open("r", encoding="latin-1") as text,
        pytest.raises(InputError, match="'rb'.*me.png"),
    ):
        read_image(text)
    with pytest.raises(InputError, match="empty"):
        read_image(io.BytesIO())
    closed = io.BytesIO(b"1")
    closed.close()
    with pytest.raises(InputError, match="Cannot read the file"):
        read_image(closed)


def test_a_file_object_is_not_read_without_end(monkeypatch):
    asked = []

    class Endless:
        def read(self, count):
            asked.append(count)
            return bytes(count)

    monkeypatch.setattr(reading, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="file is too large"):
        read_image(Endless())
    assert asked == [1001]


def test_large_jpeg_files_are_reduced_while_they_are_read(photo, monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "MAX_PIXELS", 100_000)
    monkeypatch.setattr(jpeg_files, "MOST_JPEG_PIXELS", 6_000_000)
    monkeypatch.setattr(jpeg_files, "_MOST_SCANS", 1_000)
    exif = Image.Exif()
    exif[0x0112] = 6
    for side, expected in ((300, 300), (512, 256), (1200, 300), (2400, 300)):
        data = encoded(photo.resize((side, side // 2 * 2)), "JPEG", quality=95, exif=exif)
        read = read_image(data)
        assert read.shape == (expected, expected, 3)
        whole = photo.resize((expected, expected)).rotate(-90)
        assert np.abs(read.astype(int) - np.asarray(whole)).mean() < 6
    with pytest.raises(InputError, match="too large.*2600 x 2600"):
        read_image(encoded(photo.resize((2600, 2600)), "JPEG"))
    with pytest.raises(InputError, match="too large.*512 x 512"):
        read_image(encoded(photo, "PNG"))


def test_a_caller_may_take_fewer_pixels(photo, monkeypatch):
    most = 512 * 512 - 1
    assert read_image(encoded(photo, "JPEG"), most_pixels=most).shape == (256, 256, 3)
    for given in (encoded(photo, "PNG"), photo):
        assert read_image(given, most_pixels=most + 1).shape == (512, 512, 3)
        with pytest.raises(TooLargePicture, match=r"Expected at most 0\.262 million pixels"):
            read_image(given, most_pixels=most)
    # But not more than are read anyway.
    monkeypatch.setattr(reading, "MAX_PIXELS", most)
    with pytest.raises(TooLargePicture):
        read_image(encoded(photo, "PNG"), most_pixels=10**9)


def test_of_large_jpeg_files_fewer_scans_are_taken(photo, monkeypatch):
    data = encoded(photo, "JPEG", progressive=True)  # of ten scans
    monkeypatch.setattr(jpeg_files, "_MOST_SCANS", 10)
    assert read_image(data).shape == (512, 512, 3)
    monkeypatch.setattr(reading, "MAX_PIXELS", 512 * 512 - 1)
    with pytest.raises(InputError, match="too many scans. Expected at most 4"):
        read_image(data)


def test_a_jpeg_beyond_what_pillow_opens_is_read(photo, monkeypatch):
    # As for 200 megapixels: Pillow refuses to open more than twice this number.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    monkeypatch.setattr(reading, "MAX_PIXELS", 70_000)
    assert read_image(encoded(photo, "JPEG")).shape == (256, 256, 3)
    with pytest.raises(InputError, match="too large"):
        read_image(encoded(photo, "PNG"))


@pytest.mark.slow
def test_two_hundred_megapixels_take_little_memory(tmp_path):
    script = (
        "import io, sys; from PIL import Image; import numpy as np\n"
        "Image.MAX_IMAGE_PIXELS = None\n"
        "Image.new('RGB', (16320, 12240), 'teal').save(sys.argv[1], quality=85)\n"
    )
    code = (
        "import sys; from keras_portrait.inference.reading import read_image\n"
        "def peak():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(l.split()[1]) // 1024 for l in lines if l.startswith('VmHWM'))\n"
        "before = peak(); shape = read_image(sys.argv[1]).shape; print(*shape, peak() - before)\n"
    )
    path = str(tmp_path / "large.jpg")
    subprocess.run([sys.executable, "-c", script, path], check=True)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    height, width, _, mebibytes = map(int, done.stdout.split())
    assert (height, width) == (6120, 8160) and mebibytes < 600


JPEG_KINDS = {
    "baseline": ("RGB", {}),
    "restarts": ("RGB", {"restart_marker_blocks": 8}),
    "gray": ("L", {}),
    "cmyk": ("CMYK", {}),
}


@pytest.mark.parametrize("kind", JPEG_KINDS)
def test_a_jpeg_that_lost_its_end_is_read_with_a_warning(kind, photo):
    mode, options = JPEG_KINDS[kind]
    data = encoded(photo.convert(mode), "JPEG", **options)
    whole = read_image(data)
    with pytest.warns(TruncatedPictureWarning, match="last bytes are missing. Received: "):
        read = read_image(data[:-40])
    np.testing.assert_array_equal(read[:480], whole[:480])
    with pytest.warns(TruncatedPictureWarning, match=r" (\d+) % of its rows are missing") as told:
        read = read_image(data[: len(data) * 4 // 5])
    share = int(str(told[0].message).partition(" % of")[0].rpartition(" ")[2])
    assert 8 <= share <= 24
    kept = 512 - round(share / 100 * 512) - 24
    np.testing.assert_array_equal(read[:kept], whole[:kept])
    with pytest.raises(InputError, match="cut short .the file ends before half"):
        read_image(data[: len(data) // 5])
    with pytest.raises(InputError, match="broken or cut short"):
        read_image(data[:-40], complete=True)


def test_a_progressive_jpeg_needs_more_than_its_first_scans(photo):
    data = encoded(photo, "JPEG", progressive=True)
    with pytest.warns(TruncatedPictureWarning, match="last bytes"):
        read = read_image(data[: len(data) * 9 // 10])
    assert np.abs(read.astype(int) - read_image(data)).mean() < 4
    for share in (20, 8):
        with pytest.raises(InputError, match="cut short"):
            read_image(data[: len(data) // share])


def test_whole_files_bring_no_warning(photo):
    for mode, options in JPEG_KINDS.values():
        read_image(encoded(photo.convert(mode), "JPEG", **options))
    read_image(encoded(photo, "JPEG", progressive=True) + b"what a phone adds")
    first_of_two = encoded(photo, "MPO", save_all=True, append_images=[photo.rotate(9)])
    assert read_image(first_of_two[:-40]).shape == (512, 512, 3)


def test_threads_leave_filters_of_warnings_and_pillows_switch_alone(photo):
    from PIL import ImageFile

    cut = encoded(photo.resize((64, 64)), "JPEG")[:-30]
    before, wrong = list(warnings.filters), []

    def read():
        for _ in range(30):
            try:
                read_image(cut)
            except TruncatedPictureWarning:  # the tests make errors of warnings
                continue
            wrong.append("no warning")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and warnings.filters == before
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def jpeg_xl(bits: str) -> io.BytesIO:
    """A codestream of these bits, the lowest first."""
    value = int(bits[::-1], 2)
    return io.BytesIO(b"\xff\x0a" + value.to_bytes(-(-len(bits) // 8) + 4, "little"))


def test_the_size_of_a_jpeg_xl_file_is_told_before_it_is_unpacked():
    def low_first(number, count):
        return f"{number:0{count}b}"[::-1]

    # Small: sides of 8; ratio 7 is 2:1; all else is by default.
    assert read_jpeg_xl_head(jpeg_xl("1" + low_first(4, 5) + low_first(7, 3) + "1")) == (80, 40, 1)
    large = "0" + low_first(2, 2) + low_first(39_999, 18) + low_first(0, 3)
    large += low_first(3, 2) + low_first(99_999, 30) + "01" + low_first(5, 3)
    assert read_jpeg_xl_head(jpeg_xl(large)) == (100_000, 40_000, 6)
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I4s", 8 + 4 + 30, b"jxlp") + bytes(4)
    boxed = io.BytesIO(boxed + jpeg_xl(large).read())
    assert read_jpeg_xl_head(boxed).width == 100_000 and boxed.tell() == 0
    for broken in (b"", b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n", bytes(99)):
        with pytest.raises(ValueError):
            read_jpeg_xl_head(io.BytesIO(broken))


@NEEDS_JXL
def test_a_jpeg_xl_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    import pillow_jxl  # noqa: F401

    data = encoded(Image.new("RGB", (640, 480)), "JXL")
    assert read_image(data).shape == (480, 640, 3)
    monkeypatch.setattr(reading, "MAX_PIXELS", 300_000)
    started = time.process_time()
    with pytest.raises(InputError, match="too large"):
        read_image(data)
    assert time.process_time() - started < 1


def test_a_tiff_with_its_thumbnail_first_is_a_picture(photo, tmp_path):
    photo.save(tmp_path / "small.tif", tiffinfo={254: 1})
    assert read_image(tmp_path / "small.tif").shape == np.asarray(photo).shape


def test_a_lack_of_memory_is_told_as_such(photo, tmp_path, monkeypatch):
    photo.save(tmp_path / "me.png")

    def no_memory(image):
        raise MemoryError

    monkeypatch.setattr(reading, "to_rgb", no_memory)
    with pytest.raises(InputError, match="not enough memory.*Received: .*me.png, "):
        read_image(tmp_path / "me.png")
