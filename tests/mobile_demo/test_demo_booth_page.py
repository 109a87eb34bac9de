"""The booth in the web view: rounds from the page, its countdown, its pictures."""

import json

import pytest

from headless_chromium import Chromium
from keras_portrait.inference.imaging import read_image
from keras_portrait_demo.booth.booth import Booth
from keras_portrait_demo.web import pictures as web_pictures
from keras_portrait_demo.web.server import WebView
from waiting import wait_until
from web_client import Client

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_the_page_begins_rounds_and_gets_their_pictures(live, tmp_path):
    with (
        Booth(live, tmp_path, countdown=0.8) as booth,
        WebView(live, "127.0.0.1", 0, booth=booth) as view,
    ):
        client = Client(view)

        def status():
            return json.loads(client.get("/status.json")[2])["booth"]

        assert status() == booth.status() | {"picture": None}
        code, _, body = client.post("/round", {})
        assert code == 200 and json.loads(body)["booth"]["left"] == 1
        code, _, body = client.post("/round", {})
        assert (code, json.loads(body)) == (409, {"error": "A picture is being taken already."})
        wait_until(lambda: status()["state"] == "taking")
        live.show()
        first = live.latest()
        picture = wait_until(lambda: status()["picture"])
        assert status()["picture"] == picture, "each visitor gets a name of their own"
        live.show()
        assert picture["address"] is None
        drawing = client.get(f"/snapshot.png?id={picture['id']}")[2]
        photo = client.get(f"/snapshot-photo.png?id={picture['id']}")[2]
        assert (read_image(drawing) == first.drawing).all()
        assert (read_image(photo) == first.photo).all()
        assert json.loads(client.post("/choose", {"style": "soft"})[2])["booth"]["taken"] == 1
        elsewhere = {"Origin": "http://elsewhere.example"}
        assert client.post("/round", {}, **elsewhere)[0] == 403
        assert client.get("/round")[0] == 405


def test_the_booths_picture_stays_however_many_snapshots_are_taken(live, tmp_path):
    live.play()
    with (
        Booth(live, tmp_path, countdown=0) as booth,
        WebView(live, "127.0.0.1", 0, booth=booth) as view,
    ):
        client = Client(view)

        def new_picture(taken):
            booth.press()
            wait_until(lambda: booth.status()["taken"] == taken)
            return json.loads(client.get("/status.json")[2])["booth"]["picture"]["id"]

        def take_snapshots():
            for _ in range(web_pictures.MOST_SNAPSHOTS):
                assert client.post("/snapshot", {})[0] == 200

        def drawing(name):
            status, _, body = client.get(f"/snapshot.png?id={name}")
            return body if status == 200 else status

        first = new_picture(1)
        kept = booth.picture.path.read_bytes()
        take_snapshots()
        assert drawing(first) == kept, "the last picture made room"
        wait_until(lambda: booth.status()["state"] == "ready")
        second = new_picture(2)
        assert drawing(second) == booth.picture.path.read_bytes()
        assert drawing(first) == kept, "a phone that still fetches it gets nothing"
        take_snapshots()
        assert drawing(first) == 404 and drawing(second) != 404


def test_without_a_booth_there_are_no_rounds(live):
    with WebView(live, "127.0.0.1", 0) as view:
        assert Client(view).post("/round", {})[0] == 404
        assert "booth" not in json.loads(Client(view).get("/status.json")[2])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


COUNT = "document.getElementById('count')"
TAKE = "document.getElementById('take')"
OPEN = "document.getElementById('snapshot').open"
MESSAGE = "document.getElementById('message').innerText"
# How often the number's height goes into the picture's, and how far their middles are apart.
COUNT_ON_STAGE = """(() => {
  const [count, stage] = ['count', 'stage'].map(
    (id) => document.getElementById(id).getBoundingClientRect());
  return [stage.height / count.height, (count.left + count.right - stage.left - stage.right) / 2,
    (count.top + count.bottom - stage.top - stage.bottom) / 2];
})()"""


def test_the_page_counts_down_and_shows_the_picture(browser, live, tmp_path):
    live.play()
    browser.resize(1280, 800)
    browser.problems.clear()
    with (
        Booth(live, tmp_path, countdown=2) as booth,
        WebView(live, "127.0.0.1", 0, booth=booth) as view,
    ):
        browser.open(view.url)
        browser.wait_for(f"{TAKE}.innerText === 'Take picture in 2 s'")
        browser.run(f"{TAKE}.click()")
        browser.wait_for(f"{COUNT}.innerText === '2' && {COUNT}.checkVisibility()")
        assert browser.run(f"{TAKE}.getAttribute('aria-disabled')") == "true"
        parts, aside, above = browser.run(COUNT_ON_STAGE)
        assert parts < 4 and abs(aside) < 2 and abs(above) < 2
        browser.run(f"{TAKE}.click()")  # does nothing now
        browser.wait_for(f"{COUNT}.innerText === '1'")
        browser.wait_for(OPEN)
        browser.wait_for("document.getElementById('after').naturalWidth === 64")
        assert not browser.run(f"{COUNT}.checkVisibility()")
        assert [booth.status()[name] for name in ("taken", "ignored")] == [1, 0]
        # The button of the booth, not of the page: the picture before makes room.
        booth.press()
        browser.wait_for(f"!{OPEN} && {COUNT}.innerText === '2'")
        browser.wait_for(OPEN)
        booth._say("Not printed: no paper.")
        browser.wait_for(f"{MESSAGE} === 'Not printed: no paper.'")
        # Who comes later sees no picture of those before.
        browser.open(view.url)
        browser.wait_for(f"{TAKE}.innerText === 'Take picture in 2 s'")
        assert not browser.run(OPEN)
        browser.open("about:blank")
    assert browser.problems == []


def test_the_page_goes_on_after_a_restart_of_the_demo(browser, live, tmp_path):
    live.play()
    browser.resize(1280, 800)
    browser.problems.clear()
    with (
        Booth(live, tmp_path, countdown=0) as booth,
        WebView(live, "127.0.0.1", 0, booth=booth) as view,
    ):
        browser.open(view.url)
        browser.wait_for(f"{TAKE}.innerText === 'Take picture'")
        booth.press()
        browser.wait_for(OPEN)
        browser.run("document.getElementById('close').click()")
        port = view._server.server_port
    browser.wait_for(f"{MESSAGE} !== ''")
    with (
        Booth(live, tmp_path, countdown=0.1) as booth,
        WebView(live, "127.0.0.1", port, booth=booth),
    ):
        browser.wait_for(f"{TAKE}.innerText === 'Take picture in 0.1 s'")
        browser.wait_for(f"{MESSAGE} === ''")
        assert not browser.run(OPEN), "the picture of before is shown again"
        booth.press()
        browser.wait_for(OPEN)
        browser.open("about:blank")
