"""The filters ink, line and engraving: ink where it belongs, the same at any size, any photo."""

import cv2
import numpy as np
import pytest

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.alignment import even_exposure, prepare_face
from keras_portrait.inference.filters import FILTERS, MOST_SIDE, WAVE_TILE, draw_filters, plane_wave
from keras_portrait.inference.filters.engraving import engraved_field
from keras_portrait.inference.filters.irises import find_irises
from keras_portrait.inference.filters.lines import SOFT, line_fields, without_specks
from keras_portrait.inference.filters.tones import SIDE, locally_normalized, read_tones
from keras_portrait.inference.geometry import face_template


def skin_square(level: int = 200, size: int = 256) -> np.ndarray:
    return np.full((size, size, 3), level, np.uint8)


def with_eyes(iris: int = 60, radius: float = 20.0) -> np.ndarray:
    """A plain face of 1024 pixels with two round irises at the template's eyes."""
    square = np.full((SIDE, SIDE, 3), 200, np.uint8)
    for x, y in face_template(SIDE)[:2]:
        cv2.circle(square, (round(x), round(y)), round(radius), (iris,) * 3, -1, cv2.LINE_AA)
    return square


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_flat_photos_give_paper_and_no_warning(level):
    for drawing in draw_filters(skin_square(level), size=128).values():
        assert drawing.shape == (128, 128) and drawing.dtype == np.uint8
        # A face of one tone has nothing to draw.
        assert drawing[40:90, 40:90].min() > 200


@pytest.mark.parametrize("name", FILTERS)
def test_a_face_gets_eyes_and_outline(name):
    face = draw_face(3, 512)
    square = prepare_face(face.photo, face.landmarks, 512, None).square
    drawing = draw_filters(square, [name], 512)[name]
    assert 0.005 < (drawing < 128).mean() < 0.5
    # Antialiased, yet black and white: little gray, more where lines lie five pixels apart.
    gray = ((drawing > 40) & (drawing < 215)).mean()
    assert gray < (0.3 if name == "engraving" else 0.08)


def test_only_what_is_asked_for_in_its_order():
    drawings = draw_filters(skin_square(), ["line", "ink"], 64)
    assert list(drawings) == ["line", "ink"]


def test_the_same_drawing_at_every_size():
    photo = with_eyes()
    small = draw_filters(photo, ["ink"], 256)["ink"]
    large = draw_filters(photo, ["ink"], 2048)["ink"]
    reduced = cv2.resize(large, (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(np.float32(small) - reduced).mean() < 1.0
    # What is enlarged has edges as sharp as what is not: two gray pixels at most across an edge.
    gray = ((large > 25) & (large < 230)).mean() * 8
    assert gray < ((small > 25) & (small < 230)).mean() * 2


def test_the_wave_is_periodic_and_a_unit_vector():
    wave = plane_wave(64, 96)
    np.testing.assert_allclose(np.square(wave).sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_array_equal(wave[WAVE_TILE:], wave[:-WAVE_TILE])
    np.testing.assert_array_equal(wave[:, WAVE_TILE:], wave[:, :-WAVE_TILE])
    x, y = 5, 7
    assert wave[y, x, 0] == pytest.approx(np.cos(2 * np.pi * (3 * y + x) / 16), abs=1e-6)


def test_engraved_lines_follow_the_wave_where_the_tone_is_even():
    """On a flat tone the lines are the wave; the share of ink is the table's."""
    photo = np.full((SIDE, SIDE, 3), 200, np.uint8)
    photo[: SIDE // 4] = 110  # far from the face; 110 / 200 = 0.55 of it
    tones = read_tones(photo, face_template(SIDE))
    ink = engraved_field(tones, 512)[20 : SIDE // 4 - 60] < 0
    share = np.interp(tones.lightness[100, 100] / tones.face, [0.45, 0.65], [0.52, 0.34])
    assert ink.mean() == pytest.approx(share, abs=0.02)
    # 3 waves down in 16 pixels of 512: one line every 32 / 3 rows of 1024.
    starts = np.flatnonzero(np.diff(np.int8(ink[:, 500])) == 1)
    assert np.diff(starts).mean() == pytest.approx(32 / 3, rel=0.03)


def test_irises_are_found_where_they_are():
    irises = find_irises(read_tones(with_eyes(radius=20), face_template(SIDE)))
    assert len(irises) == 2
    for iris, eye in zip(irises, face_template(SIDE), strict=False):
        assert np.hypot(iris.x - eye[0], iris.y - eye[1]) < 3
        assert iris.radius == pytest.approx(20, abs=2)
        assert iris.inside < 100 < iris.outside


def test_a_light_iris_is_a_ring_with_a_pupil_and_a_highlight():
    drawing = draw_filters(with_eyes(iris=110), ["line"], SIDE)["line"]
    x, y = np.rint(face_template(SIDE)[0]).astype(int)
    assert drawing[y + 2, x + 2] < 60  # pupil
    assert drawing[y + 13, x + 4] > 200  # paper below it, inside the ring
    eye = drawing[y - 26 : y + 27, x - 26 : x + 27]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.uint8(eye > 128))
    closed = [i for i in range(1, count) if not touches_border(labels == i)]
    assert closed, "the ring is closed: paper inside that does not touch what is outside"


def touches_border(shape):
    return shape[0].any() or shape[-1].any() or shape[:, 0].any() or shape[:, -1].any()


def test_no_iris_in_a_plain_face():
    assert not find_irises(read_tones(skin_square(200, SIDE), face_template(SIDE)))


def test_black_hair_is_a_mass_in_ink_and_strokes_in_line():
    photo = with_eyes()
    stripes = np.random.default_rng(1).integers(20, 60, SIDE)
    photo[:260] = np.uint8(stripes)[None, :, None]
    drawings = draw_filters(photo, ["ink", "line"], 512)
    hair = np.s_[30:110, 60:450]
    assert (drawings["ink"][hair] < 128).mean() > 0.6
    assert 0.1 < (drawings["line"][hair] < 128).mean() < 0.6
    assert (drawings["ink"][hair] > 128).any(), "no helmet"


def test_dark_skin_stays_paper_after_evening():
    photo = np.uint8(np.rint(np.float32(with_eyes(iris=20)) * 0.4))
    light = draw_filters(even_exposure(photo), ["ink"], 256)["ink"]
    assert (light[120:200, 90:165] > 200).mean() > 0.95


def test_specks_go_and_lines_stay():
    field = np.ones((40, 40), np.float32)
    field[5:7, 5:7] = -1  # 4 pixels
    field[20, 2:38] = -1  # 36 pixels
    field[19, 2:38] = field[21, 2:38] = SOFT / 2
    cleaned = without_specks(field, 10, np.bool_(True))
    assert (cleaned[5:7, 5:7] == SOFT).all()
    np.testing.assert_array_equal(cleaned[15:], field[15:])
    kept = without_specks(field, 10, np.zeros((40, 40), bool))
    np.testing.assert_array_equal(kept, field)


def test_local_normalization_of_a_step():
    step = np.zeros((200, 200), np.float32)
    step[:, 100:] = 100
    normal = locally_normalized(step, around=10, least=0.0001)
    # At the edge the mean is 50 and the deviation 50.
    assert normal[100, 99:101].mean() == pytest.approx(0, abs=0.02)
    assert normal[100, 100] == pytest.approx(1, abs=0.1)


def test_lines_lie_on_edges():
    photo = np.full((SIDE, SIDE, 3), 200, np.uint8)
    photo[:, 512:] = 120
    bold, thin = line_fields(read_tones(photo, face_template(SIDE)))
    for field in (bold, thin):
        columns = np.flatnonzero((field[60:200] < 0).mean(axis=0) > 0.5)
        assert len(columns) and np.abs(columns - 512).max() < 12
    assert (thin < 0).sum() <= (bold < 0).sum()


def test_what_is_refused():
    with pytest.raises(SettingError, match="Did you mean"):
        draw_filters(skin_square(), ["inc"])
    with pytest.raises(SettingError, match=f"{MOST_SIDE} pixels. Received: 5000"):
        draw_filters(skin_square(), size=5000)
    with pytest.raises(InputError, match=r"square picture.*\(4, 5, 3\)"):
        draw_filters(np.zeros((4, 5, 3), np.uint8))
