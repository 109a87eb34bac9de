import io
import json

import numpy as np
import pytest
from PIL import Image

from cut_photos import CUTS, cut_photo
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.alignment import keep_paper
from keras_portrait.inference.faces import Box, Face
from keras_portrait.inference.geometry import (
    face_template,
    paste_back,
    scale_of,
    square_to_photo,
    transform_points,
    warp,
)
from keras_portrait.inference.imaging import (
    encode_image,
    enlarge_drawing,
    from_signed,
    resize,
    to_signed,
)
from keras_portrait.inference.metadata import FILE_NAME, read_metadata, write_metadata
from keras_portrait.inference.paste import at_photo_scale
from keras_portrait.inference.photo_edge import inside_photo
from keras_portrait.inference.style import style_vector
from keras_portrait.inference.stylizer import Stylizer
from tiny_preset import tiny_model, write_tiny_preset


@pytest.fixture
def stylizer(tiny_preset):
    return Stylizer(tiny_preset)


@pytest.fixture
def couple(example):
    """Two faces side by side, the right one twice as large, and both sets of landmarks."""
    photo, landmarks = example
    face, points = photo[20:180, 140:300], landmarks - [140, 20]
    picture = np.full((340, 520, 3), 128, np.uint8)
    picture[100:260, 10:170] = face
    picture[10:330, 190:510] = resize(face, 320, 320)
    return picture, points + [10, 100], (points + 0.5) * 2 - 0.5 + [190, 10]


def near(drawing, landmarks):
    """The part of a drawing around a face."""
    left, top = landmarks.min(axis=0).astype(int)
    right, bottom = landmarks.max(axis=0).astype(int)
    return drawing[top:bottom, left:right]


def test_same_kind_out(stylizer, example, tmp_path):
    photo, _ = example
    from_array = stylizer(photo)
    assert isinstance(from_array, np.ndarray) and from_array.dtype == np.uint8
    from_image = stylizer(Image.fromarray(photo))
    assert isinstance(from_image, Image.Image)
    from_bytes = stylizer(encode_image(photo))
    assert isinstance(from_bytes, bytes) and from_bytes.startswith(b"\x89PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(encode_image(photo))
    from_path = stylizer(path)
    assert isinstance(from_path, Image.Image)
    for other in (from_image, from_path, Image.open(io.BytesIO(from_bytes)).convert("RGB")):
        np.testing.assert_array_equal(np.asarray(other), from_array)
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["photo.png"]


def test_the_drawing_lies_where_the_face_is(stylizer, example):
    photo, landmarks = example
    drawing = stylizer(photo)
    assert drawing.shape == photo.shape
    # What the network drew at 64 pixels, enlarged as drawings are.
    gray = photo.mean(axis=2).astype(np.uint8)
    factor = round(scale_of(square_to_photo(landmarks, 64)))
    assert factor > 1
    small = resize(gray, 512 // factor, 512 // factor)
    expected = near(enlarge_drawing(small, 512, 512), landmarks).astype(int)
    face = near(drawing, landmarks)[..., 0]
    assert np.abs(face - expected).mean() < 25
    assert np.corrcoef(face.ravel(), expected.ravel())[0, 1] > 0.9
    corners = transform_points([[-3, -3], [66, 66]], square_to_photo(landmarks, 64)).astype(int)
    outside = np.ones(photo.shape[:2], bool)
    outside[max(0, corners[0, 1]) : corners[1, 1], corners[0, 0] : corners[1, 0]] = False
    assert (drawing[outside] == 255).mean() > 0.99


def test_background_keep_pastes_on_the_photo(stylizer, example):
    photo, landmarks = example
    drawing = stylizer(photo, background="keep")
    np.testing.assert_array_equal(drawing[300:], photo[300:])
    face = near(drawing, landmarks)
    np.testing.assert_array_equal(face[..., 0], face[..., 2])


def test_crop_is_the_aligned_square(stylizer, example):
    square = stylizer(example[0], crop=True)
    assert square.shape == (64, 64, 3)
    left_eye, right_eye = face_template(64)[:2].round().astype(int)
    for x, y in (left_eye, right_eye):
        eye = square[y - 2 : y + 3, x - 3 : x + 4].min()
        assert eye < square[y + 6, x].min() - 30  # darker than the cheek below
    assert (square[:8, :8] == 255).all()
    kept = stylizer(example[0], crop=True, background="keep")
    assert (kept[:8, :8] < 255).all()


def test_the_alignment_brings_a_turned_head_upright(stylizer, example):
    photo, _ = example
    turned = np.asarray(Image.fromarray(photo).rotate(20, expand=True, fillcolor="white"))
    upright = stylizer(photo, crop=True)[16:52, 16:48].astype(int)
    assert np.abs(stylizer(turned, crop=True)[16:52, 16:48] - upright).mean() < 12


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_orientation_is_honoured(stylizer, example, orientation):
    photo, landmarks = example
    turns = {3: 2, 6: 1, 8: 3}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(photo, turns)))
    buffer = io.BytesIO()
    stored.save(buffer, "PNG", exif=exif)
    drawing = np.asarray(Image.open(io.BytesIO(stylizer(buffer.getvalue()))).convert("RGB"))
    np.testing.assert_array_equal(drawing, stylizer(photo))


def test_whole_keeps_the_aspect(stylizer, example):
    photo = example[0][:, 100:356]
    drawing = stylizer(photo, whole=True, background="keep")
    assert drawing.shape == photo.shape
    expected = enlarge_drawing(resize(photo.mean(axis=2).astype(np.uint8), 32, 64), 256, 512)
    assert np.abs(drawing[..., 0].astype(int) - expected).mean() < 6


def test_whole_whitens_behind_people_but_never_blanks_a_picture(stylizer, example):
    photo, landmarks = example
    drawing = stylizer(photo, whole=True)
    assert near(drawing, landmarks).min() < 100 and (drawing[20:60, 20:60] > 250).all()
    landscape = np.tile(np.arange(200, dtype=np.uint8)[:, None, None], (1, 300, 3))
    drawing = stylizer(landscape, whole=True)
    expected = enlarge_drawing(resize(landscape, 64, 43)[..., 0], 300, 200).astype(int)
    assert np.abs(drawing[..., 0] - expected).mean() < 12 and np.ptp(drawing) == 255


def test_no_face_names_the_way_out(stylizer):
    with pytest.raises(InputError, match=r"No face found.*--whole.*Received: array \(90, 90, 3\)"):
        stylizer(np.full((90, 90, 3), 128, np.uint8))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 3000, 3), (4000, 2, 3), (11, 11)])
def test_odd_shapes_are_drawn_whole_or_refused(stylizer, shape):
    picture = np.full(shape, 90, np.uint8)
    with pytest.raises(InputError, match="No face"):
        stylizer(picture)
    assert stylizer(picture, whole=True).shape == (*shape[:2], 3)


def test_largest_and_all(stylizer, couple):
    picture, small, large = couple
    largest = stylizer(picture)
    assert near(largest, large).min() < 120 and (near(largest, small) == 255).all()
    everyone = stylizer(picture, faces="all")
    assert near(everyone, large).min() < 120 and near(everyone, small).min() < 120
    assert stylizer(picture, faces="all", crop=True).shape == (64, 132, 3)


def test_styles_reach_the_network(stylizer, example):
    photo = example[0]
    thin, bold = (stylizer(photo, style=name, crop=True).astype(int) for name in ("thin", "bold"))
    mixed = stylizer(photo, style=(1, 3), crop=True).astype(int)
    bright = (thin > 100) & (thin < 240)
    assert np.abs((thin - bold)[bright] - 64).max() <= 1  # the style's offset of -0.5
    assert np.abs((thin - mixed)[bright] - 48).max() <= 1


def test_a_preset_of_one_style(example, tmp_path):
    stylizer = Stylizer(write_tiny_preset(tmp_path / "one", styles=("pen",)))
    drawing = stylizer(example[0], crop=True)
    np.testing.assert_array_equal(stylizer(example[0], style="pen", crop=True), drawing)
    with pytest.raises(SettingError, match="No such style. Known: pen. .*Received: ink"):
        stylizer(example[0], style="ink")


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (None, [1, 0, 0]),
        ("ink", [0, 1, 0]),
        (2, [0, 0, 1]),
        (np.int64(1), [0, 1, 0]),
        ("2", [0, 0, 1]),
        ("0.5,0.5,0", [0.5, 0.5, 0]),
        ([1, 1, 2], [0.25, 0.25, 0.5]),
        ("ink,pen", [0.5, 0.5, 0]),
        ("wash:1.5, pen:0.5", [0.25, 0, 0.75]),
        ("ink:3,pen", [0.25, 0.75, 0]),
        ("ink:0.7", [0, 1, 0]),
        ("pen,pen,pen,ink", [0.75, 0.25, 0]),
    ],
)
def test_style_vector(style, expected):
    vector = style_vector(style, ("pen", "ink", "wash"))
    assert vector.dtype == np.float32 and vector.tolist() == [expected]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("pem", 'Did you mean "pen"[?]'),
        ("", "No such style"),
        ("1,x,2", "No such style"),
        (3, "3 style.*counted from 0"),
        (-1, "counted from 0"),
        ("1,2", "needs 3 weight"),
        ((1, 2), "needs 3 weight"),
        ("0,0,0", "not all 0"),
        ("nan,1,1", "needs 3 weight"),
        ("-1,1,1", "from 0 up"),
        (1.5, "needs 3 weight"),
        ({"pen": 1}, "needs 3 weight"),
        ("ink,wahs", 'Did you mean "wash"[?].*Received: ink,wahs'),
        ("wahs:1,ink", 'Did you mean "wash"[?].*a mix such as .*NAME:0.7,NAME:0.3'),
        ("ink,0.5", "No such style"),
        ("ink,", "No such style"),
        ("ink:x,pen", "must be a number, as in ink:0.7. Received: ink:x,pen"),
        ("ink:,pen", "must be a number"),
        ("ink:-1,pen", "from 0 up.*Received: 'ink:-1,pen'"),
        ("ink:0,pen:0", "not all 0"),
        ("ink:nan", "from 0 up"),
    ],
)
def test_style_vector_refuses(style, text):
    with pytest.raises(SettingError, match=text):
        style_vector(style, ("pen", "ink", "wash"))


def test_a_style_name_may_hold_a_colon_or_a_comma():
    styles = ("pen:soft", "a,b", "ink")
    assert style_vector("pen:soft", styles).tolist() == [[1, 0, 0]]
    assert style_vector("a,b", styles).tolist() == [[0, 1, 0]]
    assert style_vector("pen:soft,ink:3", styles).tolist() == [[0.25, 0, 0.75]]


def test_options_that_do_not_exist_or_fit(stylizer, example):
    with pytest.raises(SettingError, match='No such faces. Did you mean "largest"'):
        stylizer(example[0], faces="larges")
    with pytest.raises(SettingError, match="No such background"):
        stylizer(example[0], background="black")
    with pytest.raises(SettingError, match="either crop or whole"):
        stylizer(example[0], crop=True, whole=True)


def finding(stylizer, face):
    """The stylizer, which finds this face and takes all for the person."""
    stylizer._finder.find = lambda photo: [face]
    stylizer._segmenter = lambda square: np.ones(square.shape[:2], np.float32)
    return stylizer


@pytest.mark.parametrize("where", ["chin", "turned"])
def test_a_preset_of_the_first_format_draws_as_it_always_has(where, tmp_path):
    preset = write_tiny_preset(tmp_path / "old", styles=("thin",))
    row = json.loads((preset / FILE_NAME).read_text())
    del row["alignment"]
    (preset / FILE_NAME).write_text(json.dumps(row | {"format": 1}))
    photo, points = cut_photo(where)
    photo = np.uint8(photo * 0.5)
    face = Face(Box(0, 0, 1, 1), points.astype(np.float32), 1.0)
    drawn = Stylizer(preset).draw_face(photo, face, background="keep")
    # White outside, dark as it is, and nothing taken away where the photo ends.
    square = warp(photo, square_to_photo(face.landmarks, 64), 64)
    gray = from_signed(to_signed(square).mean(axis=2))
    np.testing.assert_allclose(drawn, keep_paper(gray, square), atol=1)
    stylizer = finding(Stylizer(preset), face)
    former, transform = at_photo_scale(drawn, square_to_photo(face.landmarks, 64))
    expected = paste_back(np.full_like(photo, 255), former, transform)
    np.testing.assert_array_equal(stylizer(photo), expected)
    newer = Stylizer(write_tiny_preset(tmp_path / "new", styles=("thin",), alignment=2))
    assert newer.draw_face(photo, face, background="keep").mean() != pytest.approx(
        drawn.mean(), abs=5
    )


@pytest.mark.parametrize("where", CUTS)
def test_a_drawing_that_is_put_back_ends_where_the_photo_does(where, tmp_path):
    preset = write_tiny_preset(tmp_path / "tiny", size=256, styles=("thin",), alignment=2)
    photo, points = cut_photo(where)
    photo = np.full_like(photo, 40)  # dark all over: the tiny preset draws what it sees
    stylizer = finding(Stylizer(preset), Face(Box(9, 9, 99, 99), np.float32(points), 1.0))
    drawing = stylizer(photo)[..., 0]
    inside = inside_photo(photo.shape, square_to_photo(points, 256), 256)
    assert (inside == 0).any()
    rim = {
        "chin": drawing[-3:],
        "crown": drawing[:3],
        "left ear": drawing[:, :3],
        "right ear": drawing[:, -3:],
        "turned": np.concatenate([drawing[:3], drawing[-3:]]),
    }[where]
    assert rim.min() > 225 and drawing.min() < 180


def test_a_model_that_does_not_fit_its_contract(tiny_preset):
    metadata = read_metadata(tiny_preset)
    (tiny_preset / metadata.file).write_bytes(tiny_model(32, (0.0, -0.5)))
    write_metadata(tiny_preset, metadata)
    with pytest.raises(InputError, match="does not fit its metadata.*64, 64.*32, 32"):
        Stylizer(tiny_preset)
