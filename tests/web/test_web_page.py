"""The page of `portrait web` in a real browser, with a stand-in for the worker that draws."""

import http.server
import json
import re
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from conftest import EXAMPLE
from headless_chromium import SECONDS, Chromium
from keras_portrait.inference.imaging import read_image
from keras_portrait.web import site
from page_checks import CUT_OFF, FAINT, HARD_TO_TOUCH, WIDER, accessible_names
from waiting import wait_until
from web_site import Files, camera, served, write_site_without_runtime

DESKTOP, PHONE, ON_ITS_SIDE = (1280, 800), (360, 740), (740, 360)
STAND_IN = Path(__file__).with_name("stand_in_worker.js")
MODE = "document.body.dataset.mode"
READY = "document.body?.dataset.ready === 'drawing'"
TEXT = "document.getElementById({!r}).textContent"
REMARKS = TEXT.format("remarks")
DRAWN = f"{MODE} === 'photo' && {REMARKS}.startsWith('Drawn in')"
PROBLEM = (
    "!document.getElementById('problem').hidden && document.querySelector('#problem p').innerText"
)
SHAPE = "[document.getElementById('picture').width, document.getElementById('picture').height]"
# Of the canvas; below the corner in which the stand-in writes, and in it.
PIXEL = "[...document.getElementById('picture').getContext('2d').getImageData({}, {}, 1, 1).data]"
CORNER = PIXEL.format(4, 4)


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another host, to which no word may come."""

    heard = []

    def do_GET(self):
        self.heard.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Noted(Files):
    """A server of files that notes which were asked for."""

    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()


@pytest.fixture(scope="module")
def elsewhere():
    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def out(tmp_path_factory, elsewhere):
    """The written page, whose worker is the stand-in, and whose texts know a second language."""
    folder = tmp_path_factory.mktemp("web") / "page"
    write_page(folder, elsewhere)
    return folder


def write_page(folder: Path, elsewhere: str, lead: bytes = b"A face becomes a line drawing"):
    def page(written=site._page):
        files = written()
        worker = STAND_IN.read_text().replace('ELSEWHERE = ""', f"ELSEWHERE = {elsewhere!r}")
        texts = json.loads(files["texts.json"])
        texts["eo"] = {"choose_photo": "Elektu foton", "take_picture": "Fotu"}
        files |= {"worker.js": worker.encode(), "texts.json": json.dumps(texts).encode()}
        files["index.html"] = files["index.html"].replace(b"A face becomes a line drawing", lead)
        return files

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(site, "_page", page)
        write_site_without_runtime(folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium with a camera that shows the example photo."""
    folder = tmp_path_factory.mktemp("chromium")
    with Chromium(folder, *camera(folder)) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(out):
    with served(out) as address:
        yield address


@pytest.fixture
def page(browser, address):
    """The page at desktop size, ready to draw; it must not complain of anything."""
    allow_camera(browser, address, "granted")
    browser.resize(*DESKTOP)
    without_motion(browser)
    browser.problems.clear()
    browser.open(address)
    browser.wait_for(READY)
    yield browser
    # The browser itself notes what the policy refuses the stand-in.
    mine = [one for one in browser.problems if "Security Policy" not in one.get("text", "")]
    assert mine == []
    browser.open("about:blank")


def without_motion(browser):
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.send("Emulation.setEmulatedMedia", features=features)


def allow_camera(browser, address: str, setting: str):
    browser.send(
        "Browser.setPermission",
        permission={"name": "camera"},
        setting=setting,
        origin=address.rstrip("/"),
    )


def click(page, selector: str):
    page.run(f"document.querySelector({selector!r}).click()")


def choose(page, path: Path):
    root = page.send("DOM.getDocument")["root"]["nodeId"]
    node = page.send("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    page.send("DOM.setFileInputFiles", files=[str(path)], nodeId=node)


def gray_photo(folder: Path, width: int, height: int, name: str = "photo.png") -> Path:
    Image.new("L", (width, height), 128).save(folder / name)
    return folder / name


@pytest.fixture
def drawn(page):
    """The page with the example drawn."""
    click(page, "#example")
    page.wait_for(DRAWN)
    return page


@pytest.fixture
def live(page):
    """The page with the camera on."""
    click(page, "#use-camera")
    page.wait_for(TEXT.format("rate"))
    return page


def test_the_drawing_of_a_photo_is_parted_from_it_by_the_slider(drawn):
    assert drawn.run(SHAPE) == [512, 512]
    page, orange = drawn, PIXEL.format(100, 400)
    page.run("document.getElementById('split').value = 0")
    page.run("document.getElementById('split').dispatchEvent(new Event('input'))")
    red, _, blue, _ = page.run(orange)
    assert red == blue
    page.run("document.getElementById('split').value = 50")
    page.run("document.getElementById('split').dispatchEvent(new Event('input'))")
    red, _, blue, _ = page.run(orange)
    assert red > blue + 100
    red, _, blue, _ = page.run(PIXEL.format(400, 400))
    assert red == blue
    # The picture itself can be dragged, too.
    for kind, share in (("mousePressed", 0.25), ("mouseReleased", 0.25)):
        box = page.run("document.getElementById('picture').getBoundingClientRect().toJSON()")
        x, y = box["x"] + share * box["width"], box["y"] + box["height"] / 2
        page.send(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1
        )
    assert abs(int(page.run("document.getElementById('split').value")) - 25) <= 1


def test_choices_are_drawn_at_once_and_stay_for_the_next_preset(drawn):
    page = drawn
    click(page, "input[name=style][value=line]")
    page.wait_for(f"{CORNER}[0] === 10")
    click(page, "#keep-background")
    page.wait_for(f"{CORNER}[1] === 100")
    click(page, "#all-faces")
    page.wait_for(f"{REMARKS}.startsWith('2 faces, drawn in')")
    click(page, "input[name=preset][value=portrait]")
    page.wait_for(f"{CORNER}[0] === 10 && {REMARKS} && document.getElementById('busy').hidden")
    names = page.run("[...document.querySelectorAll('#style label')].map((each) => each.innerText)")
    assert names == ["Ink", "Line", "Engraving", "Vallotton"]
    click(page, "input[name=part][value=crop]")
    page.wait_for(f"{SHAPE}[0] === 64 && document.getElementById('slider').hidden")


def test_the_drawing_is_saved_with_all_its_pixels(page, tmp_path):
    with Image.open(EXAMPLE) as photo:
        photo.resize((2000, 1500)).save(tmp_path / "large.jpg")
    choose(page, tmp_path / "large.jpg")
    page.wait_for(DRAWN)
    assert page.run(SHAPE) == [1600, 1200]
    click(page, "#save")
    page.wait_for(f"{REMARKS} === 'Saved as portrait.png.'")
    saved = wait_until(lambda: list(page.downloads.glob("portrait*.png")))[0]
    wait_until(lambda: saved.stat().st_size > 1000)
    assert read_image(saved).shape == (1500, 2000, 3)


@pytest.mark.slow
def test_sharing_hands_over_the_same_file(drawn):
    page = drawn
    page.run(
        "navigator.share = async ({ files }) => { window.shared = [files[0].name, files[0].type] }"
    )
    page.run("document.getElementById('share').hidden = false")
    click(page, "#share")
    assert page.wait_for("window.shared") == ["portrait.png", "image/png"]


def test_the_camera_is_drawn_live_and_a_picture_of_it_stays(live):
    page = live
    assert re.fullmatch(r"\d+\.\d frames/s · \d+ ms", page.run(TEXT.format("rate")))
    assert page.run(SHAPE) == [640, 480]
    # The visitor's own camera is mirrored: what the stand-in wrote on the left stands on the right.
    click(page, "input[name=style][value=engraving]")
    page.wait_for(f"{PIXEL.format(635, 4)}[0] === 20")
    assert page.run(CORNER)[0] == 0
    click(page, "#mirror")
    page.wait_for(f"{CORNER}[0] === 20")
    click(page, "#take")
    page.wait_for(DRAWN)
    assert page.run(SHAPE) == [640, 480] and page.run(TEXT.format("rate")) == ""
    assert page.run("document.getElementById('picture').ariaLabel") == "The drawing of your photo"


@pytest.mark.slow
def test_the_other_camera_can_be_taken_where_there_is_one(page):
    page.run("""(devices => {
      window.asked = [];
      const real = devices.getUserMedia.bind(devices);
      devices.getUserMedia = (wish) => { asked.push(wish.video.facingMode); return real(wish); };
      devices.enumerateDevices = async () => [{ kind: 'videoinput' }, { kind: 'videoinput' }];
    })(navigator.mediaDevices)""")
    click(page, "#use-camera")
    page.wait_for(TEXT.format("rate"))
    click(page, "input[name=style][value=engraving]")
    page.wait_for(f"{PIXEL.format(635, 4)}[0] === 20")
    click(page, "#flip")
    # That one looks away from the visitor: it is not mirrored.
    page.wait_for(f"{CORNER}[0] === 20")
    assert page.run("asked") == ["user", "environment"]


def test_a_camera_that_is_not_allowed_is_one_calm_line(page, address):
    allow_camera(page, address, "denied")
    click(page, "#use-camera")
    assert page.wait_for(PROBLEM).startswith("The camera is not allowed. Allow it for this page")
    assert page.run(MODE) == "welcome"
    allow_camera(page, address, "granted")
    click(page, "#retry")
    page.wait_for(f"{MODE} === 'live' && document.getElementById('problem').hidden")


# Answers to the question for the camera wait in `asked` until they are let through.
HELD_CAMERA = """(real => {
  window.asked = [];
  window.streams = [];
  navigator.mediaDevices.getUserMedia = async (wish) => {
    await new Promise((allow) => asked.push(allow));
    const stream = await real(wish);
    streams.push(stream);
    return stream;
  };
})(navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices))"""
STATES = "streams.map((stream) => stream.getTracks()[0].readyState).join()"


def test_a_camera_that_is_allowed_too_late_is_switched_off(page):
    page.run(HELD_CAMERA)
    click(page, "#use-camera")
    click(page, "#example")
    page.wait_for(DRAWN)
    page.run("asked[0]()")
    page.wait_for(f"{STATES} === 'ended'")
    assert page.run(MODE) == "photo" and page.run("document.getElementById('problem').hidden")


def test_of_two_openings_the_last_keeps_the_camera(page):
    page.run(HELD_CAMERA)
    click(page, "#use-camera")
    click(page, "#use-camera")
    page.run("asked[1]()")
    page.wait_for(f"{MODE} === 'live'")
    page.run("asked[0]()")
    page.wait_for(f"{STATES} === 'live,ended'")
    click(page, "input[name=style][value=engraving]")
    page.wait_for(f"{PIXEL.format(635, 4)}[0] === 20")  # it goes on


@pytest.mark.slow
def test_other_faults_of_cameras_have_their_own_lines(page):
    faults = {
        "NotFoundError": "There is no camera here. Choose a photo instead.",
        "NotReadableError": "Another program uses the camera. Close that one and try again.",
        "TypeError": "The camera does not start. Try again, or choose a photo.",
    }
    for fault, text in faults.items():
        refuse = "navigator.mediaDevices.getUserMedia = async () => { throw { name: '%s' } }"
        page.run(refuse % fault)
        click(page, "#use-camera")
        page.wait_for(f"{PROBLEM} === {text!r}")


@pytest.mark.slow
def test_a_camera_that_is_unplugged_is_told(page):
    page.run("""(real => {
      navigator.mediaDevices.getUserMedia = async (...all) => window.stream = await real(...all);
    })(navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices))""")
    click(page, "#use-camera")
    page.wait_for(TEXT.format("rate"))
    page.run("window.stream.getTracks()[0].dispatchEvent(new Event('ended')), 1")
    assert page.wait_for(PROBLEM) == "The camera was switched off or unplugged."
    assert page.run("window.stream.getTracks()[0].readyState") == "ended"
    assert page.run(MODE) == "welcome"


def test_what_cannot_be_drawn_is_one_line_and_the_next_photo_is_drawn(page, tmp_path):
    choose(page, gray_photo(tmp_path, 30, 40))
    assert page.wait_for(PROBLEM).startswith("No face was found.")
    assert page.run(MODE) == "photo" and page.run("document.getElementById('retry').hidden")
    assert page.run(PIXEL.format(5, 20))[:3] == [128, 128, 128]
    assert page.run("document.getElementById('save').disabled")
    choose(page, gray_photo(tmp_path, 32, 40))  # of what the page has no text for
    page.wait_for(f"{PROBLEM} === 'The drawing failed. Try again.'")
    choose(page, gray_photo(tmp_path, 31, 40))  # after which the worker is started anew
    page.wait_for(f"String({PROBLEM}).startsWith('This device has too little free memory.')")
    choose(page, gray_photo(tmp_path, 64, 48, "next.png"))
    page.wait_for(DRAWN)
    (tmp_path / "letter.jpg").write_text("Dear browser,")
    choose(page, tmp_path / "letter.jpg")
    page.wait_for(f"String({PROBLEM}).startsWith('This file is no picture')")


@pytest.mark.slow
def test_a_photo_of_fifty_megapixels_is_reduced_and_said_to_be(page, tmp_path):
    huge = gray_photo(tmp_path, 8192, 6144, "huge.jpg")
    choose(page, huge)
    page.wait_for(DRAWN)
    assert "Reduced from 50 to 12 megapixels" in page.run(REMARKS)
    page.send("Emulation.setTouchEmulationEnabled", enabled=True)  # a phone
    page.run("document.getElementById('remarks').textContent = ''")
    choose(page, huge)
    page.wait_for(DRAWN)
    assert "Reduced from 50 to 6 megapixels" in page.run(REMARKS)
    page.send("Emulation.setTouchEmulationEnabled", enabled=False)


def test_a_photo_that_lies_on_its_side_is_said_to(page, tmp_path):
    choose(page, gray_photo(tmp_path, 90, 60))
    page.wait_for(DRAWN)
    assert "The face lies on its side" in page.run(REMARKS)


@pytest.mark.slow
def test_photos_can_be_dropped_and_pasted(page):
    event = """(kind, name) => fetch('example.jpg').then((a) => a.blob()).then((blob) => {
      const data = new DataTransfer();
      data.items.add(new File([blob], 'me.jpg', { type: 'image/jpeg' }));
      dispatchEvent(kind === 'drop' ? new DragEvent('drop', { dataTransfer: data })
        : new ClipboardEvent('paste', { clipboardData: data }));
    })"""
    for kind in ("drop", "paste"):
        page.run(f"({event})({kind!r})")
        page.wait_for(DRAWN)
        page.run("document.getElementById('remarks').textContent = ''")


# ---- what comes late, and what fails meanwhile ----

# A photo of this name is decoded when it is released; `late` is what came of it then.
HELD_PHOTO = """(real => {
  window.createImageBitmap = async (source, ...rest) => {
    if (source.name !== 'slow.png') return real(source, ...rest);
    await new Promise((resolve) => { window.release = resolve; });
    return window.late = await real(source, ...rest);
  };
})(createImageBitmap.bind(window))"""


def test_the_last_photo_that_was_chosen_stays(page, tmp_path):
    page.run(HELD_PHOTO)
    choose(page, gray_photo(tmp_path, 64, 48, "slow.png"))
    page.wait_for("Boolean(window.release)")
    choose(page, gray_photo(tmp_path, 100, 80, "quick.png"))
    page.wait_for(DRAWN)
    page.run("release()")
    page.wait_for("window.late?.width === 0")  # it was closed
    assert page.run(SHAPE) == [100, 80]


def test_a_photo_that_comes_late_leaves_the_camera_on_and_a_wrong_file_ends_it(page, tmp_path):
    page.run(HELD_PHOTO)
    choose(page, gray_photo(tmp_path, 64, 48, "slow.png"))
    page.wait_for("Boolean(window.release)")
    click(page, "#use-camera")
    page.wait_for(f"{MODE} === 'live'")
    page.run("release()")
    page.wait_for("window.late?.width === 0")
    assert page.run(MODE) == "live"
    (tmp_path / "letter.jpg").write_text("Dear browser,")
    choose(page, tmp_path / "letter.jpg")
    page.wait_for(f"String({PROBLEM}).startsWith('This file is no picture')")
    assert page.run(MODE) == "welcome"


def test_pictures_that_are_no_longer_needed_are_closed(drawn, tmp_path):
    page = drawn
    page.run("""(real => {
      window.letGo = 0;
      ImageBitmap.prototype.close = function () { letGo += this.width > 0; real.call(this); };
    })(ImageBitmap.prototype.close)""")
    click(page, "input[name=style][value=line]")
    page.wait_for(f"{CORNER}[0] === 10 && document.getElementById('busy').hidden")
    # The view's copies of photo and drawing, and the drawing itself.
    assert page.run("letGo") == 3
    page.run("letGo = 0")
    choose(page, gray_photo(tmp_path, 100, 80))
    page.wait_for(f"{SHAPE}[0] === 100 && {DRAWN}")
    # The same, the photo, and the copy of the new one that was shown until it was drawn.
    assert page.run("letGo") == 5


@pytest.fixture
def without_artists(page, out):
    """The page, on whose server the networks of one preset are missing."""
    network = out / "models" / "presets" / "artists" / "generator.tflite"
    hidden = network.rename(out / "hidden.tflite")
    yield page
    hidden.rename(network)


CHOSEN = "document.querySelector('input[name=preset]:checked').value"


def test_the_camera_goes_on_where_a_preset_cannot_be_loaded(without_artists):
    page = without_artists
    click(page, "#use-camera")
    page.wait_for(f"{MODE} === 'live'")
    # While a frame is being drawn, so that the next one waits for the preset.
    page.run("""(post => {
      Worker.prototype.postMessage = function (message, ...rest) {
        post.call(this, message, ...rest);
        if (message.type !== 'frame') return;
        Worker.prototype.postMessage = post;
        document.querySelector('input[name=preset][value=artists]').click();
      };
    })(Worker.prototype.postMessage)""")
    assert page.wait_for(PROBLEM).startswith("A file of this page could not be loaded.")
    assert page.run(MODE) == "live" and page.run(CHOSEN) == "fast"
    click(page, "input[name=style][value=engraving]")
    page.wait_for(f"{PIXEL.format(635, 4)}[0] === 20")


def test_after_two_quick_changes_the_one_that_came_draws(without_artists):
    page = without_artists
    click(page, "#example")
    page.wait_for(DRAWN)
    click(page, "input[name=preset][value=portrait]")
    page.wait_for("document.getElementById('busy').hidden")
    click(page, "input[name=style][value=vallotton]")
    page.wait_for(f"{CORNER}[0] === 30")
    # The one that comes has no such style, and draws in its first one.
    for name in ("fine", "artists"):
        click(page, f"input[name=preset][value={name}]")
    assert page.wait_for(PROBLEM).startswith("A file of this page could not be loaded.")
    assert page.run(CHOSEN) == "fine"
    page.wait_for(f"{CORNER}[0] === 0 && document.getElementById('busy').hidden")
    assert page.run(PROBLEM), "what failed is still told"


# ---- nothing leaves ----


def test_neither_page_nor_worker_can_speak_to_another_host(drawn, elsewhere):
    page = drawn
    assert page.run(CORNER)[2] == 0, "the stand-in reached another host"
    attempt = f"fetch('{elsewhere}page', {{ method: 'POST', body: 'photo', mode: 'no-cors' }})"
    assert page.run(f"{attempt}.then(() => 'reached', () => 'refused')") == "refused"
    assert page.run(f"navigator.sendBeacon('{elsewhere}beacon', 'photo'), 1") == 1
    page.run(
        f"window.image = new Image(), image.src = '{elsewhere}image', image.decode().catch(() => 0)"
    )
    assert Elsewhere.heard == []
    told = [one["text"] for one in page.problems if "Content Security Policy" in one["text"]]
    assert any(elsewhere in text for text in told)
    assert "Photos never leave this device" in page.run(
        "document.getElementById('privacy').innerText"
    )


# ---- languages, people, devices ----


@pytest.mark.slow
def test_the_visitors_language_is_taken_where_there_is_one(browser, address):
    agent = browser.run("navigator.userAgent")
    browser.send("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage="eo-XX,en")
    browser.open(address)
    browser.wait_for(READY)
    assert browser.run("document.documentElement.lang") == "eo"
    assert browser.run("document.querySelector('.choose span').innerText") == "Elektu foton"
    assert browser.run("document.getElementById('take').ariaLabel") == "Fotu"
    assert browser.run("document.querySelector('#use-camera span').innerText") == "Use the camera"
    browser.send("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage="en")


def test_keyboard_alone_draws_switches_and_compares(page):
    page.run("document.getElementById('example').focus()")
    page.press("Enter", "\r")
    page.wait_for(DRAWN)
    assert page.run("document.activeElement.id") == "picture", "the button that had it is gone"
    page.run("document.querySelector('input[name=style]:checked').focus()")
    page.press("ArrowRight")
    page.wait_for(f"{CORNER}[0] === 10")
    page.run("document.getElementById('split').focus()")
    page.press("ArrowRight")
    assert page.run("document.getElementById('split').value") == "1"


def test_everything_has_an_accessible_name(page):
    names, without = accessible_names(page)
    assert without == [] and {"Use the camera", "Choose a photo"} <= names
    click(page, "#use-camera")
    page.wait_for(TEXT.format("rate"))
    names, without = accessible_names(page)
    assert without == []
    assert {"Take picture", "Close the camera", "Style", "Ink", "Drawn by", "Picture"} <= names
    click(page, "#take")
    page.wait_for(DRAWN)
    names, without = accessible_names(page)
    assert without == []
    assert {"Save drawing", "Part of the picture that shows the photo, in percent"} <= names


def test_text_is_legible(page):
    for scheme in ("light", "dark"):
        check_legibility(page, scheme)


def check_legibility(page, scheme: str):
    page.prefer(scheme)
    paper = page.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) > 380) == (scheme == "light")
    assert page.run(FAINT) == []
    click(page, "#example")
    page.wait_for(DRAWN)
    page.run("document.getElementById('problem').hidden = false")
    page.run("document.querySelector('#problem p').textContent = 'A problem'")
    page.run("document.getElementById('message').textContent = 'A message'")
    page.run("document.getElementById('message').hidden = false")
    assert page.run(FAINT) == []


def test_phone_width_shows_everything(page):
    page.resize(*PHONE)
    for button, shown in (("#use-camera", TEXT.format("rate")), ("#take", DRAWN)):
        assert page.run(CUT_OFF) == [] and page.run(HARD_TO_TOUCH) == [] and not page.run(WIDER)
        click(page, button)
        page.wait_for(shown)
    assert page.run(CUT_OFF) == [] and page.run(HARD_TO_TOUCH) == [] and not page.run(WIDER)
    words = page.run("document.body.innerText")
    for word in ("Save drawing", "Style", "Drawn by", "Whole photo", "Keep what is behind"):
        assert word in words, word


@pytest.mark.slow
def test_a_phone_on_its_side_shows_the_picture_whole(live):
    page = live
    page.resize(*ON_ITS_SIDE)
    page.wait_for("document.getElementById('picture').getBoundingClientRect().bottom < 360")
    box = page.run("document.getElementById('take').getBoundingClientRect().toJSON()")
    assert box["bottom"] < 360 and box["right"] <= 740
    width, height = page.run(
        "(b => [b.width, b.height])(document.getElementById('stage').getBoundingClientRect())"
    )
    assert abs(width / height - 640 / 480) < 0.03


@pytest.mark.slow
def test_an_old_browser_is_told_so_and_nothing_else(browser, address):
    lack = "WebAssembly.validate = () => false"
    with browser.before_each_page(lack):
        browser.open(address)
        browser.wait_for("document.getElementById('old').checkVisibility()")
        text = browser.run("document.getElementById('old').innerText")
        assert text.startswith("This browser is too old to draw here.")
        assert not browser.run("document.getElementById('use-camera').checkVisibility()")


def test_without_https_there_is_no_camera_and_photos_still_work(browser, out):
    without_motion(browser)
    lack = "delete Navigator.prototype.mediaDevices; delete Navigator.prototype.serviceWorker"
    with browser.before_each_page(lack):
        # Another port, which no service worker has seen: none adds a policy to the worker's script.
        with served(out) as address:
            browser.open(address)
            browser.wait_for(READY)
            click(browser, "#use-camera")
            text = browser.wait_for(PROBLEM)
            assert text == "Browsers give the camera to https pages only. Choose a photo instead."
            click(browser, "#example")
            browser.wait_for(DRAWN)
            assert browser.run(CORNER)[2] == 0 and Elsewhere.heard == []
            browser.open("about:blank")


# ---- offline ----


@pytest.mark.slow
def test_it_can_be_installed(page):
    assert page.send("Page.getAppManifest")["errors"] == []
    assert page.send("Page.getInstallabilityErrors")["installabilityErrors"] == []


def test_what_else_lies_beside_the_page_is_neither_kept_nor_changed(page, out):
    ask = """fetch('blog/?post=1', { cache: 'no-store' }).then(async (answer) => [
      answer.headers.get('Content-Security-Policy'), await answer.text()])"""
    (out / "blog").mkdir()
    for text in ("first", "second"):
        (out / "blog" / "index.html").write_text(text)
        assert page.run(ask) == [None, text]
    # The page's own files come from the service worker, whatever is asked after the question mark.
    policy = "fetch('{}').then((answer) => answer.headers.get('Content-Security-Policy') !== null)"
    assert page.run(policy.format("./?from=elsewhere")) and page.run(policy.format("main.js"))


def test_who_is_early_is_served_and_not_interrupted(browser, out):
    early = """new MutationObserver((_, observer) => {
      if (document.body?.dataset.ready !== 'page') return;
      observer.disconnect();
      document.getElementById('example').click();
    }).observe(document, { subtree: true, childList: true, attributes: true })"""
    with browser.before_each_page(early):
        with served(out) as address:
            browser.open(address)
            browser.wait_for(DRAWN)
            assert not browser.run("crossOriginIsolated"), "it was not loaded once more"
            browser.open("about:blank")


def test_it_works_without_its_server_and_takes_over_a_new_version(browser, elsewhere, tmp_path):
    folder = tmp_path / "page"
    write_page(folder, elsewhere)
    browser.resize(*DESKTOP)
    without_motion(browser)
    with served(folder) as address:
        browser.open(address)
        browser.wait_for(READY)
        assert browser.run("crossOriginIsolated"), "threads need it"
    browser.open(address)
    browser.wait_for(READY)
    click(browser, "#example")
    browser.wait_for(DRAWN)
    # A preset that was not loaded before cannot come now; the page says so and goes on.
    click(browser, "input[name=preset][value=artists]")
    assert browser.wait_for(PROBLEM).startswith("A file of this page could not be loaded.")
    assert browser.run("document.querySelector('input[name=preset]:checked').value") == "fast"
    browser.wait_for("document.getElementById('busy').hidden")
    click(browser, "input[name=style][value=engraving]")
    browser.wait_for(f"{CORNER}[0] === 20")
    write_page(folder, elsewhere, b"A newer page")
    Noted.asked.clear()
    with served(folder, urlsplit(address).port, Noted):
        browser.open(address)
        browser.wait_for("document.getElementById('update').checkVisibility()")
        assert browser.run("document.querySelector('#lead h2').innerText") != "A newer page"
        click(browser, "#reload")
        newer = "document.querySelector('#lead h2')?.innerText === 'A newer page'"
        browser.wait_for(f"{newer} && {READY}")
        browser.open("about:blank")
    # What is the same as before was kept, however large.
    assert set(Noted.asked) == {"/service-worker.js", "/index.html"}


class Held(Files):
    """A server that keeps its first page back, and with it the installing of a new version."""

    let_go = threading.Event()

    def do_GET(self):
        if self.path == "/index.html":
            self.let_go.wait(SECONDS)
        super().do_GET()


def test_a_new_version_that_is_found_while_the_page_starts_is_told(browser, elsewhere, tmp_path):
    late = """const know = navigator.serviceWorker.getRegistration.bind(navigator.serviceWorker);
    navigator.serviceWorker.getRegistration = async () => {
      const registration = await know();
      while (!registration.installing) await new Promise((resolve) => setTimeout(resolve, 1));
      setTimeout(() => { document.body.dataset.listens = "yes"; });
      return registration;
    };"""
    folder = tmp_path / "page"
    write_page(folder, elsewhere)
    with served(folder) as address:
        browser.open(address)
        browser.wait_for(READY)
        browser.open("about:blank")
    write_page(folder, elsewhere, b"A newer page")
    with browser.before_each_page(late):
        with served(folder, urlsplit(address).port, Held):
            browser.open(address)
            browser.wait_for("document.body?.dataset.listens === 'yes'")
            Held.let_go.set()
            browser.wait_for("document.getElementById('update').checkVisibility()")
            browser.open("about:blank")
