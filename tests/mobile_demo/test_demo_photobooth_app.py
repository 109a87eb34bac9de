"""The filter plugin for photobooth-app: drawings, and the photo wherever there is none.

The plugin runs in the app's own plugin manager where photobooth-app is installed, otherwise in one
of pluggy behind stand-ins that follow the app's interface; the last tests take the app itself.
"""

import importlib
import importlib.util
import inspect
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Generic, TypeVar

import numpy as np
import pluggy
import pydantic
import pytest
from PIL import Image

from keras_portrait.inference.imaging import read_image, resize
from keras_portrait.inference.stylizer import Stylizer
from tiny_preset import write_colour_preset

NAME = "keras_portrait_demo.booth.filter_portrait"
SOURCE = Path(__file__).resolve().parents[2] / "mobile_demo"
EXAMPLE = SOURCE.parent / "keras_portrait" / "example.jpg"
IS_INSTALLED = importlib.util.find_spec("photobooth") is not None
# Of the app and what it brings along.
pytestmark = pytest.mark.filterwarnings("ignore" if IS_INSTALLED else "error")
hookspec = pluggy.HookspecMarker("photobooth-app")
Config = TypeVar("Config")


class Specs:
    """Those of the app's hooks that the plugin uses."""

    @hookspec
    def start(self): ...

    @hookspec(firstresult=True)
    def mp_filter_pipeline_step(self, image, plugin_filter, preview): ...

    @hookspec
    def mp_avail_filter(self): ...

    @hookspec
    def mp_userselectable_filter(self): ...


class BaseFilter(Generic[Config]):
    """As the app's: names of filters carry the name of the class that draws them."""

    def __init__(self):
        self._config: Config

    def unify(self, name):
        return ".".join((type(self).__name__, name))

    def deunify(self, unique):
        owner, name = unique.split(".")
        return name if type(self).__name__ == owner else None


def stand_in():
    """The modules of the app that the plugin imports."""
    modules = {
        name: ModuleType(name)
        for name in (
            "photobooth",
            "photobooth.plugins",
            "photobooth.plugins.base_plugin",
            "photobooth.services",
            "photobooth.services.config",
            "photobooth.services.config.baseconfig",
        )
    }
    modules["photobooth"].CONFIG_PATH = "./config/"
    modules["photobooth.plugins"].hookimpl = pluggy.HookimplMarker("photobooth-app")
    modules["photobooth.plugins.base_plugin"].BaseFilter = BaseFilter
    modules["photobooth.services.config.baseconfig"].BaseConfig = pydantic.BaseModel
    return modules


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    """The plugin manager of the app, in a folder of its own: the app writes where it is started."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("booth"))
    with pytest.MonkeyPatch.context() as patch:
        if IS_INSTALLED:
            importlib.import_module("photobooth.appconfig")
            yield importlib.import_module("photobooth.plugins").pm
        else:
            for name, module in stand_in().items():
                patch.setitem(sys.modules, name, module)
            manager = pluggy.PluginManager("photobooth-app")
            manager.add_hookspecs(Specs)
            module = importlib.import_module(NAME)
            # The app takes the class that is named like the module.
            manager.register(getattr(module, class_name(NAME))(), name=NAME)
            manager.check_pending()
            yield manager
            sys.modules.pop(NAME)
    os.chdir(before)


def class_name(module):
    return module.split(".")[-1].title().replace("_", "")


@pytest.fixture
def booth(manager, monkeypatch, caplog):
    """What a guest and the settings do; the settings are as before afterwards."""
    caplog.set_level(logging.DEBUG, NAME)
    plugin = manager.get_plugin(NAME)
    monkeypatch.setattr(plugin, "_config", plugin._config.model_copy())

    def draw(image, name, preview=False):
        return manager.hook.mp_filter_pipeline_step(
            image=image, plugin_filter=f"FilterPortrait.{name}", preview=preview
        )

    def ours(found):
        names = [one.split(".") for names in found for one in names]
        return [name for owner, name in names if owner == "FilterPortrait"]

    return SimpleNamespace(
        config=plugin._config,
        draw=draw,
        start=plugin.start,
        known=lambda: ours(manager.hook.mp_avail_filter()),
        offered=lambda: ours(manager.hook.mp_userselectable_filter()),
    )


@pytest.fixture(scope="module")
def photo():
    return Image.fromarray(resize(read_image(EXAMPLE), 320, 320))


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer("fast", threads=1)


def plain(size=(320, 240)):
    return Image.new("RGB", size, (200, 30, 30))


def told(caplog, level=logging.WARNING):
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == NAME and record.levelno == level
    ]


@pytest.mark.parametrize("style", ["ink", "line", "engraving"])
def test_a_picture_comes_out_as_the_drawing_that_the_library_makes(
    booth, photo, stylizer, caplog, style
):
    drawing = booth.draw(photo, style)
    expected = stylizer(np.asarray(photo), style=style, faces="all")
    assert drawing.mode == "RGB"
    assert np.array_equal(np.asarray(drawing), expected)
    assert (expected < 128).mean() > 0.003, "an empty sheet proves nothing"
    assert not told(caplog)


def test_the_filter_drawing_takes_preset_and_mix_from_the_settings(booth, photo):
    booth.config.preset, booth.config.style = "portrait-256", "ink:0.3,pen:0.7"
    expected = Stylizer("portrait-256", threads=1)(
        np.asarray(photo), style=(0.3, 0.0, 0.7), faces="all"
    )
    assert np.array_equal(np.asarray(booth.draw(photo, "drawing")), expected)
    booth.config.style = ""
    first = Stylizer("portrait-256", threads=1)(np.asarray(photo), style=0, faces="all")
    assert np.array_equal(np.asarray(booth.draw(photo, "drawing")), first)


def test_a_picture_without_a_face_stays_a_photo_with_one_line(booth, caplog):
    blank = plain()
    assert booth.draw(blank, "ink") is blank
    [line] = told(caplog)
    assert line.startswith("Portrait: a picture stays a photo. No face found. ")
    assert "\n" not in line


def test_previews_without_a_face_are_not_told(booth, caplog):
    blank = plain()
    assert booth.draw(blank, "ink", preview=True) is blank
    assert not told(caplog)
    assert len(told(caplog, logging.DEBUG)) == 1


@pytest.mark.parametrize("style", ["pen", "oil"])
def test_a_style_that_the_preset_lacks_leaves_the_photo_and_one_line(booth, photo, caplog, style):
    assert booth.draw(photo, style) is photo
    [line] = told(caplog)
    assert "No such style" in line and line.endswith(f"Received: {style}")


def test_other_errors_leave_the_photo_and_one_line(booth, photo, caplog, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no more\nink")

    monkeypatch.setattr(f"{NAME}.draw_photo", fail)
    assert booth.draw(photo, "ink") is photo
    assert told(caplog) == ["Portrait: a picture stays a photo. RuntimeError: no more ink"]


def test_filters_of_other_plugins_are_left_to_them(booth, manager, photo):
    plugin = manager.get_plugin(NAME)
    assert plugin.mp_filter_pipeline_step(photo, "FilterPilgram2.aden", False) is None


def test_the_known_filters_stay_the_same_and_the_offered_ones_fit_the_preset(booth):
    # Settings of the app that name one of them would stop its start if it were gone.
    known = ["ink", "line", "engraving", "vallotton", "pen", "drawing"]
    assert booth.known() == known
    assert booth.offered() == ["ink", "line", "engraving"]
    booth.config.preset = "portrait-256"
    assert booth.offered() == ["ink", "line", "pen"]
    booth.config.preset = "portrait"
    booth.config.userselectable_filter = ["drawing", "engraving"]
    assert booth.offered() == ["drawing", "engraving"]
    booth.config.preset = "filter:ink"
    assert booth.offered() == ["drawing"]
    booth.config.add_userselectable_filter = False
    assert booth.offered() == []
    assert booth.known() == known


def test_every_packaged_preset_can_draw_one_of_the_filters(booth):
    from keras_portrait.inference.presets import BUILT_IN, list_presets

    for name in set(list_presets()) - {"avatars"}:
        styles = json.loads((BUILT_IN / name / "portrait.json").read_text("utf-8"))["styles"]
        assert set(styles) <= set(booth.known()), name


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("preset", "pem", "No such preset"),
        ("preset", "avatars", "out of noise"),
        ("style", "oil", "No such style"),
    ],
)
def test_a_wrong_setting_is_told_at_the_start_and_leaves_the_photo(
    booth, photo, caplog, option, value, text
):
    setattr(booth.config, option, value)
    booth.start()
    assert booth.draw(photo, "drawing") is photo
    at_start, at_picture = told(caplog)
    assert text in at_start and text in at_picture


def test_without_a_usable_preset_nothing_is_offered_and_a_line_says_so(booth, caplog):
    booth.config.preset = "pem"
    assert booth.offered() == []
    [line] = told(caplog)
    assert line.startswith("Portrait: no drawings are offered. No such preset.")


def test_settings_that_are_right_are_not_told(booth, caplog):
    booth.start()
    assert not told(caplog)


def test_what_is_transparent_stays_so_and_is_not_drawn(booth, photo, stylizer):
    """As the app removes a background: it keeps the colours and makes them transparent."""
    alpha = Image.new("L", photo.size, 255)
    alpha.paste(0, (0, 0, photo.width // 5, photo.height))
    cut = photo.copy()
    cut.putalpha(alpha)
    drawing = booth.draw(cut, "ink")
    on_white = Image.new("RGB", photo.size, "white")
    on_white.paste(photo, mask=alpha)
    assert (drawing.mode, drawing.size) == ("RGBA", photo.size)
    assert np.array_equal(np.asarray(drawing.getchannel("A")), np.asarray(alpha))
    expected = stylizer(np.asarray(on_white), style="ink", faces="all")
    assert np.array_equal(np.asarray(drawing.convert("RGB")), expected)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK"])
def test_a_picture_of_another_mode_and_size_is_drawn(booth, photo, mode):
    picture = photo.resize((451, 397)).convert(mode)
    drawing = booth.draw(picture, "ink")
    assert (drawing.mode, drawing.size) == ("RGB", (451, 397))
    assert (np.asarray(drawing) < 128).mean() > 0.01
    assert picture.mode == mode


def test_pictures_in_colour_keep_the_size(booth, photo, tmp_path):
    booth.config.preset = str(write_colour_preset(tmp_path / "colour"))
    picture = booth.draw(photo.crop((0, 0, 320, 240)), "drawing")
    pixels = np.asarray(picture)
    assert picture.size == (320, 240)
    assert (pixels[:, :35] == 255).all() and pixels[:, 160].std() > 10


def test_previews_that_are_asked_for_at_once_are_each_right(booth, photo, stylizer):
    styles = ["ink", "line", "engraving"]
    with ThreadPoolExecutor(3) as pool:
        drawings = list(pool.map(lambda style: booth.draw(photo, style, preview=True), styles))
    for style, drawing in zip(styles, drawings, strict=True):
        expected = stylizer(np.asarray(photo), style=style, faces="all")
        assert np.array_equal(np.asarray(drawing), expected)


def test_settings_carry_descriptions_for_the_page_of_the_app(booth):
    schema = type(booth.config).model_json_schema()
    assert schema["title"] == "Portrait Drawing Filter Config"
    assert all(one["description"] for one in schema["properties"].values())
    config = type(booth.config).model_config
    assert config["json_file"] == "./config/plugin_filter_portrait.json"
    with pytest.raises(pydantic.ValidationError):
        type(booth.config)(userselectable_filter=["oil"])


def test_the_app_finds_the_plugin_by_an_entry_point_that_nothing_else_imports():
    code = (
        "import json, setuptools; from distutils.core import run_setup\n"
        "setup = run_setup('setup.py', stop_after='init')\n"
        "print(json.dumps(setup.entry_points['photobooth11']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SOURCE.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [f"filter_portrait = {NAME}"]
    importing = re.compile(r"^\s*(?:import|from) (?:photobooth|.*filter_portrait)", re.MULTILINE)
    found = [
        path.name for path in SOURCE.rglob("*.py") if importing.search(path.read_text("utf-8"))
    ]
    assert found == ["filter_portrait.py"]


@pytest.fixture
def app(manager):
    """photobooth-app itself."""
    if not IS_INSTALLED:
        pytest.skip("photobooth-app is not installed")
    return manager


def test_the_stand_ins_follow_the_app(app):
    plugins = importlib.import_module("photobooth.plugins")
    for name in ("start", "mp_filter_pipeline_step", "mp_avail_filter", "mp_userselectable_filter"):
        of = plugins.PluginManagementSpec if name == "start" else plugins.PluginMediaprocessingSpec
        ours, real = getattr(Specs, name), getattr(of, name)
        parameters = [list(inspect.signature(one).parameters) for one in (ours, real)]
        assert parameters[0] == parameters[1]
        assert getattr(ours, "photobooth-app_spec") == getattr(real, "photobooth-app_spec")
    base = importlib.import_module("photobooth.plugins.base_plugin").BaseFilter
    for one in (BaseFilter(), base()):
        assert one.unify("ink") == "BaseFilter.ink"
        assert (one.deunify("BaseFilter.ink"), one.deunify("Other.ink")) == ("ink", None)


def test_the_app_keeps_the_settings_in_its_own_folder_and_reads_them_again(app):
    configuration = importlib.import_module("photobooth.container").container.config_service
    assert NAME in configuration.list_configurables()
    configuration.validate_and_set_current_and_persist(NAME, {"preset": "fine", "threads": 1})
    kept = json.loads(Path("config/plugin_filter_portrait.json").read_text("utf-8"))
    assert (kept["preset"], kept["threads"]) == ("fine", 1)
    assert configuration.get_current(NAME)["preset"] == "fine"
    configuration.reset(NAME)
    assert configuration.get_current(NAME)["preset"] == "fast"


@pytest.fixture
def taken(app):
    """Keeps a picture as the app does after a capture."""
    database = importlib.import_module("photobooth.database.database")
    database.create_db_and_tables()
    media = importlib.import_module("photobooth.database.models").Mediaitem
    collection = importlib.import_module("photobooth.container").container.mediacollection_service

    def take(picture):
        name = f"{uuid.uuid4()}.jpg"
        original, shown = Path("media/camera_original", name), Path("media/processed_full", name)
        picture.save(original, quality=95)
        shutil.copy(original, shown)
        item = media(
            id=uuid.uuid4(),
            job_identifier=uuid.uuid4(),
            media_type="image",
            processed=shown,
            captured_original=original,
            pipeline_config={},
        )
        collection.add_item(item)
        return collection.get_item(item.id)

    return take


def test_a_guest_sees_previews_and_applies_a_drawing_in_the_app_itself(app, taken, photo):
    routes = importlib.import_module("photobooth.routers.api.filter")
    offered = routes.api_get_userselectable_filters()
    assert {"FilterPortrait.ink", "FilterPortrait.line", "FilterPortrait.engraving"} <= set(offered)
    item = taken(photo)
    preview = routes.api_get_preview_image_filtered(item.id, "FilterPortrait.ink")
    small = np.asarray(Image.open(io.BytesIO(preview.body)).convert("RGB")).astype(int)
    assert np.ptp(small, axis=2).max() < 12 and (small < 100).mean() > 0.01
    routes.api_applyfilter(item.id, "FilterPortrait.engraving")
    drawn = read_image(item.processed).astype(int)
    assert np.ptp(drawn, axis=2).max() < 12 and (drawn > 240).mean() > 0.5
    original = read_image(item.captured_original).astype(int)
    assert np.ptp(original, axis=2).mean() > 5, "the original stays"


def test_a_picture_without_a_face_stays_a_photo_in_the_app_itself(app, taken, caplog):
    routes = importlib.import_module("photobooth.routers.api.filter")
    item = taken(plain((800, 600)))
    routes.api_get_preview_image_filtered(item.id, "FilterPortrait.ink")
    routes.api_applyfilter(item.id, "FilterPortrait.ink")
    shown = read_image(item.processed).astype(int)
    assert np.abs(shown - (200, 30, 30)).max() < 6
    assert len(told(caplog)) == 1


def test_the_app_itself_refuses_a_filter_that_does_not_exist(app, taken, photo):
    from fastapi import HTTPException

    routes = importlib.import_module("photobooth.routers.api.filter")
    item = taken(photo)
    with pytest.raises(HTTPException, match="Filter not available"):
        routes.api_get_preview_image_filtered(item.id, "FilterPortrait.oil")
