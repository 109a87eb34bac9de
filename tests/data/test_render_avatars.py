"""The example that renders avatars; most of it needs Node.js, npm and, once, the network."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "render_avatars.py"
STYLES = ("adventurer", "lorelei", "micah", "toon-head")
EACH = 3


def render(*arguments, **environment) -> subprocess.CompletedProcess:
    """Runs the example; names in upper case are set in its environment."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def refused(done: subprocess.CompletedProcess) -> str:
    """The one line that a refusal consists of."""
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("render_avatars: ") and "Received: " in line
    return line


def fake_commands(folder: Path, **outputs: str) -> str:
    """A folder of commands that print a line each and fail where it is an error; for the PATH."""
    folder.mkdir()
    for name, line in outputs.items():
        place = ">&2; exit 1" if "error" in line else ""
        (folder / name).write_text(f"#!/bin/sh\necho '{line}' {place}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def pixels(folder: Path) -> dict[str, np.ndarray]:
    """All pictures below a folder by their path from there, as they are stored."""
    return {
        str(path.relative_to(folder)): np.asarray(Image.open(path))
        for path in sorted(folder.rglob("*.png"))
    }


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_without_node_one_line_says_what_is_needed(tmp_path):
    line = refused(render(tmp_path / "out", PATH=""))
    assert "Node.js 18 or newer" in line and "no node and no npm" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins for node and npm are shell scripts")
@pytest.mark.parametrize(
    "commands, expected",
    [
        ({"node": "v20.20.2"}, "no npm"),
        ({"node": "v16.20.0", "npm": ""}, "v16.20.0"),
        ({"node": "error: no such library", "npm": ""}, "no such library"),
    ],
)
def test_a_node_that_does_not_do_is_named(tmp_path, commands, expected):
    path = fake_commands(tmp_path / "bin", **commands)
    assert expected in refused(render(tmp_path / "out", PATH=path))
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins for node and npm are shell scripts")
def test_what_npm_complains_of_is_passed_on_and_nothing_is_left(tmp_path):
    path = fake_commands(tmp_path / "bin", node="v20.20.2", npm="npm error code EAI_AGAIN")
    done = render(tmp_path / "out", PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    announced, line = done.stderr.splitlines()
    assert done.returncode == 2 and "npm" in announced
    assert line.endswith("Received: code EAI_AGAIN")
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "cache" / "keras-portrait").iterdir()) == []


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("--count", 0), "--count"),
        (("--size", 8), "--size"),
        (("--size", 5000), "--size"),
        (("--styles", "lorelai"), 'Did you mean "lorelei"?'),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, arguments, expected):
    assert expected in refused(render(tmp_path / "out", *arguments, PATH=""))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> str:
    """A cache folder in which the packages are installed, or the reason why they cannot be."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs Node.js and npm")
    look_up = [npm, "view", "@dicebear/core", "version", "--fetch-retries=0"]
    if subprocess.run(look_up, capture_output=True).returncode:
        pytest.skip("npm cannot reach its registry")
    folder = str(tmp_path_factory.mktemp("cache"))
    done = render(tmp_path_factory.mktemp("first"), "--count", 1, XDG_CACHE_HOME=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def avatars(cache, tmp_path_factory) -> Path:
    """Three avatars of each style at 64 pixels."""
    folder = tmp_path_factory.mktemp("avatars") / "out"
    done = render(folder, "--count", EACH * 4, "--size", 64, XDG_CACHE_HOME=cache)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "12 avatars, 12 of them new" in done.stdout
    return folder


@pytest.mark.slow
def test_each_style_has_its_folder_of_numbered_pictures(avatars):
    names = {f"{style}/{number:06d}.png" for style in STYLES for number in range(EACH)}
    assert set(digests(avatars)) == {"CREDITS.md", *names}


@pytest.mark.slow
def test_pictures_have_their_size_and_no_transparent_part(avatars):
    for name, picture in pixels(avatars).items():
        assert picture.shape[:2] == (64, 64), name
        assert picture.shape[2] == 3 or (picture[..., 3] == 255).all(), name


@pytest.mark.slow
def test_pictures_are_colourful_filled_by_the_face_and_all_different(avatars):
    pictures = pixels(avatars)
    for name, picture in pictures.items():
        colours = picture[..., :3].reshape(-1, 3).astype(int)
        assert len(np.unique(colours, axis=0)) > 20, name
        assert np.ptp(colours, axis=1).max() > 40, f"{name} is gray"
        # The upper left corner shows the background, unless long hair reaches there.
        assert np.mean((colours != colours[0]).any(axis=1)) > 0.4, name
    assert len({picture.tobytes() for picture in pictures.values()}) == len(pictures)


@pytest.mark.slow
def test_seed_and_number_decide_and_nothing_else(avatars, cache, tmp_path):
    def rendered(name, *arguments):
        done = render(tmp_path / name, *arguments, "--size", 64, XDG_CACHE_HOME=cache)
        assert done.returncode == 0, done.stderr
        return digests(tmp_path / name)

    first = digests(avatars)
    one_style = rendered("one", "--styles", "micah", "--count", 2)
    assert len(one_style) == 3
    assert all(first[name] == one_style[name] for name in one_style if name.endswith("png"))
    other_seed = rendered("other", "--styles", "micah", "--count", 2, "--seed", 1)
    assert not set(other_seed.values()) & set(first.values())


@pytest.mark.slow
def test_a_larger_count_keeps_what_is_there_and_mends_what_is_lacking(avatars, cache, tmp_path):
    folder = shutil.copytree(avatars, tmp_path / "out")
    before, lost = digests(folder), folder / "lorelei" / "000001.png"
    lost.unlink()
    (folder / "lorelei" / ".part-1-000001.png").write_bytes(b"half")
    kept = folder / "micah" / "000000.png"
    kept.write_bytes(b"not rendered again")
    done = render(folder, "--count", 17, "--size", 64, XDG_CACHE_HOME=cache)
    assert "17 avatars, 6 of them new" in done.stdout
    assert kept.read_bytes() == b"not rendered again"
    after = digests(folder)
    del before["micah/000000.png"]
    assert before.items() <= after.items()
    assert len(after) == 17 + 1 and "adventurer/000004.png" in after


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("--size", 64, "--seed", 1), ("--size", 32)],
    ids=["another seed", "another size"],
)
def test_a_folder_holds_one_seed_and_one_size(avatars, cache, arguments):
    before = digests(avatars)
    line = refused(render(avatars, "--count", 20, *arguments, XDG_CACHE_HOME=cache))
    assert "same seed, size" in line and str(avatars) in line
    assert digests(avatars) == before


@pytest.mark.slow
def test_a_folder_of_something_else_is_left_alone(cache, tmp_path):
    (tmp_path / "holiday.png").write_bytes(b"mine")
    assert "empty folder" in refused(render(tmp_path, XDG_CACHE_HOME=cache))
    assert "Not a directory" in refused(render(tmp_path / "holiday.png", XDG_CACHE_HOME=cache))
    assert list(digests(tmp_path)) == ["holiday.png"]


@pytest.mark.slow
def test_a_place_that_cannot_be_written_to_is_named(avatars, cache, tmp_path):
    folder = shutil.copytree(avatars, tmp_path / "out")
    shutil.rmtree(folder / "toon-head")
    (folder / "toon-head").write_bytes(b"")
    line = refused(render(folder, "--count", 16, "--size", 64, XDG_CACHE_HOME=cache))
    assert "toon-head" in line


@pytest.mark.slow
def test_a_damaged_cache_is_named(cache, tmp_path):
    [whole] = Path(cache).glob("keras-portrait/avatars-*")
    damaged = tmp_path / "keras-portrait" / whole.name
    damaged.mkdir(parents=True)
    line = refused(render(tmp_path / "out", XDG_CACHE_HOME=str(tmp_path)))
    assert str(damaged) in line and "@dicebear" in line


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_stopping_leaves_whole_pictures_and_the_same_command_goes_on(cache, tmp_path):
    # So many that a busy machine does not miss the moment between the first and the last.
    count = 1500
    arguments = (tmp_path / "out", "--styles", "micah", "--count", count)
    started = subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env={**os.environ, "XDG_CACHE_HOME": cache},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "micah" / "000001.png").exists():
        assert started.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    _, complaint = started.communicate(timeout=60)
    assert started.returncode == 130 and "goes on from here" in complaint
    there = pixels(tmp_path / "out")
    assert 0 < len(there) < count
    done = render(*arguments, XDG_CACHE_HOME=cache)
    assert f"{count} avatars, {count - len(there)} of them new" in done.stdout
    assert len(digests(tmp_path / "out")) == count + 1


@pytest.mark.slow
def test_credits_say_what_the_licence_files_of_the_packages_say(avatars, cache):
    text = (avatars / "CREDITS.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    [packages] = Path(cache).glob("keras-portrait/avatars-*/node_modules/@dicebear")
    for style in STYLES:
        licence = (packages / style / "LICENSE").read_text(encoding="utf-8")
        stated = dict(
            line.split(": ", 1)
            for line in licence.splitlines()
            if line.startswith(("Source: ", "Designer: ", "License: "))
        )
        for statement in stated.values():
            name, link = statement.removesuffix(")").split(" (")
            assert f"[{name}]({link})" in rows[style]
        expected = "CC0 1.0" if style == "lorelei" else "CC BY 4.0"
        assert stated["License"].startswith(f"{expected} (")
