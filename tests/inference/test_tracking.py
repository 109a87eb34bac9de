import numpy as np
import pytest

from found_faces import FoundFaces, face_at
from keras_portrait.errors import SettingError
from keras_portrait.inference.faces.tracking import KEPT_SECONDS, NEAR, SEARCH_SECONDS, Tracker
from keras_portrait.inference.geometry import square_to_photo
from keras_portrait.inference.imaging import resize

PHOTO = np.zeros((480, 640, 3), np.uint8)


class Camera:
    """Hands frames to a tracker, so many a second."""

    def __init__(self, tracker, rate=30):
        self.tracker, self.rate, self.now = tracker, rate, 7.0

    def update(self, photo=PHOTO):
        self.now += 1 / self.rate
        return self.tracker.update(photo, self.now)


def test_faces_are_looked_for_every_few_frames():
    detector = FoundFaces([face_at(100, 100)])
    camera = Camera(Tracker(every=4, detector=detector))
    for _ in range(9):
        assert len(camera.update()) == 1
    assert detector.asked == 3
    detector.faces = []
    for _ in range(4 + int(30 * KEPT_SECONDS)):
        camera.update()
    assert camera.update() == []
    asked = detector.asked
    for _ in range(3):  # nobody is there: in every frame
        camera.update()
    assert detector.asked == asked + 3


def test_a_slow_machine_looks_for_faces_in_time():
    detector = FoundFaces([face_at(100, 100)])
    camera = Camera(Tracker(every=5, detector=detector), rate=2)
    for _ in range(6):
        camera.update()
    assert 1 / camera.rate == SEARCH_SECONDS and detector.asked == 6
    detector.faces = []
    assert [[face.found for face in camera.update()] for _ in range(3)] == [[False], [False], []]


@pytest.mark.parametrize("rate", [0.5, 2, 30])
def test_a_face_that_left_is_not_found_and_soon_given_up(rate):
    detector = FoundFaces([face_at(100, 100)])
    camera = Camera(Tracker(detector=detector), rate)
    assert [face.found for face in camera.update()] == [True]
    left = camera.now
    detector.faces = []
    seen = [(camera.update(), camera.now) for _ in range(60)]
    missed = next(moment for faces, moment in seen if not all(face.found for face in faces))
    given_up = next(moment for faces, moment in seen if not faces)
    assert missed - left <= max(5 / 30, 1 / rate) + 1e-6
    assert KEPT_SECONDS - 1e-6 <= given_up - missed <= KEPT_SECONDS + 1 / rate
    assert not any(face.found for faces, moment in seen if moment >= missed for face in faces)


def test_a_face_that_blinked_is_looked_for_in_the_next_frame():
    detector = FoundFaces([face_at(100, 100)])
    camera = Camera(Tracker(every=5, detector=detector))
    (before,) = camera.update()
    detector.faces = []
    assert [[face.found for face in camera.update()] for _ in range(5)] == [[True]] * 4 + [[False]]
    detector.faces = [face_at(102, 100)]
    (after,) = camera.update()
    assert after.found and after.number == before.number and detector.asked == 3


def test_a_face_glides_to_where_it_is_found():
    detector = FoundFaces([face_at(100, 100)])
    camera = Camera(Tracker(every=3, detector=detector))
    (first,) = camera.update()
    np.testing.assert_allclose(first.landmarks, face_at(100, 100).landmarks)
    detector.faces = [face_at(120, 100)]
    places = [camera.update()[0].landmarks[0, 0] - 130 for _ in range(30)]
    assert places[:2] == [0, 0] and 0 < places[2] < places[3] < places[4] < 20
    # The closed form of the average: what is left of the way shrinks by the same part.
    assert places[4] == pytest.approx(20 * (1 - 0.65**3), abs=1e-3)
    assert places[-1] == pytest.approx(20, abs=0.01)


def test_smoothing_lessens_tremble():
    rng = np.random.default_rng(0)
    detector = FoundFaces()
    camera = Camera(Tracker(every=1, detector=detector))
    found, shown = [], []
    for x in 200 + rng.normal(0, 2, 200):
        detector.faces = [face_at(x, 100)]
        found.append(x)
        shown.append(camera.update()[0].box.left)
    # An exponential average of weight a leaves a / (2 - a) of the variance.
    assert np.var(shown) / np.var(found) == pytest.approx(0.35 / 1.65, rel=0.3)


def test_a_face_that_jumps_a_little_starts_anew_at_once():
    detector = FoundFaces([face_at(50, 50)])
    camera = Camera(Tracker(every=1, detector=detector))
    (before,) = camera.update()
    detector.faces = [face_at(50 + 0.9 * NEAR * 100, 50)]
    (after,) = camera.update()
    assert after.number != before.number
    np.testing.assert_allclose(after.landmarks, detector.faces[0].landmarks)


# Frames for which a missed face is kept at two a second: the third search is a second later.
KEPT = 2


@pytest.mark.parametrize("place", [(400, 300, 100), (180, 50, 110), (150, 40, 40)])
def test_a_bystander_waits_until_a_missed_face_is_given_up(place):
    followed = face_at(50, 50)
    detector = FoundFaces([followed])
    camera = Camera(Tracker(every=1, detector=detector), rate=2)
    (first,) = camera.update()
    number = first.number
    for _ in range(3):  # it may be missed again and again
        detector.faces = [face_at(*place)]
        for _ in range(KEPT):
            assert [face.number for face in camera.update()] == [number]
        detector.faces = [face_at(*place), followed]
        assert [face.number for face in camera.update()] == [number]
    detector.faces = [face_at(*place)]
    seen = [camera.update()[0] for _ in range(KEPT + 1)]
    assert [face.number == number for face in seen] == [True] * KEPT + [False]
    np.testing.assert_allclose(seen[-1].landmarks, face_at(*place).landmarks)


def test_a_much_larger_face_is_drawn_instead_of_a_missed_one_at_once():
    detector = FoundFaces([face_at(50, 50)])
    camera = Camera(Tracker(every=1, detector=detector))
    camera.update()
    detector.faces = [face_at(300, 50, 120)]  # 1.44 times the area
    (face,) = camera.update()
    assert face.found and face.box.left == 300


def test_of_several_faces_each_is_kept_and_given_up_by_itself():
    one, two, three = face_at(50, 50, 120), face_at(300, 50, 110), face_at(300, 300, 100)
    detector = FoundFaces([one, two])
    camera = Camera(Tracker(every=1, faces=3, detector=detector), rate=2)
    first, second = (face.number for face in camera.update())
    detector.faces = [two, three]  # the first is missed, a third one comes
    for _ in range(KEPT):
        numbers = [face.number for face in camera.update()]
        assert numbers[:2] == [first, second] and len(numbers) == 3
    third = numbers[2]
    assert [face.number for face in camera.update()] == [second, third]
    detector.faces = []
    for _ in range(KEPT):
        assert [face.number for face in camera.update()] == [second, third]
    assert camera.update() == []
    crowd = FoundFaces([one, two, three])
    assert len(Camera(Tracker(faces=2, detector=crowd)).update()) == 2


def test_the_largest_faces_and_no_turns_between_equals():
    small, large, third = face_at(50, 50, 90), face_at(300, 100, 100), face_at(500, 300, 80)
    detector = FoundFaces([small, large, third, face_at(10, 300, 200, score=0.85)])
    two = Camera(Tracker(every=1, faces=2, detector=detector)).update()
    assert [face.box.width for face in two] == [100, 90]
    camera = Camera(Tracker(every=1, detector=detector))
    (first,) = camera.update()
    detector.faces = [face_at(50, 50, 105), face_at(300, 100, 100)]
    assert camera.update()[0].number == first.number
    detector.faces = [face_at(50, 50, 150), face_at(300, 100, 100)]
    assert camera.update()[0].number != first.number


def test_another_frame_size_starts_anew(example):
    photo = example[0]
    camera = Camera(Tracker(every=100))
    (face,) = camera.update(resize(photo, 480, 480))
    (smaller,) = camera.update(resize(photo, 384, 384))
    assert smaller.number != face.number
    np.testing.assert_allclose(smaller.landmarks, face.landmarks * 0.8, atol=2)


@pytest.mark.parametrize("numbers", [{"every": 0}, {"faces": 0}])
def test_numbers_out_of_range(numbers):
    with pytest.raises(SettingError, match="from 1 up. Received: 0"):
        Tracker(**numbers)


def test_landmarks_of_a_tracked_face_can_be_aligned():
    detector = FoundFaces([face_at(100, 100)])
    (face,) = Camera(Tracker(detector=detector)).update()
    assert np.isfinite(square_to_photo(face.landmarks, 256)).all()
