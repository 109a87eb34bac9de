"""The page's modules that need no network give Python's numbers: bit by bit, or nearly so."""

import functools
import shutil

import cv2
import numpy as np
import pytest

from conftest import EXAMPLE
from keras_portrait.inference import alignment, geometry, imaging, paste, photo_edge, segmentation
from keras_portrait.inference.faces import sampling
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.pixels import as_rgb
from web_modules import Cases, Segment

LANDMARKS = np.array([[204, 100], [245, 102], [224, 126], [202, 139], [244, 140]], float)
NOISE = np.random.default_rng(5)
# By how much at most numbers may differ, and in which share of them. Floats: the last bits, since
# sums are added up in another order. Levels: one of 255, where such a sum lies next to a half.
EXACT, FLOATS, LEVELS = (0, 0), (1e-4, 1), (1, 0.002)
# OpenCV's builds for Intel enlarge by closed code of Intel's, which rounds in its own way.
INTEL_FLOATS, INTEL_LEVELS = (1e-5, 1), (1, 0.06)

GROUPS = []


def group(add_cases):
    """Marks a function that adds cases; it is handed `add` of `Cases`."""
    GROUPS.append(add_cases)
    return add_cases


def noise(*shape):
    return NOISE.integers(0, 256, shape, dtype=np.uint8)


def shares(*shape):
    return NOISE.random(shape, dtype=np.float32)


def turned(degrees, scale, x, y):
    """A transform from a square to a photo."""
    matrix = cv2.getRotationMatrix2D((0, 0), degrees, scale)
    matrix[:, 2] = x, y
    return matrix


@functools.cache
def photo():
    return read_image(EXAMPLE)


@functools.cache
def example_mask():
    """What the segmentation network returns for the example's aligned square, (256, 256)."""
    segmenter, noted = segmentation.PersonSegmenter(), []
    network = segmenter._runner
    segmenter._runner = lambda picture: noted.append(network(picture)) or noted[-1]
    segmenter(alignment.cut_square(photo(), geometry.square_to_photo(LANDMARKS, 256), 256))
    return noted[0].reshape(256, 256)


def segmenter_of(mask):
    """Python's segmenter around a network that returns a mask."""
    segmenter = object.__new__(segmentation.PersonSegmenter)
    segmenter._runner = lambda picture: mask
    return segmenter


@functools.cache
def drawing(size):
    """Dark lines on white with all the grays between them, uint8 (size, size)."""
    square = alignment.cut_square(photo(), geometry.square_to_photo(LANDMARKS, size), size)
    mean = cv2.ADAPTIVE_THRESH_MEAN_C
    lines = cv2.adaptiveThreshold(square[..., 1], 255, mean, cv2.THRESH_BINARY, 9, 3)
    return cv2.GaussianBlur(lines, (0, 0), 0.7)


@group
def sizes(add):
    image, gray = noise(123, 157, 3), noise(96, 96)
    for width, height in ((60, 50), (157, 40), (39, 41)):
        wanted = imaging.resize(image, width, height)
        add(f"area {width}", "imaging:resize", [image, width, height], wanted)
    for side in (48, 32, 24):
        wanted = imaging.resize(gray, side, side)
        add(f"whole blocks {side}", "imaging:resize", [gray, side, side], wanted)
    reduced = imaging.reduced(image, 100)
    add("reduced", "imaging:reduced", [image, 100], reduced)
    add("not reduced", "imaging:reduced", [image, 200], image)
    wanted = imaging.resize(image, 80, 200)
    add("higher and narrower", "imaging:resize", [image, 80, 200], wanted, may=INTEL_LEVELS)
    for side in (60, 240, 500):
        wanted = imaging.enlarge_drawing(drawing(96), side, side)
        may = EXACT if side < 96 else (4, INTEL_LEVELS[1])  # the steepening enlarges it, too
        add(f"lines {side}", "imaging:enlargeDrawing", [drawing(96), side, side], wanted, may=may)


@group
def sizes_of_floats(add):
    rgb, gray = noise(90, 120, 3).astype(np.float32), shares(60, 70)
    for width, height in ((60, 45), (41, 60)):
        wanted = imaging.resize(rgb, width, height)
        add(f"area {width}", "imaging:resize", [rgb, width, height], wanted)
    for width, height in ((256, 256), (90, 200)):
        wanted = cv2.resize(gray, (width, height), interpolation=cv2.INTER_LINEAR)
        call = "opencv/resize:resizeLinear", [gray, width, height]
        add(f"linear {width}", *call, wanted, may=INTEL_FLOATS)
        wanted = cv2.resize(gray, (width, height), interpolation=cv2.INTER_CUBIC)
        call = "opencv/resize:resizeCubic", [gray, width, height]
        add(f"cubic {width}", *call, wanted, may=INTEL_FLOATS)


@group
def sizes_without_code_of_intel(add):
    gray, rgb = noise(96, 96), noise(60, 70, 3)
    used = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    for width, height in ((256, 256), (384, 128)):
        wanted = cv2.resize(gray, (width, height), interpolation=cv2.INTER_CUBIC)
        add(f"cubic {width}", "opencv/resize:resizeCubic", [gray, width, height], wanted)
        wanted = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
        add(f"linear {width}", "opencv/resize:resizeLinear", [rgb, width, height], wanted)
    cv2.ipp.setUseIPP(used)


@group
def ranges(add):
    levels, signed = np.arange(256, dtype=np.uint8), np.linspace(-1.1, 1.1, 999, dtype=np.float32)
    add("to signed", "imaging:toSigned", [levels], imaging.to_signed(levels))
    add("from signed", "imaging:fromSigned", [signed], imaging.from_signed(signed))
    rgba = noise(20, 30, 4)
    add("over white", "imaging:asRgb", [rgba], as_rgb(rgba))
    images = [noise(20, 30, 3), noise(25, 10), noise(8, 8, 3)]
    add("sheet", "imaging:grid", [images, 2], imaging.grid(images, 2))


@group
def transforms(add):
    matrix, near = turned(33, 1.7, -20, 8), (1e-10, 1)
    add("template", "geometry:faceTemplate", [300], geometry.face_template(300), may=near)
    wanted = geometry.square_to_photo(LANDMARKS, 256)
    add("fit", "geometry:squareToPhoto", [LANDMARKS, 256], wanted, may=near)
    add("inverse", "geometry:invert", [matrix], geometry.invert(matrix), may=near)
    add("scale", "geometry:scaleOf", [matrix], geometry.scale_of(matrix), may=near)
    wanted = geometry.transform_points(LANDMARKS, matrix)
    add("points", "geometry:transformPoints", [LANDMARKS, matrix], wanted, may=near)


@group
def squares(add):
    image, gray = noise(150, 200, 3), noise(150, 200)
    matrices = {
        "inside": turned(10, 0.9, 60, 20),
        "across an edge": turned(-35, 1.6, -30, 40),
        "smaller": turned(5, 4.3, -40, -60),
        "outside": turned(0, 1, 500, 20),
    }
    for name, matrix in matrices.items():
        for fill in (255, None):
            wanted = geometry.warp(image, matrix, 64, fill)
            add(f"{name} {fill}", "geometry:warp", [image, matrix, 64, fill], wanted)
        add(f"gray {name}", "geometry:warp", [gray, matrix, 64], geometry.warp(gray, matrix, 64))


@group
def pasting(add):
    canvas = noise(150, 200, 3)
    matrices = {
        "larger": turned(20, 1.8, 10, 60),
        "smaller": turned(-20, 0.3, 90, 60),
        "much smaller": turned(100, 0.1, 90, 60),
        "across an edge": turned(-35, 1.1, -30, 40),
        "outside": turned(0, 1, 500, 20),
    }
    for name, matrix in matrices.items():
        for square in (drawing(96), noise(96, 96, 3)):
            wanted = geometry.paste_back(canvas, square, matrix)
            call = "geometry:pasteBack", [canvas, square, matrix]
            add(f"{name} {square.ndim}", *call, wanted, may=LEVELS)
        ink = paste.lay_ink(None, 150, 200, drawing(96), matrix)
        add(f"ink {name}", "paste:layInk", [None, 150, 200, drawing(96), matrix], ink, may=LEVELS)
        wanted = paste.lay_ink(canvas[..., 0], 150, 200, drawing(96), matrix)
        call = "paste:layInk", [canvas[..., 0], 150, 200, drawing(96), matrix]
        add(f"ink on paper {name}", *call, wanted, may=LEVELS)
    enlarged, moved = paste.at_photo_scale(drawing(96), turned(15, 2.6, 4, 5))
    call = "paste:atPhotoScale", [drawing(96), turned(15, 2.6, 4, 5)]
    add("scaled", *call, enlarged, "0", may=(4, INTEL_LEVELS[1]))
    add("its transform", *call, moved, "1", may=(1e-10, 1))


@group
def edges_of_photos(add):
    shape, size = (150, 200), 100
    given = {"height": 150, "width": 200}
    matrices = (turned(0, 1, -20, 10), turned(30, 1.5, -10, -5), turned(0, 1, 40, 20))
    for name, matrix in zip(("left", "corner", "inside"), matrices, strict=True):
        wanted = photo_edge.inside_photo(shape, matrix, size)
        add(f"kept {name}", "photo_edge:insidePhoto", [given, matrix, size], wanted)
        square = geometry.warp(noise(*shape, 3), matrix, size, None)
        wanted = photo_edge.blur_outside(square, shape, matrix)
        add(f"blurred {name}", "photo_edge:blurOutside", [square, given, matrix], wanted)


@group
def people(add):
    for size in (200, 256, 512):
        square = alignment.cut_square(photo(), geometry.square_to_photo(LANDMARKS, size), size)
        seen = imaging.resize(square, 256, 256).astype(np.float32) / 255
        may = EXACT if size >= 256 else (1.001 / 255, INTEL_LEVELS[1])
        add(f"input {size}", "segmentation:networkInput", [square], seen.ravel(), may=may)
        alpha = segmenter_of(example_mask())(square)
        call = "segmentation:maskToAlpha", [example_mask().ravel(), size, size]
        add(f"alpha {size}", *call, alpha, may=EXACT if size == 256 else INTEL_FLOATS)
        white = segmentation.whiten_background(square, alpha)
        add(f"white {size}", "segmentation:whitenBackground", [square, alpha], white)
    patches = cv2.GaussianBlur(shares(90, 110), (0, 0), 2)
    patches = (patches - patches.min()) / np.ptp(patches)
    for x, y in ((30, 40), (55.5, 60.5), (101, 12)):
        wanted = segmentation.keep_region(patches, x, y)
        add(f"region at {x}", "segmentation:keepRegion", [patches, x, y], wanted)


@group
def blurs(add):
    for height, width in ((2, 3), (40, 30), (40, 32)):
        for deviation in (0.96, 3.2):
            for image in (noise(height, width), shares(height, width)):
                wanted = cv2.GaussianBlur(image, (0, 0), deviation)
                call = "opencv/filters:gaussianBlur", [image, deviation]
                # OpenCV computes the last floats of a row, fewer than 8, without fused sums.
                may = FLOATS if image.dtype == np.float32 and width % 8 else EXACT
                add(f"{image.dtype} {width} {deviation}", *call, wanted, may=may)
    for height, width in ((3, 2), (5, 20)):
        alpha = np.ones((height, width), np.float32)
        alpha[:, 1:] = 0.3
        wanted = segmentation.keep_region(alpha, 0, 1)
        add(f"small region {width}", "segmentation:keepRegion", [alpha, 0, 1], wanted)


@group
def faces(add):
    mask = example_mask()
    dark, cut = photo() // 5, np.ascontiguousarray(photo()[60:, 150:])
    large = cv2.resize(photo(), None, fx=3, fy=3)
    photos = {
        "example": (photo(), LANDMARKS),
        "dark": (dark, LANDMARKS),
        "cut": (cut, LANDMARKS - [150, 60]),
        "large": (large, LANDMARKS * 3 + 1),
    }
    for name, (image, landmarks) in photos.items():
        for size in (256,) if name == "large" else (256, 512):
            face = alignment.prepare_face(image, landmarks, size, segmenter_of(mask))
            call = "alignment:prepareFace", [image, landmarks, size, Segment(mask)]
            may = EXACT if size == 256 else LEVELS  # the mask is enlarged
            add(f"{name} {size}", *call, face.square, "square", may=may)
            add(f"inside of {name} {size}", *call, face.inside, "inside", may=FLOATS)
    for name, given, segmenter in (
        ("with its background", None, None),
        ("on white", Segment(mask), segmenter_of(mask)),
    ):
        first = alignment.prepare_face(cut, LANDMARKS - [150, 60], 256, segmenter, 1)
        call = "alignment:prepareFace", [cut, LANDMARKS - [150, 60], 256, given, 1]
        add(f"first alignment {name}", *call, first.square, "square")
    nobody = np.full((256, 256), 0.1, np.float32)
    face = alignment.prepare_face(photo(), LANDMARKS, 256, segmenter_of(nobody))
    call = "alignment:prepareFace", [photo(), LANDMARKS, 256, Segment(nobody)]
    add("nobody found", *call, face.square, "square")


@group
def whole_pictures(add):
    for name, image in (("wide", photo()[:300]), ("high", photo()[:, :251]), ("square", photo())):
        square, (rows, columns) = alignment.prepare_whole(image, 256, segmenter_of(example_mask()))
        call = "alignment:prepareWhole", [image, 256, Segment(example_mask())]
        add(name, *call, square, "square", may=LEVELS)
        place = [columns.start, rows.start, columns.stop, rows.stop]
        add(f"place of {name}", *call, place, "place")


@group
def exposure(add):
    for level in (1, 3, 20, 60, 90, 140, 200, 254):
        square = noise(128, 128, 3) // 4 + np.uint8(level * 3 // 4)
        add(f"level {level}", "alignment:evenExposure", [square], alignment.even_exposure(square))
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(-1, 3).astype(np.uint8)
    for red, green, blue in every[::97].tolist():
        lab = cv2.cvtColor(np.uint8([[[red, green, blue]]]), cv2.COLOR_RGB2Lab)[0, 0, 0]
        call = "opencv/lightness:labLightness", [red, green, blue]
        add(f"lightness of {red} {green} {blue}", *call, int(lab))


@group
def ink(add):
    for size in (256, 300, 512):
        square = alignment.cut_square(photo(), geometry.square_to_photo(LANDMARKS, size), size)
        square[:, : size // 3] = 255
        square[size // 2 :, size // 2 :] = 250
        kept = np.tile(np.linspace(-0.1, 1.1, size, dtype=np.float32).clip(0, 1), (size, 1))
        black = np.zeros((size, size), np.uint8)
        for name, lines in (("lines", drawing(size)), ("black", black)):
            wanted = alignment.keep_paper(lines, square)
            add(f"paper {name} {size}", "alignment:keepPaper", [lines, square], wanted)
            wanted = alignment.keep_paper(lines, square, kept)
            call = "alignment:keepPaper", [lines, square, kept]
            add(f"paper and fade {name} {size}", *call, wanted)
            wanted = alignment.fade_rim(lines)
            add(f"rim {name} {size}", "alignment:fadeRim", [lines], wanted)
    large = np.zeros((1024, 1024), np.uint8)
    add("rim of 1024", "alignment:fadeRim", [large], alignment.fade_rim(large), may=LEVELS)


@group
def reduced_photos(add):
    image = noise(150, 200, 3)
    with pytest.MonkeyPatch.context() as patched:
        for pixels, kind in ((4_000_000, "whole"), (9_000, "bands")):
            patched.setattr(sampling, "SUM_PIXELS", pixels)
            for height, width in ((12, 16), (31, 44), (90, 120), (75, 100)):
                wanted = sampling.AreaSums(image).shrink(height, width)
                call = "faces/sampling:AreaSums.shrink", [[image, pixels], height, width]
                add(f"{kind} {height}", *call, wanted)
    values = noise(4, 5, 3).astype(np.float32).ravel()
    add("normalized", "faces/sampling:normalize", [values], sampling.normalize(values.copy()))
    boxes = np.float64([[10, 20, 50, 60], [-8, -5, 21.5, 30.2], [150, 100, 230, 190], [3, 3, 9, 9]])
    rgba = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]
    for size in (24, 48):
        wanted = sampling.cut_patches(rgba, boxes, size).ravel()
        add(f"patches {size}", "faces/sampling:cutPatches", [image, boxes, size], wanted)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """For each group its cases, as `Cases.run` returns them, with what each may differ."""
    if shutil.which("node") is None:
        pytest.skip("needs Node.js, which runs the page's modules")
    cases, allowed = Cases(), {}
    for one in GROUPS:

        def add(name, function, arguments, expected, pick="", may=EXACT, group=one.__name__):
            cases.add(f"{group}: {name}", function, arguments, expected, pick)
            allowed.setdefault(group, {})[f"{group}: {name}"] = may

        one(add)
    found = cases.run(tmp_path_factory.mktemp("web"))
    return {
        group: {name: (found[name], *may) for name, may in cases_of_group.items()}
        for group, cases_of_group in allowed.items()
    }


@pytest.mark.parametrize("name", [one.__name__ for one in GROUPS])
def test_modules_agree_with_python(results, name):
    for case, (result, most, share) in results[name].items():
        assert result["fits"], (case, result)
        assert result["largest"] <= most, (case, result)
        assert result["different"] <= share * result["count"], (case, result)
