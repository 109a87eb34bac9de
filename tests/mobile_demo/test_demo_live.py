import json
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from found_faces import FoundFaces, face_at
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.faces import Box, Face
from keras_portrait.inference.faces.tracking import TrackedFace, Tracker
from keras_portrait.inference.geometry import paste_back
from keras_portrait.inference.imaging import resize
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.inference.video.source import SourceLost
from keras_portrait_demo.drawer import Drawer
from keras_portrait_demo.frame import draw_frame
from keras_portrait_demo.layout import lay_on_paper, lay_out, placeholder
from keras_portrait_demo.live import Live
from keras_portrait_demo.record import Recorder
from keras_portrait_demo.timing import Stages
from tiny_preset import write_colour_preset, write_noise_preset, write_tiny_preset
from waiting import wait_until


class Frames:
    """A source of numbered frames: the level of all pixels is the frame's number."""

    name, skipped = "frames", 0

    def __init__(self, count=10_000, interval=0.005):
        self.count, self.interval, self.number = count, interval, 0
        self.unplugged = self.closed = False
        self.reopened = 0

    def read(self):
        time.sleep(self.interval)
        if self.unplugged:
            raise SourceLost("The camera gives no more pictures. Received: frames")
        if self.number == self.count:
            return None
        self.number += 1
        return np.full((48, 64, 3), self.number % 256, np.uint8)

    def reopen(self):
        self.reopened += 1
        if self.unplugged:
            raise SourceLost("No such camera. Received: frames")

    def close(self):
        self.closed = True


@pytest.fixture
def drawer(tiny_preset):
    return Drawer(tiny_preset, threads=1)


pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_every_frame_once_and_in_order(drawer):
    source = Frames(count=12)
    seen = []
    with Live(source, drawer) as live:
        while not seen or seen[-1].number < 11:
            seen.append(live.wait_newer(seen[-1].number if seen else -1, 10))
        assert live.finished.wait(10)
        status = live.status()
    assert [result.photo[0, 0, 0] for result in seen] == [result.number + 1 for result in seen]
    numbers = [result.number for result in seen]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 11
    assert status["frames"] + status["dropped"] == 12
    assert status["ended"] and status["error"] is None and source.closed


def test_a_slow_net_drops_frames_but_stays_current(drawer, monkeypatch):
    drawn, given, ends = [], [], []
    draw = drawer.draw
    source = Frames(interval=0.001)
    read = source.read
    source.read = lambda: given.append(read()) or given[-1]

    def slowly(photo, *others):
        drawn.append(next(i for i, each in enumerate(given) if each is photo))
        # While one is drawn, ten come.
        before = len(given)
        wait_until(lambda: len(given) >= before + 10 or live._stopping.is_set())
        ends.append(len(given))
        return draw(photo, *others)

    monkeypatch.setattr(drawer, "draw", slowly)
    number = -1
    live = Live(source, drawer)
    with live:
        for _ in range(15):
            result = live.wait_newer(number, 10)
            assert result.number > number
            number = result.number
        status = live.status()
    # The newest, of which one may just be on its way; with a queue it would be the next.
    assert all(number >= end - 2 for number, end in zip(drawn[1:], ends, strict=False))
    assert len(drawn) >= 15
    assert status["dropped"] >= 8 * (status["frames"] - 1) > 0
    assert status["latency_ms"]["p50"] >= 10 and status["fps"] > 0


def test_stop_joins_even_a_thread_that_draws(drawer, monkeypatch):
    begun = threading.Event()
    monkeypatch.setattr(drawer, "draw", lambda *_: (begun.set(), time.sleep(0.3)))
    source = Frames()
    live = Live(source, drawer)
    live.start()
    assert begun.wait(10)
    started = time.monotonic()
    live.stop()
    live.stop()
    assert time.monotonic() - started < 2
    assert source.closed and live.wait_newer(-1, 5) is None
    assert time.monotonic() - started < 2


def test_stop_before_start_closes_the_source(drawer):
    source = Frames()
    Live(source, drawer).stop()
    assert source.closed


class ShortWaits(threading.Event):
    """Waits a hundredth of the time, and keeps what it was asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def wait(self, timeout=None):
        self.asked.append(timeout)
        return super().wait(timeout / 100)


def test_unplugged_and_plugged_in_again(drawer):
    source = Frames()
    live = Live(source, drawer)
    live._stopping = ShortWaits()
    with live:
        wait_until(lambda: live.status()["frames"] > 2)
        source.unplugged = True
        wait_until(lambda: source.reopened > 6)
        error, frames = live.status()["error"], live.status()["frames"]
        assert error == "Reconnecting. No such camera. Received: frames"
        source.unplugged = False
        wait_until(lambda: live.status()["frames"] > frames + 2)
        assert live.status()["error"] is None
    assert live._stopping.asked[:7] == [0.25, 0.5, 1, 2, 4, 4, 4]


def test_a_source_that_comes_and_goes_is_tried_ever_more_seldom(drawer, monkeypatch):
    class Brief(Frames):
        """Opens each time, gives a picture and is lost again."""

        def read(self):
            self.unplugged = self.number > self.reopened
            return super().read()

        def reopen(self):
            self.reopened += 1

    source = Brief()
    live = Live(source, drawer)
    live._stopping = ShortWaits()
    with live:
        wait_until(lambda: source.reopened > 6)
    assert live._stopping.asked[:7] == [0.25, 0.5, 1, 2, 4, 4, 4]
    assert source.number >= 6  # each time one came


def test_it_is_well_again_when_a_picture_has_come(drawer):
    source, gives = Frames(), threading.Event()
    live = Live(source, drawer)
    live._stopping = ShortWaits()
    read, reopen = source.read, source.reopen

    def open_without_a_picture():
        reopen()
        source.read = lambda: gives.wait(10) and read()

    with live:
        wait_until(lambda: live.status()["frames"] > 2)
        source.unplugged, source.reopen = True, open_without_a_picture
        wait_until(lambda: source.reopened)
        source.unplugged = False
        wait_until(lambda: source.read is not read)
        for _ in range(3):
            assert live.error.startswith("Reconnecting. "), "nothing has come yet"
            time.sleep(0.01)
        gives.set()
        wait_until(lambda: live.error is None)


def test_a_lost_camera_stops_in_time_and_shows_no_stale_face(drawer, monkeypatch):
    found = [TrackedFace(0, Box(8, 4, 30, 30), face_at(8, 4, 30).landmarks)]
    monkeypatch.setattr(Tracker, "update", lambda self, photo, captured: found)
    source = Frames()
    live = Live(source, drawer)
    assert live.status()["faces"] is live.status()["found"] is None
    live.start()
    wait_until(lambda: live.status()["faces"] == 1)
    source.unplugged = True
    wait_until(lambda: live.status()["faces"] == 0)
    result = live.latest()
    # The sheet is no new picture: whoever asks how old the newest is must not take it for one.
    assert result.captured == max(frame.captured for frame in live._history._frames)
    assert (result.drawing == placeholder(48, 64)).all() and (result.photo >= 200).all()
    started = time.monotonic()
    live.stop()
    assert time.monotonic() - started < 1


def test_what_nobody_expects_ends_the_whole_and_is_kept(drawer, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("at once")

    monkeypatch.setattr(drawer, "draw", fail)
    with Live(Frames(), drawer) as live:
        assert live.finished.wait(2)
        assert isinstance(live.failure, ZeroDivisionError)
        assert live.status()["error"] == "ZeroDivisionError: at once"


def test_a_frame_that_cannot_be_drawn_is_said_and_passed_over(drawer, monkeypatch):
    draw, broken = drawer.draw, []

    def fail_once(photo, *others):
        if not broken:
            broken.append(live.status())
            raise InputError("Landmarks must be finite numbers. Received: nan")
        return draw(photo, *others)

    monkeypatch.setattr(drawer, "draw", fail_once)
    source = Frames(interval=0.1)
    with Live(source, drawer) as live:
        wait_until(lambda: (live.status()["error"] or "").startswith("Landmarks"))
        assert live.wait_newer(-1, 2) is not None
        assert live.status()["error"] is None
    assert live.status()["dropped"] >= 1, "it was not drawn"


def test_a_missed_face_is_drawn_and_not_told_as_seen(drawer, monkeypatch):
    place = face_at(8, 4, 30)
    faces = [TrackedFace(0, place.box, place.landmarks, found=False)]
    monkeypatch.setattr(Tracker, "update", lambda self, photo, captured: faces)
    with Live(Frames(), drawer) as live:
        assert live.wait_newer(-1, 10).faces == 1
        assert (live.status()["faces"], live.status()["found"]) == (1, 0)


def test_what_a_source_leaves_out_is_counted(drawer):
    source = Frames(count=5)
    source.skipped = 7
    with Live(source, drawer) as live:
        assert live.finished.wait(10)
        assert live.status()["frames"] + live.status()["dropped"] == 5 + 7


def test_the_source_has_ended_when_its_last_frame_is_drawn(drawer, monkeypatch):
    draw, goes_on = drawer.draw, threading.Event()
    monkeypatch.setattr(drawer, "draw", lambda *given: goes_on.wait(10) and draw(*given))
    source = Frames(count=1)
    with Live(source, drawer) as live:
        wait_until(lambda: source.closed)
        assert live.status()["ended"] is False
        goes_on.set()
        assert live.finished.wait(10)
        assert live.status()["ended"] is True and live.status()["frames"] == 1


def test_nothing_is_claimed_before_the_first_frame(drawer):
    live = Live(Frames(), drawer)
    status = json.loads(json.dumps(live.status()))
    assert status["fps"] is live.fps is None and status["stages"] == {}
    assert status["latency_ms"] == {"p50": None, "p95": None}
    assert (status["frames"], status["dropped"], status["ended"]) == (0, 0, False)
    live.stop()


@pytest.mark.parametrize("layout", ["drawing", "side-by-side", "overlay"])
def test_frames_may_change_their_size(drawer, layout, tmp_path):
    source, drawn = Frames(), []
    sizes = [(48, 64)] * 4 + [(90, 30)] * 4 + [(96, 128)] * 4
    live = Live(source, drawer, layout=layout)
    live._tracker = Tracker(detector=FoundFaces([face_at(4, 4, 20)]))
    publish = live._publish
    live._publish = lambda result: (drawn.append(result), publish(result))

    def read_when_drawn():
        wait_until(lambda: len(drawn) + len(sizes) == 12)
        return np.zeros((*sizes.pop(), 3), np.uint8) if sizes else None

    source.read = read_when_drawn
    with live, Recorder(live, tmp_path) as recorder:
        assert live.finished.wait(10)
    assert live.failure is None and live.error is None
    assert [result.photo.shape[0] for result in drawn] == [96] * 4 + [90] * 4 + [48] * 4
    assert all(result.drawing.shape == result.photo.shape for result in drawn)
    assert all(result.faces == 1 for result in drawn)
    # A video has one size, that of its first picture; the others are fitted into it.
    video = cv2.VideoCapture(str(recorder.path))
    size = video.get(cv2.CAP_PROP_FRAME_HEIGHT), video.get(cv2.CAP_PROP_FRAME_WIDTH)
    assert size in {result.view.shape[:2] for result in drawn}
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == recorder.frames > 0


def test_latency_is_measured_to_the_first_view_that_shows_a_frame(drawer):
    source = Frames(interval=0.02)
    with Live(source, drawer) as live:
        wait_until(lambda: live.status()["frames"] > 2)
        status = live.status()
        assert status["latency_to"] == "drawing" and status["latency_ms"]["p50"] > 0
        for _ in range(3):
            result = live.wait_newer(-1, 5)
            time.sleep(0.05)  # a view that is slow to show it
            live.displayed(result.number)
            live.displayed(result.number)
        status = live.status()
        assert status["latency_to"] == "display"
        assert status["latency_ms"]["p50"] >= 50
        live.displayed(10**6)  # what was never drawn
        assert live.status()["latency_ms"]["p50"] >= 50


def test_a_source_that_cannot_be_closed_ends_the_whole_and_is_told(drawer):
    def refuse():
        raise OSError("the device is gone")

    source = Frames(count=3)
    source.close = refuse
    with Live(source, drawer) as live:
        assert live.finished.wait(5)
        wait_until(lambda: live.failure is not None)
    assert isinstance(live.failure, OSError) and str(live.failure) == "the device is gone"


def test_status_is_json_and_choices_take_effect(drawer):
    with Live(Frames(), drawer) as live:
        live.wait_newer(-1, 2)
        live.choose(style="bold", layout="side-by-side")
        wait_until(lambda: live.latest().view.shape == (48, 128, 3))
        live.choose(preset="portrait", layout="overlay")
        wait_until(lambda: live.latest().view.shape == (48, 64, 3))
        status = json.loads(json.dumps(live.status()))
    assert (status["preset"], status["style"], status["layout"]) == ("portrait", "ink", "overlay")
    assert {"tiny", "portrait"} <= set(status["presets"]) and "avatars" not in status["presets"]
    assert status["styles"] == ["ink", "line", "engraving", "vallotton"] and status["threads"] == 1
    assert status["runtime"].startswith("ai-edge-litert ")
    assert set(status["stages"]) == {"detect", "paste", "layout"}  # there is no face


@pytest.mark.parametrize(
    "choice",
    [{"style": "blod"}, {"preset": "../../etc"}, {"layout": "round"}, {"preset": "avatars"}],
)
def test_choosing_what_there_is_not_changes_nothing(drawer, choice):
    live = Live(Frames(), drawer)
    before = live.status()
    with pytest.raises(SettingError, match=f"Received: {next(iter(choice.values()))}"):
        live.choose(**{"layout": "overlay", "style": "bold"} | choice)
    after = live.status()
    assert all(after[name] == before[name] for name in ("preset", "layout"))
    if "preset" not in choice:
        assert after["style"] == before["style"]
    live.stop()


def test_a_preset_keeps_the_style_that_it_has_too(drawer, tmp_path):
    other = write_tiny_preset(tmp_path / "other", styles=("bold", "thin"))
    drawer._paths["other"] = other
    drawer.choose(style="bold")
    drawer.choose(preset="other")
    assert drawer.style == "bold"
    drawer.choose(preset="portrait")
    assert drawer.style == "ink"


def test_a_preset_called_as_one_in_the_package_keeps_its_place(tmp_path):
    own = write_colour_preset(tmp_path / "portrait")
    drawer = Drawer(own)
    assert drawer.preset == str(own) and drawer.styles == ("cyclegan",)
    drawer.choose(preset="portrait")
    assert drawer.styles == ("ink", "line", "engraving", "vallotton")
    drawer.choose(preset=str(own))
    assert drawer.styles == ("cyclegan",)


def test_noise_draws_nobody(tmp_path):
    with pytest.raises(SettingError, match="noise"):
        Drawer(write_noise_preset(tmp_path / "noise"))


def test_draws_what_the_library_draws(drawer, tiny_preset, example):
    photo, landmarks = example
    face = TrackedFace(0, Box(180, 70, 90, 90), landmarks.astype(np.float32))
    stages = Stages()
    drawing = drawer.draw(photo, [face], stages)
    stylizer = Stylizer(tiny_preset)
    found = Face(face.box, face.landmarks, 1.0)
    stylizer._choose = lambda *_: [found]
    assert np.abs(stylizer(photo).astype(int) - drawing.picture).max() <= 1
    assert (drawing.squares[0][0] == stylizer.draw_face(photo, found)).all()
    assert set(stages.ms) == {"align", "segment", "stylize", "paste"}
    assert all(ms > 0 for ms in stages.ms.values())


def test_the_person_is_looked_for_now_and_then(drawer, example, monkeypatch):
    photo, landmarks = example
    calls = []
    segment = drawer._segmenter
    monkeypatch.setattr(drawer, "_segmenter", lambda square: (calls.append(1), segment(square))[1])
    face = TrackedFace(0, Box(180, 70, 90, 90), landmarks.astype(np.float32))
    for _ in range(4):
        drawer.draw(photo, [face], Stages())
    assert len(calls) == 2
    drawer.draw(photo, [replace(face, number=1)], Stages())  # somebody else
    assert len(calls) == 3


@pytest.mark.parametrize(("scale", "most", "mean"), [(0.4, 40, 0.5), (0.8, 8, 0.1), (1.4, 8, 0.1)])
def test_ink_lies_as_paste_back_lays_it(scale, most, mean):
    rng = np.random.default_rng(0)
    lines = resize(rng.integers(0, 2, (16, 16), np.uint8) * 255, 64, 64)
    transform = np.array([[scale, 0.1 * scale, 20], [-0.1 * scale, scale, 30]])
    other = transform + [[0, 0, 25 * scale], [0, 0, 10 * scale]]
    photo = np.zeros((150, 180, 3), np.uint8)
    for squares in ([(lines, transform)], [(lines, transform), (255 - lines, other)]):
        expected = np.full_like(photo, 255)
        for square, place in squares:
            expected = paste_back(expected, square, place)
        error = np.abs(lay_on_paper(photo, squares).picture.astype(int) - expected)
        assert error.max() <= most and error.mean() < mean


def test_a_face_at_the_frames_edge(drawer, example):
    photo, landmarks = example
    cut = np.ascontiguousarray(photo[:, 210:])
    face = TrackedFace(0, Box(0, 70, 60, 90), (landmarks - [210, 0]).astype(np.float32))
    picture = drawer.draw(cut, [face], Stages()).picture
    assert picture.shape == cut.shape and picture.min() < 128


@pytest.mark.parametrize(("x", "y"), [(-40, 100), (600, 100), (250, -40), (250, 430), (-90, -90)])
def test_a_face_half_out_of_the_frame(drawer, x, y):
    photo = np.full((480, 640, 3), 90, np.uint8)
    tracker = Tracker(detector=FoundFaces([face_at(x, y)]))
    result = draw_frame(0, 0.0, photo, tracker, drawer, "side-by-side")
    assert result.faces == 1 and result.view.shape == (480, 1280, 3)


def test_layouts(drawer, example, tmp_path):
    photo, landmarks = example
    face = TrackedFace(0, Box(180, 70, 90, 90), landmarks.astype(np.float32))
    drawing = drawer.draw(photo, [face], Stages())
    assert lay_out("drawing", photo, drawing) is drawing.picture
    pair = lay_out("side-by-side", photo, drawing)
    assert (pair[:, :512] == photo).all() and (pair[:, 512:] == drawing.picture).all()
    over = lay_out("overlay", photo, drawing)
    assert (over <= photo).all() and (over[400:] == photo[400:]).all()
    assert (over[90:150, 190:260] < photo[90:150, 190:260]).mean() > 0.5
    colour = Drawer(write_colour_preset(tmp_path / "colour"), threads=1)
    drawing = colour.draw(photo, [face], Stages())
    assert (drawing.picture[[0, -1]] != 255).any()  # the square fills the frame
    over = lay_out("overlay", photo, drawing)
    # Red and blue have changed places where the face is, and nowhere else.
    x, y = 226, 118
    assert (np.abs(over[y, x, ::-1].astype(int) - photo[y, x]) < 40).all()
    assert (over[400:] == photo[400:]).all()


def test_nobody_there_gives_the_calm_sheet(drawer):
    tracker = Tracker(detector=FoundFaces())
    photo = np.full((48, 64, 3), 90, np.uint8)
    result = draw_frame(3, 1.5, photo, tracker, drawer, "drawing")
    assert (result.number, result.captured, result.faces) == (3, 1.5, 0)
    assert result.photo is photo and result.drawing.shape == photo.shape
    assert 0.9 < (result.drawing == 255).mean() < 1 and result.drawing.min() > 180


def test_nobody_for_minutes_is_no_error(drawer):
    detector = FoundFaces()
    tracker = Tracker(detector=detector)
    photo = np.full((48, 64, 3), 90, np.uint8)
    for number in range(3 * 60 * 25):  # three minutes
        result = draw_frame(number, 0.0, photo, tracker, drawer, "drawing")
        assert result.faces == 0
    assert (result.view == placeholder(48, 64)).all()
    assert detector.asked == number + 1  # whoever comes is seen at once
    with Live(Frames(count=50), drawer) as live:
        assert live.finished.wait(10)
        assert live.error is None and (live.latest().view == placeholder(48, 64)).all()
