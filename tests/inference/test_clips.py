"""Clips: which frames there are, when, who is in them, and how they are written."""

import cv2
import numpy as np
import pytest
from PIL import Image

import fake_ffmpeg
from found_faces import face_at
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.faces.tracking import KEPT_SECONDS, TrackedFace, Tracker
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.inference.video import clip as clips
from keras_portrait.inference.video.clip import Clip, Frame
from keras_portrait.inference.video.drawing import ClipDrawer
from keras_portrait.inference.video.encoding import (
    AnimationFile,
    Film,
    OpenCvEncoder,
    even_sided,
)
from keras_portrait.inference.video.ffmpeg import FfmpegEncoder, add_sound, find_ffmpeg
from keras_portrait.inference.video.survey import Survey, in_cells, largest_only, survey
from tiny_preset import write_tiny_preset
from videos import gray, read_video, turn_mp4, write_video


def levels(frames):
    return [round(float(np.median(frame))) for frame in frames]


def test_a_video_gives_each_frame_and_its_time(tmp_path):
    path = write_video(tmp_path / "a.avi", [gray(level) for level in (40, 90, 140, 190)], rate=12.5)
    clip = Clip(path)
    for _ in range(2):
        frames = list(clip.frames())
        assert [frame.seconds for frame in frames] == pytest.approx([0, 0.08, 0.16, 0.24])
        assert levels([frame.picture for frame in frames]) == pytest.approx([40, 90, 140, 190], 3)
    assert frames[-1].lasts == pytest.approx(0.08) and clip.expected == 4 and clip.has_sound
    assert clip.missing(4, 0.32) == 0


def test_a_phone_that_was_held_upright(tmp_path):
    lying = gray(200)
    lying[:, :32] = (220, 30, 30)  # the left half becomes the upper one
    path = turn_mp4(write_video(tmp_path / "a.mp4", [lying] * 3, codec="mp4v"))
    (picture, *_) = [frame.picture for frame in Clip(path).frames()]
    assert picture.shape == (64, 48, 3)
    assert np.abs(picture[8, 24].astype(int) - (220, 30, 30)).max() < 20
    assert np.abs(picture[56, 24].astype(int) - 200).max() < 20


class Capture:
    """`cv2.VideoCapture` of frames that bear given times in milliseconds."""

    def __init__(self, times, rate=10.0):
        self.times, self.rate, self.index = times, rate, 0

    def get(self, what):
        known = {cv2.CAP_PROP_FPS: self.rate, cv2.CAP_PROP_FRAME_COUNT: len(self.times)}
        return known.get(what, self.times[min(self.index, len(self.times) - 1)])

    def grab(self):
        self.index += 1
        return self.index < len(self.times)

    def retrieve(self):
        return True, gray(100 if self.index else 50, 48, 64 - 2 * self.index)

    def release(self):
        pass


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ([500, 600, 700, 800], [0, 0.1, 0.2, 0.3]),  # the first is where it begins
        ([0, 40, 120, 300], [0, 0.04, 0.12, 0.3]),
        ([0, 1000, 2000, 9000], [0, 1, 2, 9]),  # far from the rate that the file tells
        ([0, 0, 0, 0], [0, 0.1, 0.2, 0.3]),
        ([0, 100, 50, 9e9], [0, 0.1, 0.2, 0.3]),  # back, and to a time that the clip does not have
    ],
)
def test_times_that_cannot_be_are_not_believed(tmp_path, monkeypatch, told, seconds):
    clip = Clip(write_video(tmp_path / "a.avi", [gray(9)] * 4))
    monkeypatch.setattr(clips, "open_video", lambda path: Capture(told))
    frames = list(clip.frames())
    assert [frame.seconds for frame in frames] == pytest.approx(seconds)
    assert {frame.picture.shape for frame in frames} == {(48, 64, 3)}, "the size stays"


def test_a_forged_count_of_frames_makes_no_time_believed(tmp_path, monkeypatch):
    clip = Clip(write_video(tmp_path / "a.avi", [gray(9)] * 4))
    clip.expected = 10**12
    monkeypatch.setattr(clips, "open_video", lambda path: Capture([0, 100, 200, 9e9]))
    assert [frame.seconds for frame in clip.frames()] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_a_rate_that_cannot_be_is_not_believed(tmp_path, monkeypatch):
    clip = Clip(write_video(tmp_path / "a.avi", [gray(9)] * 4))
    monkeypatch.setattr(clips, "open_video", lambda path: Capture([0] * 4, rate=90000.0))
    assert [frame.seconds for frame in clip.frames()] == pytest.approx([0, 0.04, 0.08, 0.12])


def test_a_file_that_was_cut_short_is_counted(tmp_path):
    clip = Clip(write_video(tmp_path / "a.avi", [gray(9)] * 3))
    clip.expected = 100
    # Ten frames a second: a second less is an estimate.
    assert clip.missing(40, 4.0) == 60 and clip.missing(91, 9.1) == 0 and clip.missing(100, 10) == 0


def test_too_large_pictures_are_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.avi", [gray(9)])
    monkeypatch.setattr(clips, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(InputError, match="too large.*Received: 64 x 48, .*a.avi$"):
        Clip(path)


def test_an_animation_is_a_clip_without_sound(tmp_path):
    pictures = [Image.new("L", (64, 48), level) for level in (50, 100, 150)]
    pictures[0].save(
        tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[40, 200, 80]
    )
    clip = Clip(tmp_path / "a.gif")
    frames = list(clip.frames())
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.04, 0.24])
    assert frames[-1].lasts == pytest.approx(0.08) and not clip.has_sound
    assert clip.missing(3, 0.32) == 0


class Scripted:
    """A detector that finds other faces in each frame."""

    def __init__(self, script):
        self.script, self.index = script, -1

    def detect(self, photo):
        self.index += 1
        return list(self.script[self.index])


def followed(script, rate=10):
    frames = [Frame(gray(0, 480, 640), index / rate, 1 / rate) for index in range(len(script))]
    tracker = Tracker(every=1, faces=9, detector=Scripted(script))
    seen = []
    return survey(frames, tracker, lambda: seen.append(1)), seen


def numbers(found):
    return [[face.number for face in faces] for faces in found.faces]


def test_who_is_missed_for_a_moment_stays_and_who_has_left_goes_at_once():
    me = [face_at(100, 100)]
    found, seen = followed([me, me, [], [], me, me, [], [], []])
    assert numbers(found) == [[1]] * 6 + [[]] * 3, "no ghost where nobody comes back"
    assert len(seen) == 9 and found.length == pytest.approx(0.9) and found.size == (480, 640)
    gone = round(KEPT_SECONDS * 10) + 2
    found, _ = followed([me, me, *[[]] * gone, me, me])
    assert numbers(found) == [[1]] * 2 + [[]] * gone + [[2]] * 2


def test_after_a_cut_nobody_is_drawn_who_is_no_longer_there():
    found, _ = followed([[face_at(60, 60, 120)]] * 4 + [[face_at(400, 300, 90)]] * 4)
    assert numbers(found) == [[1]] * 4 + [[2]] * 4
    found.faces = largest_only(found.faces)
    assert [faces[0].box.left for faces in found.faces] == [60] * 4 + [400] * 4


def test_what_flashes_up_is_no_face():
    me, other = face_at(60, 60, 120), face_at(400, 300)
    found, _ = followed([[me]] * 5 + [[me, other]] * 2 + [[me]] * 5, rate=25)  # for 80 ms
    assert numbers(found) == [[1]] * 12
    found, _ = followed([[me]] * 5 + [[me, other]] * 3 + [[me]] * 5, rate=25)
    assert numbers(found) == [[1]] * 5 + [[1, 2]] * 3 + [[1]] * 5
    found, _ = followed([[me], [other]], rate=10)
    assert numbers(found) == [[1], [2]], "a slide show has each for one picture"
    found, _ = followed([[me]], rate=25)
    assert numbers(found) == [[1]], "the whole of a clip is enough"


def tracked(number, x, side):
    face = face_at(x, 0, side)
    return TrackedFace(number, face.box, face.landmarks)


def test_two_faces_of_nearly_the_same_size_do_not_take_turns():
    frames = [[tracked(1, 0, 100), tracked(2, 300, side)] for side in (90, 105, 110, 120, 105)]
    # 1.3 times the area: 114 pixels.
    assert [faces[0].number for faces in largest_only(frames)] == [1, 1, 1, 2, 2]
    assert largest_only([[], frames[0], []]) == [[], [frames[0][0]], []]


def test_each_face_keeps_its_cell():
    left, middle, right = tracked(3, 0, 90), tracked(1, 200, 90), tracked(2, 400, 90)
    frames = [[middle], [left, middle], [left], [left, right], [], [right, middle, left]]
    rows = in_cells(frames)
    assert [[face and face.number for face in row] for row in rows] == [
        [1, None, None],
        [1, 3, None],
        [None, 3, None],
        [2, 3, None],
        [None, None, None],
        [3, 1, 2],
    ]
    assert in_cells([[], []]) == [[], []]


class Encoder:
    def __init__(self):
        self.frames, self.ended = [], []

    def put(self, picture):
        self.frames.append(int(picture[0, 0, 0]))

    def close(self):
        self.ended.append("closed")

    def abandon(self):
        self.ended.append("abandoned")


def test_pictures_of_uneven_times_become_a_video_of_one_rate():
    found = Survey([0, 0.1, 0.2, 0.6, 0.7], length=1.0)
    assert found.rate == 10, "the fastest, or frames would be lost"
    encoder = Encoder()
    film = Film(encoder, found.rate)
    for number, seconds in enumerate(found.times):
        film.add(gray(number), seconds)
    film.finish(found.length)
    assert encoder.frames == [0, 1, 2, 2, 2, 2, 3, 4, 4, 4] and encoder.ended == ["closed"]


def test_evenly_spaced_frames_are_written_once_each_at_their_rate():
    times = [round(index / 29.97, 3) for index in range(300)]  # Matroska rounds to milliseconds
    found = Survey(times, length=300 / 29.97)
    assert found.rate == 29.97
    encoder = Encoder()
    film = Film(encoder, found.rate)
    for number, seconds in enumerate(found.times):
        film.add(gray(number % 200), seconds)
    film.finish(found.length)
    assert encoder.frames == [number % 200 for number in range(300)]


@pytest.mark.parametrize(
    ("times", "length", "rate"),
    [
        ([0, 0.0001], 0.0002, 240),  # two pictures at once
        ([0], 3000.0, 1),  # one for nearly an hour
        ([0], 0.0, 240),
        ([0, 1 / 119.8812], 2 / 119.8812, 119.88),  # MPEG-4 has no parts so small as of 119.881
        # Every other comes after 1 ms, in 20 days: no more is repeated than an encoder ends with.
        ([step for k in range(50) for step in (9000 * k, 9000 * k + 0.001)], 450_000.0, 1),
        ([step for k in range(50) for step in (1000 * k, 1000 * k + 0.001)], 50_000.0, 5),
    ],
)
def test_times_that_a_file_forges_make_no_rate_without_bounds(tmp_path, times, length, rate):
    found = Survey(times, length=length)
    assert found.rate == rate
    encoder = OpenCvEncoder(tmp_path / "a.mp4", found.rate)
    encoder.put(gray(9))
    encoder.close()


def test_more_repeated_frames_than_an_encoder_ends_with_are_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.avi", [gray(9)] * 2)
    far = [Frame(gray(9), 0.0, 1.0), Frame(gray(9), 299_999.0, 1.0)]
    monkeypatch.setattr(Clip, "frames", lambda self: (frame for frame in far))
    drawer = ClipDrawer(Stylizer(write_tiny_preset(tmp_path / "tiny")), whole=True)
    with pytest.raises(InputError, match="too far apart.*250,000 seconds.*2 frames in 300,000 s"):
        drawer.draw(path, tmp_path / "out" / "a.mp4")
    assert not (tmp_path / "out").exists()


def test_one_picture_is_a_video():
    encoder = Encoder()
    film = Film(encoder, 10)
    film.add(gray(7), 0.0)
    film.finish(0.01)
    assert encoder.frames == [7]


def test_odd_sides_repeat_their_last_line(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    even = even_sided(picture)
    assert even.shape == (6, 8, 3) and np.array_equal(even[:5, :7], picture)
    assert np.array_equal(even[5, :7], picture[4]) and np.array_equal(even[:5, 7], picture[:, 6])
    assert even_sided(even) is even
    encoder = OpenCvEncoder(tmp_path / "a.mp4", 10)
    for level in (60, 200):
        encoder.put(gray(level, 49, 63))
    encoder.close()
    frames, rate = read_video(tmp_path / "a.mp4")
    assert rate == 10 and frames[0].shape == (50, 64, 3)
    assert levels(frames) == pytest.approx([60, 200], abs=4)


def test_a_place_that_takes_no_video(tmp_path):
    encoder = OpenCvEncoder(tmp_path / "none" / "a.mp4", 10)
    with pytest.raises(InputError, match="Cannot write a video there. Received: .*a.mp4$"):
        encoder.put(gray(9))


def times_of(path):
    """Milliseconds of each frame of an animated picture."""
    with Image.open(path) as image:
        times = []
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            times.append(image.info["duration"])
        return times


@pytest.mark.parametrize(
    ("suffix", "times"),
    [(".gif", [30, 40, 30, 30]), (".webp", [33, 34, 33, 33]), (".apng", [33, 34, 33, 33])],
)
def test_rounded_times_add_up_to_the_clip(tmp_path, suffix, times):
    animation = AnimationFile(tmp_path / f"a{suffix}")
    for index in range(4):
        animation.add(gray(60 * index), index / 30)
    animation.finish(4 / 30)
    assert times_of(tmp_path / f"a{suffix}") == times and abs(sum(times) - 4000 / 30) < 5
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.info["loop"] == 0 and image.size == (64, 48)


def test_no_frame_of_a_gif_is_so_short_that_browsers_slow_it_down(tmp_path):
    animation = AnimationFile(tmp_path / "a.gif")
    for index in range(60):
        animation.add(gray(4 * index), index / 60)
    animation.finish(1.0)
    times = times_of(tmp_path / "a.gif")
    assert min(times) >= 20 and sum(times) == 1000


def test_colours_stay_colours_in_animations(tmp_path):
    red = gray(0)
    red[...] = (200, 20, 20)
    animation = AnimationFile(tmp_path / "a.webp")
    animation.add(gray(255), 0)
    animation.add(red, 0.1)
    animation.finish(0.2)
    with Image.open(tmp_path / "a.webp") as image:
        image.seek(1)
        assert image.convert("RGB").getpixel((3, 3)) == (200, 20, 20)


def encoded(tmp_path, name="silent.mp4"):
    encoder = FfmpegEncoder(find_ffmpeg(), tmp_path / name, 12.5)
    for level in (3, 5):
        encoder.put(gray(level, 3, 5))
    encoder.close()
    encoder.abandon()
    return tmp_path / name


def test_ffmpeg_gets_the_frames_and_copies_the_sound(tmp_path, monkeypatch):
    log = fake_ffmpeg.install(tmp_path / "bin", monkeypatch)
    silent = encoded(tmp_path)
    assert silent.read_bytes() == bytes([3] * 4 * 6 * 3 + [5] * 4 * 6 * 3)
    source = tmp_path / "-a:b.mov"
    assert add_sound(find_ffmpeg(), silent, source, tmp_path / "out.mp4") is None
    assert (tmp_path / "out.mp4").read_bytes() == silent.read_bytes() + b"sound"
    encode, _, mux = log.read_text().splitlines()
    assert "-s 6x4 -r 12.5 -i pipe:0" in encode and "-pix_fmt yuv420p" in encode
    assert f"-protocol_whitelist file -i file:{source}" in mux, "neither an option nor an address"
    assert "-c:v copy -c:a copy" in mux and "-map_metadata -1" in mux


@pytest.mark.parametrize(
    ("codec", "suffix", "copied"),
    [("pcm_s16le", ".mp4", False), ("opus", ".mov", False), ("opus", ".mkv", True)],
)
def test_sound_that_a_container_does_not_hold_is_encoded(
    tmp_path, monkeypatch, codec, suffix, copied
):
    log = fake_ffmpeg.install(tmp_path / "bin", monkeypatch, codec)
    assert (
        add_sound(find_ffmpeg(), encoded(tmp_path), tmp_path / "a", tmp_path / f"o{suffix}") is None
    )
    assert ("-c:a copy" in log.read_text()) is copied


def test_a_video_without_sound(tmp_path, monkeypatch):
    fake_ffmpeg.install(tmp_path / "bin", monkeypatch, codec="")
    assert add_sound(find_ffmpeg(), encoded(tmp_path), tmp_path / "a", tmp_path / "o.mp4") == ""
    assert not (tmp_path / "o.mp4").exists()


def test_sound_that_cannot_be_had_says_why(tmp_path, monkeypatch):
    broken = "echo first; echo 'Invalid data found. ' >&2; exit 1"
    fake_ffmpeg.install(tmp_path / "bin", monkeypatch, mux=broken)
    said = add_sound(find_ffmpeg(), encoded(tmp_path), tmp_path / "a", tmp_path / "o.mp4")
    assert said == "Invalid data found"


@pytest.mark.parametrize(
    ("encode", "reason"),
    [
        ("echo 'Unknown encoder' >&2; exit 1", "Unknown encoder"),
        ("cat > /dev/null; echo 'No space left on device' >&2; exit 1", "No space left on device"),
        ("exit 3", "it does not say why"),
    ],
)
def test_ffmpeg_that_fails_says_why(tmp_path, monkeypatch, encode, reason):
    fake_ffmpeg.install(tmp_path / "bin", monkeypatch, encode=encode)
    encoder = FfmpegEncoder(find_ffmpeg(), tmp_path / "o.mp4", 10)
    with pytest.raises(InputError, match=f"ffmpeg cannot write the video: {reason}. Received: .*o"):
        for _ in range(40):
            encoder.put(gray(9, 100, 100))
        encoder.close()
    encoder.abandon()


def test_a_program_that_is_none(tmp_path):
    (tmp_path / "ffmpeg").mkdir()
    encoder = FfmpegEncoder(str(tmp_path / "ffmpeg"), tmp_path / "o.mp4", 10)
    with pytest.raises(InputError, match="Cannot start ffmpeg"):
        encoder.put(gray(9))
    encoder.abandon()


@pytest.mark.parametrize("options", [{"faces": "some"}, {"background": "red"}])
def test_options_of_a_clip_are_those_of_a_photo(options):
    with pytest.raises(SettingError, match="Received"):
        ClipDrawer(None, **options)
    with pytest.raises(SettingError, match="either crop or whole"):
        ClipDrawer(None, crop=True, whole=True)
