"""The pibooth plugin: drawings in the final picture, the photo wherever there is none.

The plugin runs in a real plugin manager of pluggy, behind stand-ins for pibooth's own parts that
follow its signatures; the last test takes pibooth itself where it is installed.
"""

import importlib
import inspect
import io
import json
import logging
import re
import subprocess
import sys
import threading
from configparser import RawConfigParser
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pluggy
import pytest
from PIL import Image

from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.stylizer import Stylizer
from tiny_preset import write_colour_preset

NAME = "keras_portrait_demo.booth.pibooth_plugin"
SOURCE = Path(__file__).resolve().parents[2] / "mobile_demo"
EXAMPLE = SOURCE.parent / "keras_portrait" / "example.jpg"
hookspec = pluggy.HookspecMarker("pibooth")
hookimpl = pluggy.HookimplMarker("pibooth")


class Specs:
    """Those of pibooth's hooks that a sequence of captures runs through."""

    @hookspec
    def pibooth_configure(self, cfg): ...

    @hookspec
    def pibooth_startup(self, cfg, app): ...

    @hookspec(firstresult=True)
    def pibooth_setup_picture_factory(self, cfg, opt_index, factory): ...

    @hookspec
    def pibooth_cleanup(self, app): ...

    @hookspec
    def state_failsafe_enter(self, cfg, app, win): ...

    @hookspec
    def state_wait_enter(self, cfg, app, win): ...

    @hookspec
    def state_capture_exit(self, cfg, app, win): ...


class Configuration(RawConfigParser):
    """As pibooth's `PiConfigParser`: options have defaults, and any value may be set as text."""

    def __init__(self):
        super().__init__()
        self.options = {}

    def add_option(self, section, option, default, description, menu_name=None, menu_choices=None):
        assert section and description and option not in self.options
        self.options[option] = default, menu_name, menu_choices

    def get(self, section, option, **settings):
        if self.has_option(section, option):
            return super().get(section, option, **settings)
        assert section == "PORTRAIT"
        return str(self.options[option][0])

    def set(self, section, option, value=None):
        if not self.has_section(section):
            self.add_section(section)
        super().set(section, option, value)


class Camera:
    """As pibooth's `Rpi2Camera`: keeps JPEG streams, and makes pictures of them at the end."""

    def __init__(self):
        self._captures = []

    def capture(self, photo: Image.Image):
        stream = io.BytesIO()
        photo.convert("RGB").save(stream, "png")
        self._captures.append((stream, "none"))

    def _post_process_capture(self, capture_data):
        stream, _ = capture_data
        stream.seek(0)
        return Image.open(stream).copy()

    def get_captures(self):
        images = [self._post_process_capture(data) for data in self._captures]
        self._captures.clear()
        return images


class Factory:
    """As pibooth's `PictureFactory`: pictures that are put together later."""

    def __init__(self, *images):
        self._images = images


class Booth:
    """Calls the plugin's hooks in pibooth's order."""

    def __init__(self, plugin):
        self.plugin = plugin
        self.manager = pluggy.PluginManager("pibooth")
        self.manager.add_hookspecs(Specs)
        self.manager.register(plugin, "keras_portrait")
        self.manager.check_pending()
        self.hook = self.manager.hook
        self.cfg = Configuration()
        self.app = SimpleNamespace(camera=Camera())
        self.captures = []
        self.hook.pibooth_configure(cfg=self.cfg)

    def start(self):
        self.hook.pibooth_startup(cfg=self.cfg, app=self.app)
        self.enter("wait")

    def enter(self, state):
        hook = getattr(self.hook, f"state_{state}_enter")
        hook(cfg=self.cfg, app=self.app, win=None)

    def shoot(self, *photos):
        for photo in photos:
            self.app.camera.capture(photo)
            self.hook.state_capture_exit(cfg=self.cfg, app=self.app, win=None)

    def process(self):
        """The pictures of the sequence's final picture."""
        self.captures = self.app.camera.get_captures()
        return self.show(*self.captures)

    def show(self, *captures):
        factory = Factory(*captures)
        other = self.hook.pibooth_setup_picture_factory(cfg=self.cfg, opt_index=0, factory=factory)
        return (other or factory)._images

    def clean_up(self):
        self.hook.pibooth_cleanup(app=self.app)


@pytest.fixture
def plugin(monkeypatch):
    """The plugin, loaded again as pibooth does it; without pibooth there is only its marker."""
    stub = ModuleType("pibooth")
    stub.hookimpl = hookimpl
    monkeypatch.setitem(sys.modules, "pibooth", stub)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    module = importlib.import_module(NAME)
    yield module
    module.pibooth_cleanup()
    sys.modules.pop(NAME)


@pytest.fixture
def booth(plugin, caplog):
    caplog.set_level(logging.INFO, "pibooth")
    return Booth(plugin)


@pytest.fixture
def photo():
    return Image.fromarray(read_image(EXAMPLE))


@pytest.fixture
def inverting(plugin, monkeypatch):
    """A drawing that is done at once and tells what it was made of; names the threads."""
    threads = []

    def draw(capture, settings):
        threads.append(threading.current_thread().name)
        return capture.point(lambda value: 255 - value)

    monkeypatch.setattr(plugin, "_draw", draw)
    return threads


def plain(gray, mode="RGB", size=(24, 16)):
    return Image.new("L", size, gray).convert(mode)


def grays(pictures):
    return [picture.getpixel((0, 0))[0] for picture in pictures]


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def portrait_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("portrait")]


def test_a_capture_comes_out_as_the_drawing_that_the_library_makes(booth, photo, caplog):
    booth.start()
    booth.shoot(photo)
    [drawing] = booth.process()
    expected = Stylizer("fast", threads=1)(np.asarray(photo), faces="all")
    assert drawing.mode == "RGB"
    assert np.array_equal(np.asarray(drawing), expected)
    assert (expected < 128).mean() > 0.01, "an empty sheet proves nothing"
    # What pibooth stores as raw captures.
    assert np.array_equal(np.asarray(booth.captures[0]), np.asarray(photo))
    assert not warnings(caplog)


def test_style_and_preset_are_taken_from_the_configuration_at_each_sequence(booth, photo):
    booth.start()
    booth.shoot(photo)
    [first] = booth.process()
    booth.cfg.set("PORTRAIT", "style", '"pen"')  # the menu writes texts in quotes
    booth.cfg.set("PORTRAIT", "preset", "portrait-256")
    booth.enter("wait")
    booth.shoot(photo)
    [second] = booth.process()
    expected = Stylizer("portrait-256", threads=1)(np.asarray(photo), style="pen", faces="all")
    assert np.array_equal(np.asarray(second), expected)
    assert not np.array_equal(np.asarray(first), expected)


def test_pictures_in_colour_keep_the_size_of_the_capture(booth, photo, tmp_path):
    preset = write_colour_preset(tmp_path / "colour")
    booth.cfg.set("PORTRAIT", "preset", str(preset))
    booth.shoot(photo.crop((0, 0, 512, 400)))
    [picture] = booth.process()
    assert picture.size == (512, 400)
    pixels = np.asarray(picture)
    assert (pixels[:, :50] == 255).all() and pixels[:, 256].std() > 10


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_a_capture_of_another_mode_and_size_is_drawn(booth, photo, mode):
    capture = photo.resize((451, 397)).convert(mode)
    [drawing] = booth.show(capture)
    assert (drawing.mode, drawing.size) == ("RGB", (451, 397))
    pixels = np.asarray(drawing)
    assert (pixels < 128).mean() > 0.01 and (pixels[:, :20] > 250).mean() > 0.9
    assert capture.mode == mode


def test_drawing_begins_while_the_next_countdown_runs(booth, plugin, monkeypatch):
    drawn = threading.Event()

    def draw(capture, settings):
        drawn.set()
        return capture

    monkeypatch.setattr(plugin, "_draw", draw)
    booth.shoot(plain(10))
    assert drawn.wait(10), "nothing was drawn before the final picture was asked for"
    [thread] = portrait_threads()
    assert thread is not threading.main_thread()


def test_captures_stay_in_order_where_one_is_slow_and_one_fails(booth, plugin, monkeypatch):
    first = threading.Event()

    def draw(capture, settings):
        gray = capture.getpixel((0, 0))[0]
        if gray == 10:
            assert first.wait(10)
        if gray == 30:
            raise ValueError("broken pencil")
        return plain(255 - gray)

    monkeypatch.setattr(plugin, "_draw", draw)
    booth.shoot(plain(10), plain(20), plain(30), plain(40))
    first.set()
    assert grays(booth.process()) == [245, 235, 30, 215]


def test_a_slow_drawing_leaves_the_photo_and_the_next_sequence_is_drawn(
    booth, plugin, monkeypatch, caplog
):
    free = threading.Event()

    def draw(capture, settings):
        assert free.wait(10)
        return plain(200)

    monkeypatch.setattr(plugin, "_draw", draw)
    booth.cfg.set("PORTRAIT", "seconds", "0.05")
    booth.shoot(plain(10), plain(20))
    pictures = booth.process()
    assert pictures == tuple(booth.captures)
    [line] = warnings(caplog)
    assert line == "Portrait: 2 of 2 pictures stay photos. Not drawn within 0.05 seconds."
    # Asked for again, for the animation, nobody waits a second time.
    assert booth.show(booth.captures[1]) == (booth.captures[1],)
    assert len(warnings(caplog)) == 1
    free.set()
    booth.cfg.set("PORTRAIT", "seconds", "10")
    booth.enter("wait")
    booth.shoot(plain(10))
    assert grays(booth.process()) == [200]


def test_a_failed_drawing_leaves_the_photo_and_one_line(booth, plugin, monkeypatch, caplog):
    def draw(capture, settings):
        raise RuntimeError("no more\nink")

    monkeypatch.setattr(plugin, "_draw", draw)
    booth.shoot(plain(10), plain(20))
    assert booth.process() == tuple(booth.captures)
    assert warnings(caplog) == ["Portrait: 2 of 2 pictures stay photos. RuntimeError: no more ink"]


def test_no_face_leaves_the_photo(booth, photo, caplog):
    booth.shoot(plain(255, size=(320, 240)), photo)
    blank, drawing = booth.process()
    assert blank is booth.captures[0]
    assert drawing is not booth.captures[1]
    [line] = warnings(caplog)
    assert line.startswith("Portrait: 1 of 2 pictures stay photos. No face found")


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("preset", "pem", "No such preset"),
        ("style", "oil", "No such style"),
        ("threads", "0", "threads must be a whole number from 1 up"),
        ("threads", "many", "must be numbers. Received: 10, many"),
        ("seconds", "", "must be numbers. Received: , 2"),
    ],
)
def test_a_wrong_setting_is_told_at_the_start_and_leaves_the_photo(
    booth, photo, caplog, option, value, told
):
    booth.cfg.set("PORTRAIT", option, value)
    booth.start()
    booth.shoot(photo)
    assert booth.process() == tuple(booth.captures)
    assert booth.show(booth.captures[0]) == tuple(booth.captures)  # for the animation
    at_start, at_picture = warnings(caplog)
    assert told in at_start and told in at_picture


@pytest.mark.parametrize("state", ["wait", "failsafe"])
def test_a_sequence_that_is_broken_off_is_forgotten(booth, inverting, state):
    booth.shoot(plain(10))
    booth.enter(state)
    booth.app.camera._captures.clear()
    booth.shoot(plain(20), plain(30))
    assert grays(booth.process()) == [235, 225]


def test_captures_that_the_camera_still_holds_do_not_shift_the_others(booth, inverting):
    booth.shoot(plain(10))
    booth.enter("wait")  # pibooth's menu was opened; the camera keeps the capture
    booth.shoot(plain(20))
    assert grays(booth.process()) == [245, 235]


def test_leaving_the_state_without_a_capture_draws_nothing(booth, inverting):
    booth.hook.state_capture_exit(cfg=booth.cfg, app=booth.app, win=None)
    booth.shoot(plain(10))
    booth.hook.state_capture_exit(cfg=booth.cfg, app=booth.app, win=None)
    assert grays(booth.process()) == [245]
    assert len(inverting) == 1


def test_what_only_the_camera_can_read_is_drawn_at_the_end(booth, inverting):
    class Photo:
        """As gphoto2's path on the camera."""

    camera = booth.app.camera
    camera._captures.append((Photo(), "none"))
    camera._post_process_capture = lambda data: pytest.fail("read beside the camera")
    booth.hook.state_capture_exit(cfg=booth.cfg, app=booth.app, win=None)
    assert not inverting
    assert grays(booth.show(plain(10))) == [245]
    assert inverting == ["portrait_0"]


def test_frames_of_an_opencv_camera_are_drawn_early(booth, inverting):
    camera = booth.app.camera
    camera._captures.append((np.full((4, 4, 3), 10, np.uint8), "none"))
    camera._post_process_capture = lambda data: Image.fromarray(data[0])
    booth.hook.state_capture_exit(cfg=booth.cfg, app=booth.app, win=None)
    booth.plugin._drawer._begun[0].result(10)
    assert grays(booth.process()) == [245]
    assert len(inverting) == 1


def test_the_animation_shows_the_same_drawings_without_drawing_again(booth, inverting):
    booth.shoot(plain(10), plain(20), plain(30))
    pictures = booth.process()
    again = [booth.show(capture)[0] for capture in booth.captures]
    assert all(one is other for one, other in zip(pictures, again, strict=True))
    assert len(inverting) == 3


def test_pictures_from_the_disk_are_drawn_without_a_sequence(booth, inverting):
    """As `pibooth-regen` asks for them: no state is entered, no start, no end."""
    assert grays(booth.show(plain(10), plain(20))) == [245, 235]
    assert grays(booth.show(plain(30), plain(40))) == [225, 215]


def test_another_plugin_has_its_turn_and_sees_the_drawings(booth, inverting):
    class Frame:
        @hookimpl
        def pibooth_setup_picture_factory(self, factory):
            return Factory(*factory._images, plain(99))

    booth.manager.register(Frame())
    booth.shoot(plain(10))
    assert grays(booth.process()) == [245, 99]


def test_a_foreign_factory_or_camera_raises_nothing(booth, inverting, caplog):
    booth.hook.state_capture_exit(cfg=booth.cfg, app=SimpleNamespace(camera=None), win=None)
    foreign = SimpleNamespace()
    booth.hook.pibooth_setup_picture_factory(cfg=booth.cfg, opt_index=0, factory=foreign)
    [line] = warnings(caplog)
    assert "_images" in line


def test_the_thread_ends_when_the_booth_does(booth, plugin, monkeypatch):
    begun, free, drawn = threading.Event(), threading.Event(), []

    def draw(capture, settings):
        begun.set()
        assert free.wait(10)
        drawn.append(capture)
        return capture

    monkeypatch.setattr(plugin, "_draw", draw)
    booth.shoot(plain(10), plain(20))
    assert begun.wait(10) and len(portrait_threads()) == 1
    threading.Timer(0.1, free.set).start()
    booth.clean_up()
    assert not portrait_threads()
    assert len(drawn) == 1, "what waits in line is dropped"


def test_options_carry_a_name_in_the_menu_and_choices_that_fit(booth):
    assert set(booth.cfg.options) == {"preset", "style", "seconds", "threads"}
    for default, name, choices in booth.cfg.options.values():
        assert name
        assert isinstance(choices, str) or str(default) in choices


def test_pibooth_finds_the_plugin_by_an_entry_point_that_nothing_else_imports():
    code = (
        "import json, setuptools; from distutils.core import run_setup\n"
        "setup = run_setup('setup.py', stop_after='init')\n"
        "print(json.dumps(setup.entry_points['pibooth']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SOURCE.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [f"keras_portrait = {NAME}"]
    importing = re.compile(r"^\s*(?:import|from) .*pibooth", re.MULTILINE)
    found = [
        path.name for path in SOURCE.rglob("*.py") if importing.search(path.read_text("utf-8"))
    ]
    assert found == ["pibooth_plugin.py"]


@pytest.mark.filterwarnings("ignore")  # of pygame and others that pibooth brings along
def test_pibooth_itself_makes_its_final_picture_of_the_drawings(monkeypatch, tmp_path, photo):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("HOME", str(tmp_path))
    hookspecs = pytest.importorskip("pibooth.plugins.hookspecs", reason="pibooth is not installed")
    from pibooth.config import parser
    from pibooth.plugins import create_plugin_manager

    for name, spec in vars(Specs).items():
        if hasattr(spec, "pibooth_spec"):
            real = getattr(hookspecs, name)
            _, *names = inspect.signature(spec).parameters
            assert names == list(inspect.signature(real).parameters)
            assert spec.pibooth_spec == real.pibooth_spec

    monkeypatch.setitem(parser.DEFAULT, "PORTRAIT", {})
    manager = create_plugin_manager()
    manager.load_all_plugins([])
    plugin = manager.get_plugin("keras_portrait")
    assert plugin.__name__ == NAME
    cfg = parser.PiConfigParser(str(tmp_path / "pibooth.cfg"), manager)
    cfg.set("GENERAL", "directory", str(tmp_path))
    manager.hook.pibooth_configure(cfg=cfg)
    app = SimpleNamespace(
        camera=Camera(),
        capture_nbr=2,
        capture_choices=(2, 1),
        capture_date="2024-05-06-07-08-09",
        picture_filename="final.jpg",
        count=SimpleNamespace(taken=0),
    )
    red = Image.new("RGB", photo.size, (200, 30, 30))  # stays: no face
    for capture in (photo, red):
        app.camera.capture(capture)
        plugin.state_capture_exit(cfg, app)
    manager.get_plugin("pibooth-core:picture").state_processing_do(cfg=cfg, app=app)
    plugin.pibooth_cleanup()

    pixels = np.asarray(app.previous_picture)
    drawn = pixels[: len(pixels) // 3]
    assert np.ptp(drawn, axis=2).max() == 0, "colours of the photo"
    assert (drawn < 128).mean() > 0.01, "no lines"
    assert (pixels == (200, 30, 30)).all(axis=2).mean() > 0.1
    raw = tmp_path / "raw" / app.capture_date / "pibooth000.jpg"
    assert np.ptp(read_image(raw).astype(int), axis=2).mean() > 5, "stored captures stay photos"
