"""The demo's page in a real browser."""

import contextlib
import re
import socket
import threading
from pathlib import Path

import pytest

from fake_live import STYLES, FakeLive
from headless_chromium import Chromium
from keras_portrait.inference.imaging import read_image
from keras_portrait_demo.web import server
from keras_portrait_demo.web.server import MOST_VIEWERS, WebView
from page_checks import CUT_OFF, FAINT, HARD_TO_TOUCH, WIDER, accessible_names
from waiting import wait_until

DESKTOP = 1280, 800
PHONE = 360, 740
# Gray of the canvas left and right of its middle, away from the moving bar on most frames.
GRAY = "[...document.getElementById('live').getContext('2d').getImageData({}, 20, 1, 1).data]"
PICTURE = "document.getElementById('live').toDataURL()"
PLAYING = "document.getElementById('message').hidden && document.getElementById('rate').textContent"
MESSAGE = (
    "document.getElementById('message').hidden || document.getElementById('message').innerText"
)


@pytest.fixture(scope="module", autouse=True)
def little_patience(tmp_path_factory):
    """Pages that wait for one second instead of three, and ask five times as often."""
    path = tmp_path_factory.mktemp("page") / "index.html"
    text = (Path(server.__file__).with_name("static") / "index.html").read_text()
    quick, count = re.subn(r"(STALE|ANSWER)_MS = 3000;", r"\1_MS = 1000;", text)
    quick, pauses = re.subn(r"(250 :|setTimeout\(resume,) 1000\b", r"\1 200", quick)
    assert (count, pauses) == (2, 2)
    path.write_text(quick)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server, "Page", lambda _, page=server.Page: page(path))
        yield


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def live():
    live = FakeLive()
    live.play()
    yield live
    live.stop()


@pytest.fixture
def page(browser, live):
    """The page, open and playing, at desktop size; it must not complain of anything."""
    browser.resize(*DESKTOP)
    browser.problems.clear()
    with WebView(live, "127.0.0.1", 0) as view:
        browser.open(view.url)
        browser.wait_for(PLAYING)
        yield browser
        assert browser.problems == []
        browser.open("about:blank")


def click(page, selector: str):
    page.run(f"document.querySelector({selector!r}).click()")


def test_the_picture_changes(page):
    pictures = set()
    wait_until(lambda: pictures.add(page.run(PICTURE)) or len(pictures) >= 4)
    assert page.run("document.getElementById('rate').textContent") == "25.0 FPS · 41 ms"
    stages = page.run("document.getElementById('stages').innerText").split("\n")
    assert [row.split() for row in stages][2:] == [
        ["stylize", "12.5", "15.3"],
        ["paste", "1.2", "–"],
    ]


def test_the_style_switch_changes_the_picture(page, live):
    click(page, "#style input[value='pen-and-ink']")
    wait_until(lambda: {"style": "pen-and-ink", "preset": None, "layout": None} in live.choices)
    wait_until(lambda: abs(page.run(GRAY.format(50))[0] - STYLES["pen-and-ink"]) < 5)
    click(page, "#preset input[value='avatars']")
    wait_until(lambda: live.choices[-1]["preset"] == "avatars")
    click(page, "#layout input[value='side-by-side']")
    page.wait_for("document.getElementById('live').width === 128")
    assert live.choices[-1]["layout"] == "side-by-side"


def test_a_refused_choice_is_told_and_taken_back(page, live):
    def refuse(**_):
        from keras_portrait.errors import SettingError

        raise SettingError("The preset has been altered. Received: avatars")

    live.choose = refuse
    click(page, "#preset input[value='avatars']")
    page.wait_for("!document.getElementById('problem').hidden")
    text = page.run("document.getElementById('problem').innerText")
    assert text == "The preset has been altered. Received: avatars"
    assert page.run("document.querySelector('#preset input:checked').value") == "portrait"
    # The browser itself notes a refused request.
    assert [problem["text"][-17:] for problem in page.problems] == ["400 (Bad Request)"]
    page.problems.clear()


def test_names_are_shown_as_text(page):
    names = page.run("[...document.querySelectorAll('#style label')].map((each) => each.innerText)")
    assert names == list(STYLES)


def test_keyboard_alone_switches_compares_and_takes_a_picture(page, live):
    page.run("document.getElementById('compare').focus()")
    page.press("Enter", "\r")
    page.wait_for("!document.getElementById('live-slider').hidden")
    page.run("document.querySelector('#style input:checked').focus()")
    page.press("ArrowRight")
    wait_until(lambda: live.choices and live.choices[-1]["style"] == "<b>bold</b>")
    page.run("document.getElementById('take').focus()")
    page.press("Enter", "\r")
    page.wait_for("document.getElementById('snapshot').open")
    page.press("Escape")
    page.wait_for("!document.getElementById('snapshot').open")


def test_slider_parts_photo_and_drawing(page):
    click(page, "#compare")
    orange = f"(({GRAY.format(8)})[0] - ({GRAY.format(8)})[2]) > 200"
    page.wait_for(orange)
    wait_until(lambda: abs(page.run(GRAY.format(56))[2] - STYLES["soft"]) < 12)
    assert page.run("document.getElementById('live').width") == 64
    page.run("document.getElementById('split').value = 0")
    page.wait_for(f"!({orange})")
    click(page, "#compare")
    page.wait_for("document.getElementById('live-slider').hidden")


def test_the_snapshot_downloads_a_valid_png(page, live):
    click(page, "#take")
    page.wait_for(
        "document.getElementById('after').complete && document.getElementById('snapshot').open"
    )
    assert page.run("document.getElementById('after').naturalWidth") == 64
    assert page.run("document.getElementById('phone').hidden"), "a QR code to loopback is no use"
    click(page, "#get-drawing")
    click(page, "#get-photo")
    drawing = wait_until(lambda: list(page.downloads.glob("portrait*.png")))[0]
    photo = wait_until(lambda: list(page.downloads.glob("photo*.png")))[0]
    assert drawing.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert read_image(drawing).shape == live.latest().drawing.shape
    assert read_image(drawing).max() == STYLES["soft"]
    assert (read_image(photo) == live.latest().photo).all()


def test_a_lost_camera_a_still_picture_and_an_ended_source_are_told(page, live):
    live.error = "The camera was unplugged; reconnecting"
    page.wait_for(f"{MESSAGE} === {live.error!r}")
    live.error = None
    page.wait_for(PLAYING)
    live.stop()
    page.wait_for(f"String({MESSAGE}).includes('stands still')")
    live.ended = True
    page.wait_for(f"String({MESSAGE}).includes('source has ended')")
    assert page.run("document.getElementById('live').classList.contains('old')")
    assert "no new one has come" in page.run("document.getElementById('live').ariaLabel")


RATE = "document.getElementById('rate').textContent"
FACTS = "document.getElementById('facts').textContent"


def test_what_was_not_measured_is_not_shown(page, live):
    assert page.run(FACTS).endswith(" · 3 left out · 1 face")
    assert page.run("document.getElementById('rate').title").endswith("sent to the first viewer")
    nothing = {"p50": None, "p95": None}
    live.facts = {"fps": None, "latency_ms": nothing, "latency_to": "drawing", "stages": {}}
    live.facts |= {"faces": None, "found": None}
    page.wait_for(f"{RATE} === '– FPS · – ms'")
    assert page.run(FACTS).endswith(" · 3 left out")
    assert page.run("document.getElementById('stages').innerText") == ""
    assert page.run("document.getElementById('rate').title").endswith("until it is drawn")
    live.facts = {"fps": 0.0, "faces": 2, "found": 1}
    page.wait_for(f"{RATE} === '0.0 FPS · – ms'")  # of pictures that no longer come
    assert page.run(FACTS).endswith(" · 1 face, 1 where last seen")


def test_the_page_finds_a_demo_that_was_started_again(browser, live):
    browser.resize(*DESKTOP)
    with WebView(live, "127.0.0.1", 0) as view:
        browser.open(view.url)
        browser.wait_for(PLAYING)
    browser.wait_for(f"String({MESSAGE}).includes('Trying again')")
    browser.wait_for(f"{RATE} === '' && {FACTS} === ''")
    with WebView(live, "127.0.0.1", port_of(view)):
        browser.wait_for(PLAYING)
        browser.open("about:blank")


class Cable:
    """Carries connections to a web view until it is cut: then they stay open and say nothing."""

    def __init__(self):
        self.port = None  # of the view that new connections reach; None while there is no power
        self._ends = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                self._ends.append(browser)
                if self.port is not None:
                    view = socket.create_connection(("127.0.0.1", self.port))
                    self._ends.append(view)
                    for ends in ((browser, view), (view, browser)):
                        threading.Thread(target=self._carry, args=(*ends, self.port)).start()

    def _carry(self, source, target, port):
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and self.port == port:
                target.sendall(data)
            if self.port == port:  # the end of an answer is told; a cut is not
                target.shutdown(socket.SHUT_WR)

    def close(self):
        self.port = None
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def port_of(view: WebView) -> int:
    return int(view.url.split(":")[2].strip("/"))


def test_the_picture_comes_back_after_the_board_lost_its_power(browser, live):
    browser.resize(*DESKTOP)
    cable = Cable()
    with contextlib.closing(cable), WebView(live, "127.0.0.1", 0) as view:
        cable.port = port_of(view)
        browser.open(cable.address)
        browser.wait_for(PLAYING)
        cable.port = None
        browser.wait_for(f"String({MESSAGE}).includes('cannot be reached')")
        assert browser.run("document.getElementById('live').classList.contains('old')")
        again = FakeLive()
        again.play()
        with WebView(again, "127.0.0.1", 0) as view:
            cable.port = port_of(view)
            browser.wait_for(PLAYING)
            first = browser.run(PICTURE)
            wait_until(lambda: browser.run(PICTURE) != first)
            assert not browser.run("document.getElementById('live').classList.contains('old')")
            browser.open("about:blank")
        again.stop()


def test_a_stream_that_died_alone_is_opened_again(browser, live):
    with contextlib.closing(Cable()) as cable, WebView(live, "127.0.0.1", 0) as view:
        cable.port = port_of(view)
        browser.open(cable.address)
        browser.wait_for(PLAYING)
        with WebView(live, "127.0.0.1", 0) as other:
            cable.port = port_of(other)  # what was open stays so, and brings nothing more
            wait_until(lambda: other._server.viewers._value < MOST_VIEWERS)
            browser.wait_for(PLAYING)
            browser.open("about:blank")


def test_a_phone_comes_in_with_the_token_and_gets_a_qr_code(browser, live):
    own = "https://portrait.example/"
    with WebView(live, "0.0.0.0", 0, phone_page=own) as view:
        address, _, query = view.url.partition("?")
        port = address.split(":")[2].strip("/")
        browser.open(f"http://127.0.0.1:{port}/?{query}")
        browser.wait_for(PLAYING)
        assert browser.run("location.search") == ""
        click(browser, "#take")
        browser.wait_for("document.getElementById('qr').naturalWidth > 100")
        assert browser.run("document.getElementById('address').href").startswith(
            f"{address}snapshot.png?id="
        )
        browser.run("document.getElementById('snapshot').close()")
        click(browser, "#own-phone summary")
        browser.wait_for("document.getElementById('own-phone-code').naturalWidth > 100")
        assert browser.run("document.getElementById('own-phone-link').href") == own
        browser.open("about:blank")


def test_phone_width_shows_everything(page):
    page.resize(*PHONE)
    page.run("document.getElementById('timings').open = true")
    click(page, "#compare")
    page.wait_for("document.getElementById('live').getBoundingClientRect().width > 300")
    assert page.run(CUT_OFF) == [] and page.run(HARD_TO_TOUCH) == [] and not page.run(WIDER)
    shown = page.run("document.body.innerText")
    for word in ("FPS", "Take picture", "Before / after", "Style", "Preset", "Layout", "overlay"):
        assert word in shown, word
    click(page, "#take")
    page.wait_for("document.getElementById('snapshot').open")
    assert page.run(CUT_OFF) == [] and page.run(HARD_TO_TOUCH) == []


def test_everything_has_an_accessible_name(page):
    click(page, "#compare")
    page.wait_for("!document.getElementById('live-slider').hidden")
    names, without = accessible_names(page)
    assert without == []
    assert {"Take picture", "Style", "pen-and-ink", "Frame rate and delay"} <= names


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible(page, scheme):
    page.prefer(scheme)
    paper = page.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) > 380) == (scheme == "light")
    page.run("document.getElementById('problem').textContent = 'A problem'")
    page.run("document.getElementById('problem').hidden = false")
    click(page, "#compare")
    page.wait_for("!document.getElementById('live-slider').hidden")
    assert page.run(FAINT) == []
    click(page, "#take")
    page.wait_for("document.getElementById('snapshot').open")
    assert page.run(FAINT) == []
