"""Every command of README, docs and the heads of recipes can be typed as it stands.

All are taken apart by the program's own parser. What prepares and trains is run on toy pictures:
the preparation, with stand-ins for faces, then the training as `--dry-run` on what it made. With
`-m slow` recipes are followed from head to a first step, and what draws draws.
"""

import functools
import os
import shlex
import shutil

import numpy as np
import pytest
import typer
from PIL import Image

from cartoon_faces import cartoon_of
from conftest import EXAMPLE
from keras_portrait import cli
from keras_portrait.data.prepare import prepare as preparation
from keras_portrait.data.prepare.squares import Square
from keras_portrait.data.synthetic_faces import draw_face, write_drawn_faces
from keras_portrait.inference.geometry import face_template
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.inference.presets import list_presets
from keras_portrait.models import recipe_files
from keras_portrait.models.cartoongan import experiment as cartoongan
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait_demo import __main__ as demo
from keras_portrait_export import __main__ as export
from tiny_preset import write_tiny_preset
from tiny_training import light_features
from videos import write_video
from written_commands import written_commands

COMMANDS = written_commands()
# Of each kind: enough that some are left to train on.
COUNT = 4
# What a text calls its folders of pictures; each is there.
PHOTOS, DRAWINGS = ("photos", "PHOTOS", "held-out", "HELD_OUT"), ("drawings", "DRAWINGS")
AVATARS = ("avatars", "AVATARS", "CARTOONS", "toons")
# The layout of the paper's release.
RELEASE = "datasets/portrait_drawing/train"
# How data are prepared that a text does not prepare itself.
OTHERS = "portrait prepare photos drawings --avatars avatars --edge-promote -o {data} --size 572"
# Needs a store, several GPUs or hosts.
ELSEWHERE = ("s3://", "--strategy", "--devices")


class StandIns:
    """Makes squares of anything, as if it had found a face where the template has it."""

    def __init__(self, size, *_, **__):
        self.size = size

    def photo(self, photo, given=None, masks=None):
        return self._square((self.size, self.size, 3))

    def drawing(self, sheet, given=None, masks=None):
        return self._square((self.size, self.size))

    def _square(self, shape):
        mask = np.zeros((self.size, self.size, 3), np.uint8)
        picture, points = np.full(shape, 255, np.uint8), face_template(self.size)
        return Square(None, 1.0, points, picture, mask, scale=1.0)


def write_pictures(folder, size=128):
    """Photos, drawings in two styles and avatars under every name that texts give them."""
    for index in range(COUNT):
        face, cartoon = draw_face(index, size), cartoon_of(draw_face(100 + index, size))
        places = {name: face.photo for name in PHOTOS}
        places |= {f"{name}/{style}": face.drawing for name in DRAWINGS for style in ("ink", "pen")}
        places |= {"ten-drawings": face.drawing, "avatars/toon-head": cartoon}
        places |= {name: cartoon for name in AVATARS}
        for side, picture in (("A", face.photo), ("B", face.drawing)):
            mask = np.full((size, size), 255, np.uint8)
            released = {f"{RELEASE}/{side}_{part}": mask for part in ("eyes", "nose", "lips")}
            places |= {f"{RELEASE}/{side}": picture, **released}
        for place, picture in places.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            write_image(folder / place / f"{index}.png", picture)


@pytest.fixture(scope="module")
def desks(tmp_path_factory):
    """Makes a folder of toy pictures for a preparation, once."""

    @functools.cache
    def desk(words):
        folder = tmp_path_factory.mktemp("desk")
        write_pictures(folder)
        # What a text makes here may have the name of what another one takes.
        shutil.rmtree(folder / output_of(words), ignore_errors=True)
        return folder

    return desk


def local(words, folder):
    """The words with absolute paths moved into a folder."""
    return [f"{folder}{word}" if word.startswith("/") else word for word in words]


def output_of(words):
    return words[words.index("-o") + 1] if "-o" in words else None


def test_texts_hold_the_commands_that_are_looked_for():
    texts = {command.text for command in COMMANDS}
    assert {"README.md", "training.md", "data.md", *recipe_files()} <= texts
    assert len(COMMANDS) > 100
    kinds = [command.words[1] for command in COMMANDS if command.words[0] == "portrait"]
    for kind in cli._COMMANDS:
        assert kind in kinds


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_the_program_knows_every_word(command):
    program, *words = command.words
    if program == "portrait":
        group = typer.main.get_command(cli.app)
        with group.make_context(program, list(words)) as context:
            while hasattr(group, "resolve_command") and words:
                name, group, words = group.resolve_command(context, list(words))
                context = group.make_context(name, list(words), parent=context)
                words = getattr(context, "_protected_args", []) + context.args
            assert not context.args
    elif words[0] == "import":
        export.import_parser(export.MODES, export.TARGETS).parse_args(words[1:])
    else:
        (export if program == "portrait-export" else demo)._parser().parse_args(words)


@pytest.mark.parametrize(
    "command",
    [
        c
        for c in COMMANDS
        if c.words[:2] in {("portrait", n) for n in ("prepare", "train", "distill")}
    ],
    ids=str,
)
def test_data_that_a_text_prepares_are_what_its_training_takes(
    command, desks, monkeypatch, portrait, tmp_path
):
    if "--check" in command.words:
        pytest.skip("stand-ins for faces are nothing to check: see tests/data/test_check.py")
    if any(word in " ".join(command.words) for word in ELSEWHERE):
        pytest.skip("needs a store, several GPUs or hosts")
    monkeypatch.setattr(preparation, "SquareMaker", StandIns)
    trains = command.words[1] in ("train", "distill")
    if command.words[1] == "distill" and command.words[2] not in list_presets():
        pytest.skip("the teacher is a run or a preset of one's own")
    prepared = prepared_for(command) if trains else command.words
    folder = desks(prepared)
    monkeypatch.chdir(folder)
    if not (folder / output_of(prepared) / "manifest.jsonl").exists():
        code, _, errors = portrait(*without_landmarks(prepared[1:]), preset=None)
        assert code == 0, errors
    if trains:
        kind, recipe, data, *rest = command.words[1:]
        if not os.path.exists(data):  # moved there, as the text tells
            data = output_of(prepared)
        if recipe == "yours.toml":
            (folder / recipe).write_text('method = "dcgan"\n')
        rest = local(rest, tmp_path)
        if "start_from" in " ".join(rest):  # a run that is not there
            rest += ["-s", 'train.start_from=""']
        code, output, errors = portrait(kind, recipe, data, *rest, "--dry-run", preset=None)
        assert code == 0 and "steps" in output, errors


def prepared_for(command):
    """How the data of a training were prepared: what its text says last before it."""
    data = command.words[3].removesuffix("/shards")
    moved = data.startswith("/disk/")  # what the text made first
    data = data.removeprefix("/disk/")
    said = [words for words in command.before if words[1] == "prepare" and output_of(words) == data]
    if said:
        return said[0 if moved else -1]
    return tuple(shlex.split(OTHERS.format(data=data)))


def without_landmarks(words):
    """The words of a preparation without a file of landmarks that is not there."""
    place = words.index("--landmarks") if "--landmarks" in words else len(words)
    return (*words[:place], *words[place + 2 :])


# Of each method what makes a training of a few seconds, at the size that its recipe has.
SHORT = ["train.epochs=1", "train.steps_per_epoch=1", "train.precision=float32"]
NARROW = ["network.filters=2", "network.blocks=1", "network.discriminator_filters=2"]
SCALED_DOWN = {
    "asymmetric_cycle": [
        *(*SHORT, *NARROW, "network.inverse_filters=2", "network.inverse_blocks=1"),
        *("network.part_filters=2", "train.pool=2", "train.warm_start_steps=1"),
    ],
    "paired": [*SHORT, *NARROW, "data.batch=1", "loss.adversarial_from=0"],
    "cyclegan": [*SHORT, *NARROW, "data.batch=1", "train.pool=2"],
    "cartoongan": [
        *(*SHORT, *NARROW, "data.batch=1", "network.trunk=vgg16"),
        "train.initialization_steps=1",
    ],
    "dcgan": [*SHORT, "network.filters=2", "network.noise=5", "data.batch=2"],
    "distillation": [*SHORT, *NARROW, "data.batch=1", "data.views=1"],
    "style_adaptation": ["train.epochs=1", "train.steps_per_epoch=1"],
    "style_classifier": ["train.epochs=1", "data.views=1", "data.batch=2"],
}


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """The current folder: invented faces as photos, drawings in two styles, and cartoons."""
    for seed, style in enumerate(("ink", "pen")):
        write_drawn_faces(tmp_path / style, 10, seed=100 * seed)
        shutil.copytree(tmp_path / style / "drawings" / "drawn", tmp_path / "DRAWINGS" / style)
    shutil.copytree(tmp_path / "ink" / "photos", tmp_path / "PHOTOS")
    for index in range(6):
        cartoon = cartoon_of(draw_face(1000 + index, 256))
        for name in ("AVATARS", "CARTOONS"):
            (tmp_path / name).mkdir(exist_ok=True)
            write_image(tmp_path / name / f"{index}.png", cartoon)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", recipe_files())
def test_a_recipe_is_followed_from_its_head_to_the_first_steps(
    name, faces, light, monkeypatch, portrait
):
    monkeypatch.setattr(cartoongan, "VGGFeatures", light_features)
    commands = [command.words for command in COMMANDS if command.text == name]
    if not any("prepare" in words for words in commands) and name != "adapt.toml":
        commands.insert(0, ("portrait", "prepare", "PHOTOS", "DRAWINGS", "-o", "DATA"))
    for _, subcommand, *words in commands:
        settings = []
        if subcommand != "prepare":
            recipe = words[0] if subcommand == "train" else name
            for setting in SCALED_DOWN[load_recipe(recipe).method]:
                settings += ["-s", setting]
        code, output, errors = portrait(subcommand, *words, *settings, preset=None)
        assert code == 0, errors
    assert os.path.isdir(output.splitlines()[-1])


@pytest.fixture
def album(tmp_path, monkeypatch):
    """The current folder: the photos, videos and presets that the docs speak of."""
    photo = read_image(EXAMPLE)
    for name in ("me.jpg", "a.jpg", "b.jpg", "holiday/a.jpg", "shared/photos/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLE, tmp_path / name)
    for name in ("clip.mp4", "clip.mov", "a.mp4", "b.mov"):
        write_video(tmp_path / name, [photo] * 2, codec="mp4v")
    Image.fromarray(photo).save(
        tmp_path / "wave.gif", save_all=True, append_images=[Image.fromarray(photo[:, ::-1])]
    )
    for name, style in (("mine", "DRAWINGS"), ("theirs", "second")):
        write_tiny_preset(tmp_path / name, styles=("first", style))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        command
        for command in COMMANDS
        if command.words[1] in ("stylize", "compare", "sample", "presets")
        and command.text != "README.md"  # see test_readme.py
        and not {"--watch", "get", "push", "ray"} & set(command.words)
        and "://" not in " ".join(command.words)
    ],
    ids=str,
)
def test_what_draws_draws(command, album, portrait):
    words = [word for word in local(command.words[1:], album) if word != "*.png"]
    code, _, errors = portrait(*words, preset=None)
    assert code == 0, errors
    if place := output_of(command.words):
        assert os.path.exists(local([place], album)[0])
