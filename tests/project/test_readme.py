"""What README.md says can be typed works, and what it links to is there."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import EXAMPLE
from keras_portrait import cli
from keras_portrait.inference.imaging import read_image
from tiny_preset import write_tiny_preset
from videos import write_video

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def commands(program: str) -> list[list[str]]:
    lines = "".join(blocks("")).splitlines()
    found = [line.split("#")[0].strip() for line in lines if line.startswith(f"{program} ")]
    return [shlex.split(line) for line in dict.fromkeys(found)]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the photos and the preset that the README speaks of, as the current one."""
    for name in ("me.jpg", "you.jpg", "group.jpg", "sculpture.jpg", "holiday/beach.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(EXAMPLE.read_bytes())
    write_video(tmp_path / "clip.mp4", [read_image(EXAMPLE)] * 2, codec="mp4v")
    write_tiny_preset(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_quickstart_draws(desk):
    quickstart, _ = blocks("python")  # the other one trains, see test_python_examples.py
    exec(quickstart, {})
    assert read_image(desk / "me.portrait.png").shape == read_image(desk / "me.jpg").shape


@pytest.mark.parametrize("command", commands("portrait"), ids=" ".join)
def test_portrait_commands(command, desk, monkeypatch, capsys):
    program, subcommand, *_ = command
    endless_or_long = (
        subcommand in ("adapt", "experiment", "prepare", "serve", "train", "web")
        or "--watch" in command
    )
    needs_more = any("runs/" in part or "hf://" in part for part in command) or command[-1] == "0"
    if endless_or_long or needs_more:  # a run, a hub, a camera
        command = [program, subcommand, "--help"]
    monkeypatch.setattr(sys, "argv", command)
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code, capsys.readouterr().err
    if "-o" in command:
        assert (desk / command[command.index("-o") + 1]).exists()


def test_the_first_picture_is_what_the_quickstart_makes(tmp_path):
    shown = re.search(r"!\[[^]]*\]\(([^)]+)\)", README).group(1)
    runpy.run_path(str(ROOT / "examples" / "quickstart.py"))["main"](str(tmp_path / "again.png"))
    again, before = read_image(tmp_path / "again.png"), read_image(ROOT / shown)
    assert again.shape == before.shape
    # The last bits of a processor's floats may move a line by a shade.
    assert np.abs(again.astype(float) - before).mean() < 1


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"portrait", "test", "check"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
