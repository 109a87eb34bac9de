import numpy as np
import pytest

from found_faces import FoundFaces, face_at
from keras_portrait.errors import SettingError
from keras_portrait.geometry import square_to_photo
from keras_portrait.imaging import resize
from keras_portrait_demo.tracking import MISSES, NEAR, Tracker


def test_faces_are_looked_for_every_few_frames():
    detector = FoundFaces([face_at(100, 100)])
    tracker = Tracker(every=4, detector=detector)
    photo = np.zeros((480, 640, 3), np.uint8)
    for _ in range(9):
        assert len(tracker.update(photo)) == 1
    assert detector.asked == 3
    detector.faces = []
    for _ in range(4 * (MISSES + 1)):
        tracker.update(photo)
    assert tracker.update(photo) == []
    asked = detector.asked
    for _ in range(3):  # nobody is there: in every frame
        tracker.update(photo)
    assert detector.asked == asked + 3


def test_a_face_glides_to_where_it_is_found():
    detector = FoundFaces([face_at(100, 100)])
    tracker = Tracker(every=3, detector=detector)
    photo = np.zeros((480, 640, 3), np.uint8)
    (first,) = tracker.update(photo)
    np.testing.assert_allclose(first.landmarks, face_at(100, 100).landmarks)
    detector.faces = [face_at(120, 100)]
    places = [tracker.update(photo)[0].landmarks[0, 0] - 130 for _ in range(30)]
    assert places[:2] == [0, 0] and 0 < places[2] < places[3] < places[4] < 20
    # The closed form of the average: what is left of the way shrinks by the same part.
    assert places[4] == pytest.approx(20 * (1 - 0.65**3), abs=1e-3)
    assert places[-1] == pytest.approx(20, abs=0.01)


def test_smoothing_lessens_tremble():
    rng = np.random.default_rng(0)
    detector = FoundFaces()
    tracker = Tracker(every=1, detector=detector)
    photo = np.zeros((480, 640, 3), np.uint8)
    found, shown = [], []
    for x in 200 + rng.normal(0, 2, 200):
        detector.faces = [face_at(x, 100)]
        found.append(x)
        shown.append(tracker.update(photo)[0].box.left)
    # An exponential average of weight a leaves a / (2 - a) of the variance.
    assert np.var(shown) / np.var(found) == pytest.approx(0.35 / 1.65, rel=0.3)


PHOTO = np.zeros((480, 640, 3), np.uint8)


def test_a_face_that_jumps_a_little_starts_anew_at_once():
    detector = FoundFaces([face_at(50, 50)])
    tracker = Tracker(every=1, detector=detector)
    (before,) = tracker.update(PHOTO)
    detector.faces = [face_at(50 + 0.9 * NEAR * 100, 50)]
    (after,) = tracker.update(PHOTO)
    assert after.number != before.number
    np.testing.assert_allclose(after.landmarks, detector.faces[0].landmarks)


@pytest.mark.parametrize("place", [(400, 300, 100), (180, 50, 110), (150, 40, 40)])
def test_a_bystander_waits_until_a_missed_face_is_given_up(place):
    followed = face_at(50, 50)
    detector = FoundFaces([followed])
    tracker = Tracker(every=1, detector=detector)
    (first,) = tracker.update(PHOTO)
    number = first.number
    for _ in range(3):  # it may be missed again and again
        detector.faces = [face_at(*place)]
        for _ in range(MISSES):
            assert [face.number for face in tracker.update(PHOTO)] == [number]
        detector.faces = [face_at(*place), followed]
        assert [face.number for face in tracker.update(PHOTO)] == [number]
    detector.faces = [face_at(*place)]
    seen = [tracker.update(PHOTO)[0] for _ in range(MISSES + 1)]
    assert [face.number == number for face in seen] == [True] * MISSES + [False]
    np.testing.assert_allclose(seen[-1].landmarks, face_at(*place).landmarks)


def test_of_several_faces_each_is_kept_and_given_up_by_itself():
    one, two, three = face_at(50, 50, 120), face_at(300, 50, 110), face_at(300, 300, 100)
    detector = FoundFaces([one, two])
    tracker = Tracker(every=1, faces=3, detector=detector)
    first, second = (face.number for face in tracker.update(PHOTO))
    detector.faces = [two, three]  # the first is missed, a third one comes
    for _ in range(MISSES):
        numbers = [face.number for face in tracker.update(PHOTO)]
        assert numbers[:2] == [first, second] and len(numbers) == 3
    third = numbers[2]
    assert [face.number for face in tracker.update(PHOTO)] == [second, third]
    detector.faces = []
    for _ in range(MISSES):
        assert [face.number for face in tracker.update(PHOTO)] == [second, third]
    assert tracker.update(PHOTO) == []
    crowd = FoundFaces([one, two, three])
    assert len(Tracker(faces=2, detector=crowd).update(PHOTO)) == 2


def test_the_largest_faces_and_no_turns_between_equals():
    small, large, third = face_at(50, 50, 90), face_at(300, 100, 100), face_at(500, 300, 80)
    detector = FoundFaces([small, large, third, face_at(10, 300, 200, score=0.85)])
    photo = np.zeros((480, 640, 3), np.uint8)
    two = Tracker(every=1, faces=2, detector=detector).update(photo)
    assert [face.box.width for face in two] == [100, 90]
    tracker = Tracker(every=1, detector=detector)
    (first,) = tracker.update(photo)
    detector.faces = [face_at(50, 50, 105), face_at(300, 100, 100)]
    assert tracker.update(photo)[0].number == first.number
    detector.faces = [face_at(50, 50, 150), face_at(300, 100, 100)]
    assert tracker.update(photo)[0].number != first.number


def test_another_frame_size_starts_anew(example):
    photo = example[0]
    tracker = Tracker(every=100)
    (face,) = tracker.update(resize(photo, 480, 480))
    (smaller,) = tracker.update(resize(photo, 384, 384))
    assert smaller.number != face.number
    np.testing.assert_allclose(smaller.landmarks, face.landmarks * 0.8, atol=2)


@pytest.mark.parametrize("numbers", [{"every": 0}, {"faces": 0}])
def test_numbers_out_of_range(numbers):
    with pytest.raises(SettingError, match="from 1 up. Received: 0"):
        Tracker(**numbers)


def test_landmarks_of_a_tracked_face_can_be_aligned():
    detector = FoundFaces([face_at(100, 100)])
    (face,) = Tracker(detector=detector).update(np.zeros((480, 640, 3), np.uint8))
    assert np.isfinite(square_to_photo(face.landmarks, 256)).all()
