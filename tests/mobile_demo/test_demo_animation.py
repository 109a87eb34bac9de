"""Animated pictures play as videos, each frame for its own time."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from fake_time import Clock
from keras_portrait.errors import InputError
from keras_portrait.inference.video.animation import is_animated
from keras_portrait_demo.__main__ import main
from keras_portrait_demo.sources import animation, pictures
from keras_portrait_demo.sources.animation import Animation
from keras_portrait_demo.sources.camera import open_source
from keras_portrait_demo.sources.pictures import Photos

TIMES = [40, 200, 0, 80]  # milliseconds; 0 is meant as 100
KINDS = ["gif", "webp", "png"]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(animation, "time", clock)
    monkeypatch.setattr(pictures, "time", clock)
    return clock


def write(path, times, size=(64, 48), **more):
    """Frames that are 50 levels brighter each."""
    frames = [
        Image.new("L", size, 50 * (1 + number)).convert("RGB") for number in range(len(times))
    ]
    options = {"lossless": True} if path.suffix == ".webp" else {}
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=times, loop=0, **options, **more
    )
    return path


def level(frame) -> int:
    assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
    return round(frame.mean() / 50)


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_is_shown_for_its_own_time(tmp_path, kind, clock):
    source = open_source(str(write(tmp_path / f"a.{kind}", TIMES)), 64, 48)
    assert isinstance(source, Animation) and source.name == f"a.{kind}"
    with contextlib.closing(source):
        clock.now += 7  # what comes before the first frame does not count
        started, seen = clock.now, []
        while (frame := source.read()) is not None:
            seen.append((level(frame), round(clock.now - started, 3)))
        assert seen == [(1, 0.0), (2, 0.04), (3, 0.24), (4, 0.34)]
        assert round(clock.now - started, 3) == 0.42, "the last frame has its time too"
        assert source.skipped == 0


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_again_where_that_is_asked_for(tmp_path, kind):
    path = write(tmp_path / f"a.{kind}", TIMES)
    source = open_source(str(path), 64, 48, loop=True, paced=False)
    with contextlib.closing(source):
        assert [level(source.read()) for _ in range(9)] == [1, 2, 3, 4, 1, 2, 3, 4, 1]


def test_a_frame_that_lasts_for_seconds_comes_again_meanwhile(tmp_path, clock):
    source = open_source(str(write(tmp_path / "a.gif", [2500, 100])), 64, 48)
    with contextlib.closing(source):
        started, seen = clock.now, []
        while (frame := source.read()) is not None:
            seen.append((level(frame), round(clock.now - started, 1)))
        assert seen == [(1, 0.0), (1, 1.0), (1, 2.0), (2, 2.5)]


def test_late_frames_are_left_out_and_counted(tmp_path, clock):
    source = open_source(str(write(tmp_path / "a.gif", [100] * 5)), 64, 48)
    with contextlib.closing(source):
        assert level(source.read()) == 1
        clock.now += 0.35  # two more have had their time
        assert level(source.read()) == 4 and source.skipped == 2
        started = clock.now
        assert level(source.read()) == 5 and round(clock.now - started, 3) == 0.05
        assert source.read() is None and source.skipped == 2


def test_transparent_parts_are_white_and_frames_build_on_each_other(tmp_path):
    first = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
    first.paste((200, 0, 0, 255), (0, 0, 32, 48))
    second = first.copy()
    second.paste((0, 0, 200, 255), (32, 0, 64, 24))
    first.save(tmp_path / "a.png", save_all=True, append_images=[second], duration=100)
    source = open_source(str(tmp_path / "a.png"), 64, 48, paced=False)
    with contextlib.closing(source):
        frames = [source.read(), source.read()]
    corners = [[tuple(frame[y, x]) for y, x in ((0, 0), (0, 63), (47, 63))] for frame in frames]
    red, blue, white = (200, 0, 0), (0, 0, 200), (255, 255, 255)
    assert corners == [[red, white, white], [red, blue, white]]


def test_a_png_for_old_programs_is_passed_over(tmp_path):
    write(tmp_path / "a.png", [100, 100, 100], default_image=True)
    source = open_source(str(tmp_path / "a.png"), 64, 48, paced=False, loop=True)
    with contextlib.closing(source):
        assert [level(source.read()) for _ in range(3)] == [2, 3, 2]


def test_another_size_is_fitted_on_white(tmp_path):
    source = open_source(str(write(tmp_path / "a.gif", [100, 100], (20, 48))), 64, 48, paced=False)
    with contextlib.closing(source):
        frame = source.read()
    assert (frame[:, :20] == 255).all() and (frame[:, 24:40] == 50).all()


@pytest.mark.parametrize("kind", [*KINDS, "jpg"])
def test_a_picture_that_does_not_move_is_a_photo(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    Image.new("RGB", (64, 48), (50, 50, 50)).save(path)
    assert not is_animated(path)
    assert isinstance(open_source(str(path), 64, 48), Photos)
    Image.new("RGB", (64, 48)).save(tmp_path / "jpeg.png", "JPEG")
    assert isinstance(open_source(str(tmp_path / "jpeg.png"), 64, 48), Photos)
    assert not is_animated(tmp_path / "none.gif") and not is_animated(tmp_path)
    assert not is_animated(tmp_path / ("n" * 300 + ".gif"))


def test_one_that_is_cut_short_ends_in_one_line(tmp_path, tiny_preset, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (6, 48, 64), np.uint8)
    frames = [Image.fromarray(each) for each in noise]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(str(path), 64, 48, paced=False)
    with contextlib.closing(source):
        for _ in range(2):
            source.read()
        with pytest.raises(InputError, match=r"cannot be played beyond its frame [23]: .*a.gif$"):
            for _ in range(3):
                source.read()
    options = ["--source", str(path), "--view", "none", "--preset", str(tiny_preset)]
    assert main(options) == 2
    error = capsys.readouterr().err
    assert error.startswith("portrait-demo: The animation cannot be played beyond its frame")
    assert error.count("\n") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_play_or_end_in_one_line(tmp_path, kind):
    rng = np.random.default_rng(3)
    whole = write(tmp_path / f"whole.{kind}", [20] * 6).read_bytes()
    path, refused = tmp_path / f"a.{kind}", 0
    for _ in range(60):
        data = bytearray(whole[: rng.integers(30, len(whole) + 1)])
        for place in rng.integers(6, len(data), rng.integers(0, 8)):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            source = open_source(str(path), 64, 48, paced=False)
            with contextlib.closing(source):
                frames = [source.read() for _ in range(8)]
            assert {frame.shape for frame in frames if frame is not None} <= {(48, 64, 3)}
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused, "no file was damaged"


def test_what_is_no_picture_has_its_own_line(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"GIF89a and nothing more")
    with pytest.raises(InputError, match="a.gif"):
        open_source(str(tmp_path / "a.gif"))
    (tmp_path / "b.webp").write_bytes(b"")
    with pytest.raises(InputError, match="The file is empty.*b.webp"):
        open_source(str(tmp_path / "b.webp"))


def test_limits_hold_for_animations(tmp_path, monkeypatch):
    path = write(tmp_path / "a.gif", [100, 100])
    monkeypatch.setattr("keras_portrait.inference.reading.MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(InputError, match="The picture is too large"):
        open_source(str(path))
