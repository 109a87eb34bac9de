"""`portrait stylize clip.mp4`."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import fake_ffmpeg
from conftest import EXAMPLE
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.inference.video import animation
from keras_portrait.inference.video import drawing as clip_drawing
from tiny_preset import write_colour_preset, write_whole_preset
from videos import gray, read_video, turn_mp4, write_video

RATE, COUNT = 12.5, 5
NO_FFMPEG = "sound, if there is any, is left out: ffmpeg, which copies it, is not installed"


def face_frames():
    """The example's face, which moves to the right by 4 pixels a frame; nobody in the last."""
    photo = read_image(EXAMPLE)
    frames = [
        np.ascontiguousarray(photo[10:250, 120 - 4 * i : 360 - 4 * i]) for i in range(COUNT - 1)
    ]
    return [*frames, gray(120, 240, 240)]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A video and a GIF of the same frames."""
    folder = tmp_path_factory.mktemp("films")
    write_video(folder / "clip.avi", face_frames(), RATE)
    first, *rest = map(Image.fromarray, face_frames())
    first.save(
        folder / "wave.gif", save_all=True, append_images=rest, duration=[40, 200, 80, 80, 60]
    )
    return folder


@pytest.fixture
def clip(films, tmp_path, monkeypatch):
    """clip.avi, alone in a folder; no ffmpeg is there."""
    fake_ffmpeg.remove(tmp_path / "no-programs", monkeypatch)
    (tmp_path / "in").mkdir()
    return shutil.copy(films / "clip.avi", tmp_path / "in" / "clip.avi")


@pytest.fixture
def wave(clip, films):
    """wave.gif beside it."""
    return shutil.copy(films / "wave.gif", clip.with_name("wave.gif"))


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def ink(frame):
    """The middle column of what is drawn, and how much of the frame is not paper."""
    dark = np.argwhere(frame[..., 0] < 128)
    return (dark[:, 1].min() + dark[:, 1].max()) / 2 if len(dark) else None, len(dark)


def test_a_video_becomes_a_drawn_one_beside_it(portrait, clip):
    before = clip.read_bytes()
    code, out, err = portrait("stylize", clip, "--style", "bold")
    drawn = clip.with_name("clip.portrait.mp4")
    assert (code, out) == (0, f"{drawn}\n")
    assert err == f"clip.avi: no face in 1 of {COUNT} frames\nclip.avi: {NO_FFMPEG}\n"
    frames, rate = read_video(drawn)
    assert rate == RATE and len(frames) == COUNT and frames[0].shape == (240, 240, 3)
    assert all(ink(frame)[1] > 500 for frame in frames[:-1])
    assert frames[-1].min() > 240, "nobody is there, and paper stays white"
    assert names(clip.parent) == ["clip.avi", "clip.portrait.mp4"] and clip.read_bytes() == before


def test_sound_is_kept_where_ffmpeg_is(portrait, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    log = fake_ffmpeg.install(tmp_path / "bin", monkeypatch)
    code, out, err = portrait("stylize", clip, "-o", tmp_path / "out" / "x.mov")
    assert (code, out, err) == (
        0,
        f"{tmp_path}/out/x.mov\n",
        f"clip.avi: no face in 1 of {COUNT} frames\n",
    )
    data = (tmp_path / "out" / "x.mov").read_bytes()
    assert data.endswith(b"sound") and len(data) == COUNT * 240 * 240 * 3 + 5
    assert f"-r {RATE}" in log.read_text() and names(tmp_path / "out") == ["x.mov"]


def test_sound_that_cannot_be_copied_is_told_and_the_drawing_is_there(
    portrait, clip, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    fake_ffmpeg.install(tmp_path / "bin", monkeypatch, mux="echo 'Bad sound' >&2; exit 1")
    code, _, err = portrait("stylize", clip)
    assert code == 0 and err.endswith("is left out: ffmpeg cannot copy it: Bad sound\n")
    assert clip.with_name("clip.portrait.mp4").stat().st_size == COUNT * 240 * 240 * 3
    assert names(clip.parent) == ["clip.avi", "clip.portrait.mp4"]


def test_ffmpeg_that_fails_leaves_nothing(portrait, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    failing = "head -c 9 > ${last#file:}; echo 'No space left on device' >&2; exit 1"
    fake_ffmpeg.install(tmp_path / "bin", monkeypatch, encode=failing)
    code, out, err = portrait("stylize", clip)
    assert code == 2 and out == "" and len(err.splitlines()) == 1
    assert "ffmpeg cannot write the video: No space left on device" in err
    assert names(clip.parent) == ["clip.avi"]


@pytest.mark.parametrize("with_ffmpeg", [False, True])
def test_ctrl_c_leaves_nothing(portrait, clip, tmp_path, monkeypatch, with_ffmpeg):
    if with_ffmpeg:
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        fake_ffmpeg.install(tmp_path / "bin", monkeypatch)
    drawn = []

    def interrupted(self, *arguments, draw=Stylizer.draw_in_place):
        drawn.append(1)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return draw(self, *arguments)

    monkeypatch.setattr(Stylizer, "draw_in_place", interrupted)
    code, out, err = portrait("stylize", clip)
    assert code == 130 and out == "" and "Traceback" not in err and len(drawn) == 3
    assert names(clip.parent) == ["clip.avi"]


def test_a_video_without_a_face_is_one_calm_line(portrait, clip, tmp_path):
    write_video(clip, [gray(level, 60, 80) for level in (20, 120, 220)])
    code, out, err = portrait("stylize", clip, "-o", tmp_path / "new" / "x.mp4")
    assert code == 2 and out == "" and len(err.splitlines()) == 1
    assert "No face found in any of the 3 frames" in err and "from 20 pixels up" in err
    assert err.endswith(f"Received: {clip}\n") and not (tmp_path / "new").exists()
    assert names(clip.parent) == ["clip.avi"]


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        (["--crop"], (64, 64, 3)),
        (["--crop", "--faces", "all"], (64, 64, 3)),
        (["--whole"], (240, 240, 3)),
        (["--faces", "all", "--style", "1"], (240, 240, 3)),
    ],
)
def test_options_are_those_of_photos(portrait, clip, options, shape):
    code, _, err = portrait("stylize", clip, *options)
    frames, _ = read_video(clip.with_name("clip.portrait.mp4"))
    assert code == 0 and len(frames) == COUNT and frames[0].shape == shape
    assert ("no face" in err) is ("--whole" not in options)


def test_what_is_behind_the_people_is_kept(portrait, clip):
    assert portrait("stylize", clip, "--background", "keep")[0] == 0
    frames, _ = read_video(clip.with_name("clip.portrait.mp4"))
    photos = face_frames()
    assert np.abs(frames[-1].astype(int) - photos[-1]).max() < 12, "a frame without a face, too"
    assert np.abs(frames[0][-12:].astype(int) - photos[0][-12:]).mean() < 12


def test_a_preset_in_colour_draws_squares(portrait, clip, tmp_path):
    preset = write_colour_preset(tmp_path / "swapped")
    assert portrait("stylize", clip, preset=preset)[0] == 0
    frames, _ = read_video(clip.with_name("clip.portrait.mp4"))
    assert frames[0].shape == (64, 64, 3)
    red, _, blue = frames[0].reshape(-1, 3).mean(0)
    assert blue > red + 5, "skin with red and blue changed"


def test_a_preset_of_whole_pictures_looks_for_no_face(portrait, clip, tmp_path):
    preset = write_whole_preset(tmp_path / "pictures")
    write_video(clip, [gray(level, 60, 80) for level in (20, 120, 220)])
    code, _, err = portrait("stylize", clip, "--background", "keep", preset=preset)
    frames, _ = read_video(clip.with_name("clip.portrait.mp4"))
    assert code == 0 and [frame.shape for frame in frames] == [(60, 80, 3)] * 3
    assert "no face" not in err and frames[0].mean() + 50 < frames[1].mean(), "as in photos"
    code, _, err = portrait("stylize", clip, "--crop", preset=preset)
    assert code == 2 and "No face found" in err


def test_whole_frames_in_colour_become_an_animation(portrait, clip, tmp_path):
    preset = write_colour_preset(tmp_path / "swapped")
    target = clip.with_name("x.webp")
    assert portrait("stylize", clip, "--whole", "-o", target, preset=preset)[0] == 0
    with Image.open(target) as image:
        assert image.size == (240, 240) and image.n_frames == COUNT


def test_two_people_are_drawn_side_by_side(portrait, clip):
    one, other = face_frames()[:2]
    write_video(clip, [np.hstack([one, other])] * 2 + [np.hstack([gray(120, 240, 240), other])] * 2)
    assert portrait("stylize", clip, "--crop", "--faces", "all")[0] == 0
    frames, _ = read_video(clip.with_name("clip.portrait.mp4"))
    assert [frame.shape for frame in frames] == [(64, 132, 3)] * 4
    left = [float(frame[:, :64].mean()) for frame in frames]
    assert max(left[:2]) < 235 and min(left[2:]) > 245, "an empty cell is paper"
    assert np.abs(frames[3][:, 68:].astype(int) - frames[0][:, 68:]).mean() < 12


def test_a_video_of_a_phone_is_drawn_upright(portrait, clip):
    lying = [np.ascontiguousarray(np.rot90(frame)) for frame in face_frames()[:3]]
    path = turn_mp4(write_video(clip.with_name("phone.mov"), lying, RATE, "mp4v"))
    code, _, err = portrait("stylize", path)
    assert code == 0 and "no face" not in err
    (first, *_), _ = read_video(path.with_name("phone.portrait.mp4"))
    assert 60 < ink(first)[0] < 180


def test_an_animation_stays_one(portrait, wave):
    target = wave.with_name("drawn.gif")
    code, out, err = portrait("stylize", wave, "-o", target)
    assert (code, out, err) == (0, f"{target}\n", f"wave.gif: no face in 1 of {COUNT} frames\n")
    with Image.open(target) as image:
        times = []
        for index in range(image.n_frames):
            image.seek(index)
            times.append(image.info["duration"])
        assert times == [40, 200, 80, 80, 60] and image.size == (240, 240)
    code, out, _ = portrait("stylize", wave)
    assert out == f"{wave.with_name('wave.portrait.png')}\n", "otherwise the first picture is drawn"


def test_an_animation_becomes_a_video_and_a_video_an_animation(portrait, clip, wave):
    code, _, err = portrait("stylize", wave, "-o", wave.with_name("x.mp4"))
    frames, rate = read_video(wave.with_name("x.mp4"))
    assert code == 0 and "sound" not in err, "it never had any"
    assert rate == 25 and len(frames) == 12, "0.46 seconds"
    for suffix in ("webp", "apng"):
        assert portrait("stylize", clip, "-o", clip.with_name(f"x.{suffix}"))[0] == 0
        with Image.open(clip.with_name(f"x.{suffix}")) as image:
            assert image.n_frames == COUNT


def test_too_long_an_animation_is_refused_before_it_is_drawn(portrait, clip, monkeypatch):
    monkeypatch.setattr(clip_drawing, "MOST_ANIMATED", COUNT * 240 * 240 - 1)
    monkeypatch.setattr(Stylizer, "draw_in_place", lambda *_: pytest.fail("drawn for nothing"))
    code, out, err = portrait("stylize", clip, "-o", clip.with_name("x.gif"))
    assert code == 2 and out == "" and f"Received: {COUNT} frames of 240 x 240" in err
    assert names(clip.parent) == ["clip.avi"]


def test_the_squares_of_an_animation_are_what_is_counted(portrait, clip, monkeypatch):
    one, other = face_frames()[:2]
    write_video(clip, [np.hstack([one, other])] * 2)
    command = "stylize", clip, "--crop", "--faces", "all", "-o", clip.with_name("x.gif")
    with monkeypatch.context() as patches:
        patches.setattr(clip_drawing, "MOST_ANIMATED", 2 * 64 * 132 - 1)
        patches.setattr(Stylizer, "draw_face", lambda *_: pytest.fail("drawn for nothing"))
        code, out, err = portrait(*command)
    assert code == 2 and out == "" and "Received: 2 frames of 132 x 64 for" in err
    monkeypatch.setattr(clip_drawing, "MOST_ANIMATED", 2 * 64 * 132)
    assert portrait(*command)[0] == 0, "smaller than the frames of the clip are"


def test_several_videos(portrait, clip, tmp_path):
    other = shutil.copy(clip, clip.with_name("other.AVI"))
    broken = clip.with_name("broken.mp4")
    broken.write_bytes(b"no video")
    code, out, err = portrait("stylize", clip, broken, other, clip, "-o", f"{tmp_path / 'out'}/")
    assert code == 2 and out == f"{tmp_path / 'out'}\n"
    assert "skipped: Not a readable video" in err and "1 of 3 videos could not be drawn" in err
    assert names(tmp_path / "out") == ["clip.avi.portrait.mp4", "other.AVI.portrait.mp4"]
    drawn = tmp_path / "out" / "clip.avi.portrait.mp4"
    code, out, err = portrait("stylize", clip, drawn)
    assert code == 0 and out == f"{clip}.portrait.mp4\n"
    assert err.endswith("1 drawing of an earlier run passed over\n")
    code, _, err = portrait("stylize", drawn, f"{clip}.portrait.mp4")
    assert code == 2 and "Nothing but drawings of earlier runs" in err


def test_each_of_many_files_is_looked_at_once(portrait, wave, tmp_path, monkeypatch):
    looked = []

    def is_animated(path, look=animation.is_animated):
        looked.append(path)
        return look(path)

    monkeypatch.setattr(animation, "is_animated", is_animated)
    photos = [shutil.copy(EXAMPLE, tmp_path / f"{number}.png") for number in range(4)]
    code, _, err = portrait("stylize", wave, *photos, "-o", "x.gif")
    assert code == 2 and "Videos are drawn apart" in err and len(looked) == 5


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["-o", "x.png"], "-o must be a .mp4, .mov, .mkv, .gif, .webp, .apng file for a video"),
        (["-o", "x.svg"], "or a folder. Received: x.svg"),
        (["-o", "-"], "A video is not written to standard output"),
        (["-o", "clip.avi/x.mp4"], "Cannot make the folder"),
        (["me.jpg"], "Videos are drawn apart from photos and folders. Expected videos alone."),
        (["two.mp4", "-o", "x.mp4"], "-o must be a folder for several videos. Received: x.mp4"),
        (["deep/clip.avi", "-o", "out/"], "Two videos would have one drawing"),
        (["--style", "bald"], "bald"),
        (["--crop", "--whole"], "either --crop or --whole"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_read(portrait, clip, monkeypatch, more, text):
    monkeypatch.chdir(clip.parent)
    monkeypatch.setattr(clip_drawing, "Clip", lambda path: pytest.fail("read for nothing"))
    code, out, err = portrait("stylize", "clip.avi", *more)
    assert code == 2 and out == "" and text in err and len(err.splitlines()) == 1
    assert names(clip.parent) == ["clip.avi"]


def test_a_video_is_never_overwritten(portrait, clip):
    shutil.move(clip, clip.with_name("clip.mkv"))
    code, out, err = portrait(
        "stylize", clip.with_name("clip.mkv"), "-o", clip.with_name("clip.mkv")
    )
    assert code == 2 and out == "" and "would overwrite" in err


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "Cannot read the file (No such file or directory). Received: "),
        (b"", "The file is empty"),
        (b"RIFF....AVI LIST", "Not a readable video"),
    ],
)
def test_a_file_that_is_no_video_is_one_line(portrait, clip, data, text):
    clip.unlink() if data is None else clip.write_bytes(data)
    code, out, err = portrait("stylize", clip)
    assert code == 2 and out == "" and text in err and len(err.splitlines()) == 1


def test_a_video_that_was_cut_short_is_drawn_and_told(portrait, clip, monkeypatch):
    monkeypatch.setattr(clip_drawing.Clip, "missing", lambda self, frames, seconds: 70)
    code, _, err = portrait("stylize", clip)
    assert (
        code == 0
        and f"clip.avi: the file was cut short: 70 of {70 + COUNT} frames are missing" in err
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_with_ffmpeg_itself(portrait, films, tmp_path):
    ffmpeg = [shutil.which("ffmpeg"), "-v", "error"]
    source = tmp_path / "clip.mp4"
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={COUNT / RATE}"]
    subprocess.run([*ffmpeg, "-i", films / "clip.avi", *tone, source], check=True)
    code, _, err = portrait("stylize", source)
    assert code == 0 and "sound" not in err
    drawn = tmp_path / "clip.portrait.mp4"
    frames, rate = read_video(drawn)
    assert rate == RATE and len(frames) == COUNT
    told = subprocess.run([ffmpeg[0], "-i", drawn], capture_output=True, text=True).stderr
    assert "Audio: aac" in told
