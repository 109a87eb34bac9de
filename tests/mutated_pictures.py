"""Pictures that a sender got wrong, by accident or on purpose: see `picture_case`."""

import contextlib
import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageDraw

import keras_portrait
from mutations import DAMAGES, damage, png_chunk

_EXAMPLE = keras_portrait.__file__.replace("__init__.py", "example.jpg")
# Just under what `imaging.MAX_PIXELS` lets through.
_SIDE = 8900
_SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "JXL": ".jxl",
}


@functools.cache
def _photo() -> Image.Image:
    """The head of the example photo, 128 x 128: small, and a face is found in it."""
    with Image.open(_EXAMPLE) as photo:
        return photo.crop((150, 50, 300, 200)).resize((128, 128))


def _encode(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _by_other_packages(photo: Image.Image, clear: Image.Image, exif) -> list:
    """What `_whole` holds besides where packages that read and write it are installed."""
    made = []
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
        made += [("HEIF", photo, {"exif": exif.tobytes()}), ("HEIF", clear, {})]
    with contextlib.suppress(ImportError):
        import pillow_jxl  # noqa: F401  (adds itself to Pillow)

        made += [("JXL", photo, {"effort": 1}), ("JXL", clear, {"use_container": True})]
    return made


@functools.cache
def _whole() -> tuple[tuple[str, bytes], ...]:
    """Whole files in all formats, modes and ways to pack them: suffix and bytes."""
    photo = _photo()
    gray, paletted = photo.convert("L"), photo.convert("P")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    clear = photo.copy()
    clear.putalpha(gray)
    frames = {"save_all": True, "append_images": [photo.rotate(90), gray.convert("RGB")]}
    exif = Image.Exif()
    exif.update({274: 6, 270: "a face", 0x8769: {36867: "2020:01:01 00:00:00"}})
    made = [
        ("JPEG", photo, {}),
        ("JPEG", photo, {"progressive": True, "exif": exif}),
        ("JPEG", photo.convert("CMYK"), {}),
        ("JPEG", gray, {"restart_marker_blocks": 4}),
        ("PNG", photo, {"exif": exif}),
        ("PNG", clear, {}),
        ("PNG", paletted, {"transparency": 3}),
        ("PNG", deep, {}),
        ("PNG", photo.convert("1"), {}),
        ("PNG", photo, frames),
        ("WEBP", photo, {"exif": exif}),
        ("WEBP", clear, {"lossless": True}),
        ("WEBP", photo, frames),
        ("GIF", photo, {}),
        ("GIF", photo, frames),
        ("BMP", photo, {}),
        ("BMP", paletted, {}),
        ("BMP", photo.convert("1"), {}),
        ("TIFF", photo, {}),
        ("TIFF", photo, {"compression": "tiff_lzw"}),
        ("TIFF", photo, {"compression": "jpeg"}),
        ("TIFF", deep, {"compression": "tiff_adobe_deflate"}),
        ("TIFF", photo.convert("CMYK"), {"compression": "packbits"}),
        ("TIFF", photo.convert("1"), {"compression": "group4"}),
        ("TIFF", photo.convert("LAB"), {}),
        ("TIFF", gray, frames),
        ("AVIF", photo, {"exif": exif, "speed": 10}),
        ("AVIF", clear, {"subsampling": "4:4:4", "speed": 10}),
        ("AVIF", photo, {"speed": 10, **frames}),
        *_by_other_packages(photo, clear, exif),
    ]
    return tuple((_SUFFIXES[kind], _encode(image, kind, **rest)) for kind, image, rest in made)


def _png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(rows, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def _many_scans(scans: int, width: int = _SIDE, height: int = _SIDE) -> bytes:
    """A progressive JPEG, of nearly 80 million pixels, whose scans say next to nothing, again."""
    data = _encode(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    sizes = data.index(b"\xff\xc2") + 5
    data = data[:sizes] + struct.pack(">HH", height, width) + data[sizes + 4 :]
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + b"\xff\xd9"


def _jpeg_segments(marker: int, payload: bytes, count: int) -> bytes:
    data = _encode(_photo(), "JPEG")
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload
    return data[:2] + segment * count + data[2:]


def _exif_loop() -> bytes:
    """EXIF whose directories point at themselves, with entries of four thousand million values."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    huge = struct.pack("<HHII", 0x9286, 7, 0xFFFFFFFF, 8)
    turn = struct.pack("<HHII", 274, 3, 0xFFFFFFFF, 6)
    body = struct.pack("<H", 3) + turn + entry + huge + struct.pack("<I", 8)
    return _jpeg_segments(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + body, 3)


def _exif_of_many_tags() -> bytes:
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, tag) for tag in range(5000))
    return _jpeg_segments(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + tags, 1)


def _tiff_strips() -> bytes:
    """A TIFF that says that it has four thousand million strips."""
    tags = [(256, 4, 64), (257, 4, 64), (258, 3, 8), (259, 3, 1), (262, 3, 1), (278, 4, 1)]
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    entries.insert(5, struct.pack("<HHII", 273, 4, 0xFFFFFFF0, 8))
    entries.append(struct.pack("<HHII", 279, 4, 0xFFFFFFF0, 8))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def _jpeg_xl_of(width: int, height: int) -> bytes:
    """A JPEG XL file that ends behind its size (ISO/IEC 18181-1, annex C)."""
    sides = [(3, 2), (height - 1, 30), (0, 3), (3, 2), (width - 1, 30), (1, 1)]
    number, at = 0, 1
    for value, bits in sides:
        number |= value << at
        at += bits
    return b"\xff\x0a" + number.to_bytes(-(-at // 8), "little")


def _blank(mode: str, file_format: str, width=_SIDE, height=_SIDE, **options) -> bytes:
    return _encode(Image.new(mode, (width, height)), file_format, **options)


def _bmp_runs() -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, _SIDE, _SIDE, 1, 8, 1, 0, 0, 0, 256, 0)
    offset = 14 + 40 + 1024
    body = b"\xff\x00" * 50_000 + b"\0\1"
    return struct.pack("<2sIII", b"BM", offset + len(body), 0, offset) + header + bytes(1024) + body


def _gif_frames(count: int) -> bytes:
    """An animation of so many frames, of which the first alone counts."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + frame * count + b";"


def _two_faced() -> bytes:
    """A JPEG behind the head of a PNG, and a page of HTML behind both."""
    return _encode(_photo(), "PNG")[:60] + _encode(_photo(), "JPEG") + b"<script>alert(1)</script>"


def _text_bomb() -> bytes:
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000), 9))
    profile = png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))
    return _png(64, 64, 8, 0, bytes(65 * 64), profile, text * 20)


def _crowd() -> bytes:
    """A large picture full of faces."""
    face = _photo().resize((100, 100))
    sheet = Image.new("RGB", (3000, 3000))
    for place in range(900):
        sheet.paste(face, (place % 30 * 100, place // 30 * 100))
    return _encode(sheet, "JPEG")


def _noise() -> bytes:
    return _encode(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (2500, 2500, 3), np.uint8)),
        "JPEG",
    )


def _thin(width: int, height: int) -> bytes:
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).line((0, 0, width, height), "black")
    return _encode(image, "PNG")


# Made by hand: name with its suffix -> a function that makes the bytes.
CRAFTED = {
    "empty.jpg": lambda: b"",
    "one-byte.png": lambda: b"\x89",
    "no-pixels.png": lambda: _png(0, 0, 8, 2, b""),
    "no-rows.bmp": lambda: _encode(_photo(), "BMP")[:22] + bytes(4) + _encode(_photo(), "BMP")[26:],
    "bomb-1-bit.png": lambda: _png(_SIDE, _SIDE, 1, 0, bytes((_SIDE // 8 + 2) * _SIDE)),
    "bomb-gray.png": lambda: _blank("L", "PNG"),
    "bomb-rgba.png": lambda: _blank("RGBA", "PNG"),
    "bomb-palette.png": lambda: _blank("P", "PNG", transparency=0),
    "bomb-16-bit.png": lambda: _blank("I;16", "PNG"),
    "bomb-too-large.png": lambda: _png(100_000, 100_000, 8, 2, bytes(1_000_000)),
    "bomb-over-31-bits.png": lambda: _png(0xFFFFFFFF, 0xFFFFFFFF, 8, 2, bytes(1000)),
    "bomb-line.png": lambda: _png(79_999_999, 1, 1, 0, bytes(10_000_001)),
    "bomb-column.png": lambda: _png(1, 79_999_999, 1, 0, bytes(2 * 79_999_999)),
    "bomb-text.png": _text_bomb,
    "bomb.gif": lambda: _blank("P", "GIF"),
    "bomb.webp": lambda: _blank("RGB", "WEBP", lossless=True),
    "bomb-too-large.webp": lambda: _blank("RGB", "WEBP", 16_383, 16_383, lossless=True),
    "bomb-animated.webp": lambda: _encode(
        Image.new("RGB", (4000, 4000)),
        "WEBP",
        save_all=True,
        lossless=True,
        append_images=[Image.new("RGB", (4000, 4000), colour) for colour in ("red", "blue")],
    ),
    "bomb.jpg": lambda: _blank("L", "JPEG"),
    "bomb-cmyk.jpg": lambda: _blank("CMYK", "JPEG"),
    "bomb-progressive.jpg": lambda: _many_scans(0),
    "bomb-of-50-scans.jpg": lambda: _many_scans(50),
    "bomb-of-2000-scans.jpg": lambda: _many_scans(2000),
    "bomb-200-megapixels.jpg": lambda: _blank("RGB", "JPEG", 16_384, 12_288),
    "bomb-200-megapixels-of-15-scans.jpg": lambda: _many_scans(9, 16_384, 12_288),
    "bomb-200-megapixels-of-40-scans.jpg": lambda: _many_scans(40, 16_384, 12_288),
    "bomb-260-megapixels.jpg": lambda: _many_scans(0, 16_384, 16_000),
    "bomb-cut.jpg": lambda: _blank("RGB", "JPEG")[:-2000],
    "bomb-runs.bmp": _bmp_runs,
    "bomb-deflate.tif": lambda: _blank("RGB", "TIFF", compression="tiff_adobe_deflate"),
    "bomb-fax.tif": lambda: _blank("1", "TIFF", compression="group4"),
    "bomb-lzw-16-bit.tif": lambda: _blank("I;16", "TIFF", compression="tiff_lzw"),
    "bomb.avif": lambda: _blank("RGB", "AVIF", speed=10),
    "bomb-of-a-size.jxl": lambda: _jpeg_xl_of(2**30, 2**30),
    "size-that-is-cut.jxl": lambda: _jpeg_xl_of(2**30, 2**30)[:5],
    "strips.tif": _tiff_strips,
    "preview.dng": lambda: _encode(_photo(), "TIFF", tiffinfo={254: 1}),
    "preview.tif": lambda: _encode(_photo(), "TIFF", tiffinfo={254: 1}),
    "head-alone.heic": lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "endless-box.heic": lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\xff\xff\xff\xffmeta",
    "cut.jpg": lambda: _encode(_photo(), "JPEG")[:-200],
    "cut-progressive.jpg": lambda: _encode(_photo(), "JPEG", progressive=True)[:-900],
    "animated-100000.gif": lambda: _gif_frames(100_000),
    "exif-loop.jpg": _exif_loop,
    "exif-5000-tags.jpg": _exif_of_many_tags,
    "exif-of-many-segments.jpg": lambda: _jpeg_segments(0xE1, b"Exif\0\0" + bytes(60_000), 150),
    "profiles.jpg": lambda: _jpeg_segments(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(65_000), 255),
    "comments.jpg": lambda: _jpeg_segments(0xFE, bytes(65_000), 300),
    "two-faced.png": _two_faced,
    "float.tif": lambda: _encode(Image.fromarray(np.zeros((9, 9), np.float32)), "TIFF"),
    "32-bit.tif": lambda: _encode(Image.fromarray(np.full((90, 90), -5, np.int32)), "TIFF"),
    "crowd.jpg": _crowd,
    "noise.jpg": _noise,
    "thin.png": lambda: _thin(1, 60_000),
    "flat.png": lambda: _thin(60_000, 1),
    "one-pixel.png": lambda: _thin(1, 1),
    "postscript.jpg": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "page.svg.png": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
    "archive.jpg": lambda: b"PK\x03\x04" + bytes(100),
}


def _spoil_chunk(data: bytes, rng) -> bytes:
    """Damages one chunk of a PNG and mends its checksum, so that the decoder looks further."""
    parts, place = [], 8
    while place + 12 <= len(data):
        length = struct.unpack(">I", data[place : place + 4])[0]
        parts.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    chosen = rng.integers(len(parts))
    kind, content = parts[chosen]
    parts[chosen] = (kind, damage(content, rng)[1] if content else rng.bytes(9))
    return data[:8] + b"".join(png_chunk(*part) for part in parts)


def _spoil_tag(data: bytes, rng) -> bytes:
    """Damages one field of a TIFF's directory: tag, type, count or value."""
    start = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[start : start + 2])[0]
    at = start + 2 + 12 * int(rng.integers(count)) + int(rng.choice([0, 2, 4, 8]))
    number = int(rng.choice([0, 1, 2, 3, 5, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1]))
    return data[:at] + struct.pack("<I", number) + data[at + 4 :]


def picture_case(seed: int, index: int) -> tuple[str, bytes]:
    """One mutated picture: a name that ends as its file does, and the bytes.

    The first `len(CRAFTED)` are made by hand; the others are damaged at random.
    """
    if index < len(CRAFTED):
        name = list(CRAFTED)[index]
        return name, CRAFTED[name]()
    rng = np.random.default_rng((seed, index))
    whole = _whole()
    suffix, data = whole[index % len(whole)]
    chance = rng.random()
    if chance < 0.25 and suffix == ".png":
        how, data = "chunk", _spoil_chunk(data, rng)
    elif chance < 0.25 and suffix == ".tif":
        how, data = "tag", _spoil_tag(data, rng)
    elif chance < 0.3:
        how = "joined"
        other = whole[rng.integers(len(whole))][1]
        data = data[: rng.integers(len(data))] + other[rng.integers(len(other)) :]
    elif chance < 0.4:
        how = "twice"
        data = DAMAGES[rng.integers(len(DAMAGES))](data, rng)
        data = damage(data, rng)[1] if data else data
    else:
        how, data = damage(data, rng)
    if rng.random() < 0.1:
        suffix = list(_SUFFIXES.values())[rng.integers(len(_SUFFIXES))]  # another than its content
    return f"{how}{suffix}", data
