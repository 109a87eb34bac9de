"""Eyes, brows, nose, lips and jaw along the points of a face, which are those of the example."""

from pathlib import Path

import numpy as np
import pytest

from keras_portrait.errors import SettingError
from keras_portrait.evaluation.eyes import readable_eyes
from keras_portrait.inference.filters import FEATURES, check_features, draw_filters
from keras_portrait.inference.filters.drawn_features import FacePoints, draw_features
from keras_portrait.inference.filters.tones import SIDE, Tones

RECORDED = Path(__file__).parents[1] / "reference" / "face_points.npz"
# Of the mesh: middles of the inner lips, of the upper lip's edge, chin, a wing of the nose.
TOP, BOTTOM, LIP, CHIN, WING = 13, 14, 0, 152, 64
SKIN = 200.0
FLAT = np.zeros((SIDE, SIDE), np.float32)


@pytest.fixture(scope="module")
def recorded():
    """Points and landmarks, pixels of a square of 512."""
    with np.load(RECORDED) as file:
        values = {name: file[name].astype(np.float64) for name in file.files}
    return FacePoints(values["mesh"], values["lids"], values["irises"]), values["landmarks"]


@pytest.fixture(scope="module")
def points(recorded):
    """Points in pixels of the square of 1024."""
    return recorded[0].scaled(2)


def skin():
    return np.full((SIDE, SIDE), SKIN, np.float32)


def draw(lightness, points, weight=1.0, shaded=1.0, field=None, redness=0.0):
    """Where the features are ink, bool (1024, 1024), of a face of some lightness."""
    tones = Tones(
        **dict.fromkeys(("strands", "skin", "eyes", "brows", "oval"), FLAT),
        lightness=lightness,
        share=lightness / np.float32(SKIN),
        face=SKIN,
        redness=FLAT + np.float32(redness),
        smiles=False,
        person=FLAT + 1,
        tangent=np.dstack([FLAT + 1, FLAT]),
        landmarks=np.zeros((5, 2)),
        apart=220.0,
        parts={},
    )
    field = FLAT + 9 if field is None else field.copy()
    draw_features(field, tones, points, weight, shaded)
    return field < 0


def around(place, down, across=None):
    """A window around a point (column, row)."""
    column, row = np.rint(place).astype(int)
    across = down if across is None else across
    return np.s_[row - down : row + down + 1, column - across : column + across + 1]


def changed(points, **changes):
    return FacePoints(**{**vars(points), **changes})


def test_flat_light_hides_no_feature(recorded, points):
    # Contrast shows nothing at all of a face of one tone.
    drawn = draw(skin(), points)
    drawing = np.where(drawn, 0, 255).astype(np.uint8)
    assert readable_eyes(drawing, (recorded[1] + 0.5) * 2 - 0.5) == (True, True)
    for index in (TOP, CHIN, WING):
        assert drawn[around(points.mesh[index], 6)].any(), index
    # A brow is as dark as the photo says: here it is a line.
    brow = points.mesh[[105, 52]].mean(axis=0)
    assert drawn[around(brow, 6)].any() and drawn[around(brow, 14, 4)].mean() < 0.3
    assert 0.002 < drawn.mean() < 0.02


def test_filters_draw_along_the_points_that_are_given(recorded):
    given, landmarks = recorded
    square = np.full((512, 512, 3), 200, np.uint8)
    without, along = (
        draw_filters(square, ["line"], 256, landmarks, points=points)["line"]
        for points in (None, given)
    )
    assert without[100:210, 75:180].min() > 200 and along[100:210, 75:180].min() < 60


def test_points_of_a_larger_square_lie_in_the_middles_of_its_pixels(recorded):
    small, large = recorded[0], recorded[0].scaled(2)
    np.testing.assert_allclose(large.mesh, (small.mesh + 0.5) * 2 - 0.5)
    np.testing.assert_allclose(large.lids, (small.lids + 0.5) * 2 - 0.5)
    np.testing.assert_allclose(large.irises[:, :2], (small.irises[:, :2] + 0.5) * 2 - 0.5)
    np.testing.assert_allclose(large.irises[:, 2], 2 * small.irises[:, 2])


def test_bolder_strokes_hold_the_thin_ones(points):
    thin, bold = draw(skin(), points, 0.9), draw(skin(), points, 1.3)
    # But for the highlight of an eye, which lies between ring and pupil.
    assert (thin & ~bold).mean() < 2e-5 and bold.sum() > 1.2 * thin.sum()


def test_a_dark_brow_is_filled(points):
    lightness, brow = skin(), points.mesh[[105, 52]].mean(axis=0)
    other = points.mesh[[334, 282]].mean(axis=0)
    lightness[around(brow, 8, 50)] = lightness[around(other, 8, 50)] = 60
    assert draw(lightness, points)[around(brow, 7, 30)].mean() > 0.8
    # What is as dark beyond its outline is left to the lines.
    lightness = skin()
    lightness[around(brow - [0, 60], 8, 50)] = 60
    assert not draw(lightness, points)[around(brow - [0, 60], 4, 30)].any()


def test_a_brow_is_no_bolder_than_the_other_lets_it_be(points):
    brow, other = (points.mesh[list(pair)].mean(axis=0) for pair in ((105, 52), (334, 282)))
    lightness, shade = skin(), np.linspace(60, 190, 101)
    lightness[around(brow, 8, 50)] = shade
    one = draw(lightness, points)[around(brow, 7, 45)].mean()
    lightness[around(other, 8, 50)] = shade
    both = draw(lightness, points)[around(brow, 7, 45)].mean()
    assert one < both - 0.1


def test_dark_eyes_are_solid_and_light_ones_rings(points):
    shares = []
    for level in (30, 150):
        lightness = skin()
        for iris in points.irises:
            lightness[around(iris[:2], 18)] = level
        iris = points.irises[0]
        shares.append(draw(lightness, points)[around(iris[:2], int(iris[2]))].mean())
    assert shares[0] > shares[1] + 0.08


def test_eyes_behind_dark_glass_stay_hidden(points):
    lightness = skin()
    for iris in points.irises:
        lightness[around(iris[:2], 60, 90)] = 10
    glass = np.where(lightness < SKIN, -9, 9).astype(np.float32)
    assert draw(lightness, points, field=glass)[around(points.irises[0, :2], 16, 24)].all()


def test_lashes_run_past_the_outer_corner(points):
    lids = points.lids[0]
    beyond = lids[0] + 0.05 * (lids[0] - lids[8])
    assert draw(skin(), points)[around(beyond, 2)].any()


def test_a_face_at_the_edge_is_drawn_as_far_as_it_is_seen(points):
    for shift in ([0, -560], [-420, 0], [900, 0], [0, 600]):
        irises = points.irises + np.append(shift, 0)
        moved = FacePoints(points.mesh + shift, points.lids + shift, irises)
        assert draw(skin(), moved).mean() < 0.02
    # One brow outside leaves the other.
    mesh, lightness = points.mesh.copy(), skin()
    mesh[[70, 63, 105, 66, 107, 55, 65, 52, 53, 46]] -= [900, 0]
    brow = points.mesh[[334, 282]].mean(axis=0)
    lightness[around(brow, 8, 50)] = 60
    assert draw(lightness, changed(points, mesh=mesh))[around(brow, 7, 30)].mean() > 0.8


def test_an_eye_is_clean_whatever_lines_lay_there(points):
    lines = np.where(np.arange(SIDE) % 6 < 3, -1, 9).astype(np.float32)[:, None] + FLAT
    eye = around(points.irises[0, :2], 10, 34)
    np.testing.assert_array_equal(draw(skin(), points, field=lines)[eye], draw(skin(), points)[eye])


def test_lips_that_meet_are_one_line_and_parted_ones_two(points):
    column = round(points.mesh[TOP, 0]) + 12  # between two ticks
    rows = slice(round(points.mesh[TOP, 1]) - 6, round(points.mesh[BOTTOM, 1]) + 4)

    def lines(given):
        strip = draw(skin(), given)[rows, column]
        return int((np.diff(np.r_[0, np.int8(strip)]) == 1).sum())

    assert lines(points) == 2  # she smiles
    mesh = points.mesh.copy()
    upper, lower = [191, 80, 81, 82, 13, 312, 311, 310, 415], [95, 88, 178, 87, 14]
    mesh[upper] = mesh[[*lower, 317, 402, 318, 324]]
    assert lines(changed(points, mesh=mesh)) == 1


def test_teeth_are_paper_and_the_dark_between_them_ink(points):
    middle = points.mesh[[TOP, BOTTOM]].mean(axis=0)
    lightness = skin()
    lightness[around(middle, 6, 12)] = 20
    drawn = draw(lightness, points)
    assert drawn[around(middle, 3, 8)].all()
    # Ticks below the upper lip hint at teeth; nearer to the lower one there are none.
    column, upper, lower = round(middle[0]), points.mesh[TOP, 1], points.mesh[BOTTOM, 1]
    for share, least, most in ((0.2, 1, 3), (0.75, 0, 0)):
        row = drawn[round(upper + share * (lower - upper)), column - 50 : column - 13]
        assert least <= (np.diff(np.r_[0, np.int8(row)]) == 1).sum() <= most, share


def test_pale_lips_are_a_line_and_red_ones_outlined(points):
    tip = points.mesh[39]
    assert not draw(skin(), points)[around(tip, 4)].any()
    assert draw(skin(), points, redness=20.0)[around(tip, 4)].any()


def test_a_dark_upper_lip_is_shaded(points):
    lightness = skin()
    left, right, top, line = (points.mesh[index] for index in (61, 291, LIP, TOP))
    lip = np.s_[int(top[1]) : int(line[1]) + 3, int(left[0]) : int(right[0])]
    lightness[lip] = 110
    plain, shaded = (draw(lightness, points, shaded=share)[lip].sum() for share in (0.0, 1.0))
    assert shaded > 1.15 * plain


def test_a_jaw_is_drawn_where_no_line_is(points):
    chin = points.mesh[CHIN]
    assert draw(skin(), points)[around(chin, 6)].any()
    lines = FLAT + 9
    lines[round(chin[1]) + 16 : round(chin[1]) + 20] = -1
    assert not draw(skin(), points, field=lines)[around(chin, 8)].any()


def test_faint_lines_on_the_nose_go_and_strong_ones_stay(points):
    ridge = points.mesh[[6, 5]].mean(axis=0)

    def shown(strength, height):
        lines = FLAT + 3
        lines[around(ridge, height, 2)] = -strength
        return draw(skin(), points, field=lines)[around(ridge, 10)].any()

    assert shown(3, 60)
    assert not shown(0.2, 60), "faint"
    assert not shown(3, 15), "short"


def test_what_is_no_way_to_draw_features():
    for features in FEATURES:
        check_features(features)
    with pytest.raises(SettingError, match="data.features: expected contrast or mesh"):
        check_features("x", "data.")
