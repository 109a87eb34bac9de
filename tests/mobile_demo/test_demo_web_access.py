import json
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from keras_portrait.errors import SettingError
from keras_portrait.inference.imaging import read_image
from keras_portrait_demo.web import pictures as web_pictures
from keras_portrait_demo.web.server import WebView
from web_client import TOKEN, Client


@pytest.fixture
def guarded(live):
    """A client of a view that listens on every address, and so has a token."""
    with WebView(live, "0.0.0.0", 0, TOKEN) as view:
        yield Client(view)


@pytest.mark.parametrize("name", ["localhost", "localhost:9000", "127.0.0.1:8000", "[::1]:8000"])
def test_loopback_names_are_answered(client, name):
    assert client.get("/", Host=name)[0] == 200


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "10.0.0.1", "", None])
def test_other_names_are_not_answered_on_loopback(client, name):
    assert client.get("/status.json", Host=name)[0] == 403


def test_without_the_token_nothing_is_shown(guarded, live):
    live.show()
    for path in ("/", "/stream.mjpg", "/status.json", "/snapshot.png", "/qr.png", "/?token=wrong"):
        assert guarded.get(path)[0] in (303, 403), path
    for cookie in ("portrait_demo=wrong", "portrait_demo=", "portrait_demo=\u00e9", "other", ";;="):
        assert guarded.get("/", Cookie=cookie)[0] == 403, cookie
    assert guarded.post("/choose", {"style": "soft"})[0] == 403
    assert guarded.post("/snapshot", {})[0] == 403
    assert live.choices == []
    assert guarded.get("/healthz")[0] == 200


def test_token_once_then_the_cookie(guarded):
    status, headers, _ = guarded.get(f"/?token={TOKEN}", Host="booth.local:8000")
    assert (status, headers["location"]) == (303, "/")
    cookie, *attributes = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax"} <= set(attributes)
    assert guarded.get("/", Host="booth.local:8000", Cookie=f"a=b; {cookie}")[0] == 200
    assert guarded.get(f"/status.json?token={TOKEN}")[0] == 200


def test_phone_fetches_its_snapshot_and_nothing_else(guarded, live):
    live.show()
    cookie = {"Cookie": f"portrait_demo={TOKEN}"}
    answer = json.loads(guarded.post("/snapshot", {}, **cookie)[2])
    address = urlsplit(answer["address"])
    assert address.port == guarded.address[1] and TOKEN not in answer["address"]
    status, _, drawing = guarded.get(f"{address.path}?{address.query}")
    assert status == 200 and (read_image(drawing) == live.latest().drawing).all()
    assert guarded.get(f"/status.json?{address.query}")[0] == 403
    assert guarded.get(f"/stream.mjpg?{address.query}")[0] == 403
    code = read_image(guarded.get(f"/qr.png?{address.query}", **cookie)[2])
    assert code.shape[0] == code.shape[1] and set(np.unique(code)) == {0, 255}
    assert guarded.get("/qr.png?id=none", **cookie)[0] == 404


def test_visitors_get_the_page_for_their_own_phone(live, client):
    address = "https://portrait.example/draw/"
    with WebView(live, "0.0.0.0", 0, TOKEN, phone_page=address) as view:
        shown = Client(view)
        cookie = {"Cookie": f"portrait_demo={TOKEN}"}
        assert json.loads(shown.get("/status.json", **cookie)[2])["phone_page"] == address
        code = read_image(shown.get("/phone-page.png", **cookie)[2])
        assert cv2.QRCodeDetector().detectAndDecode(code)[0] == address
        assert shown.get("/phone-page.png")[0] == 403
    assert client.get("/phone-page.png")[0] == 404


@pytest.mark.parametrize(
    "address", ["portrait.example", "ftp://portrait.example", "https://", "javascript:alert(1)"]
)
def test_a_page_for_phones_that_is_no_address_is_refused(live, address):
    with pytest.raises(SettingError) as error:
        WebView(live, port=0, phone_page=address)
    assert str(error.value) == (
        "--phone-page: expected the http or https address of a page that `portrait web` made. "
        f"Received: {address}"
    )


def test_qr_code_is_read_back():
    address = "http://192.168.1.23:8000/snapshot.png?id=AbCdEf012345-_xy"
    code = read_image(web_pictures.qr_code(address))
    assert cv2.QRCodeDetector().detectAndDecode(code)[0] == address
    assert (code[:24] == 255).all() and (code[:, :24] == 255).all()


def test_a_token_is_made_where_one_is_needed(live):
    loopback = WebView(live, "127.0.0.1", 0)
    everywhere = [WebView(live, "0.0.0.0", 0) for _ in range(2)]
    try:
        assert "token" not in loopback.url
        tokens = [view.url.partition("?token=")[2] for view in everywhere]
        assert min(map(len, tokens)) >= 20 and tokens[0] != tokens[1]
        assert not everywhere[0].url.startswith("http://0.0.0.0")
    finally:
        for view in (loopback, *everywhere):
            view.stop()


def test_token_guards_loopback_too(live):
    with WebView(live, "127.0.0.1", 0, TOKEN) as view:
        assert view.url.endswith(f"/?token={TOKEN}")
        assert Client(view).get("/status.json")[0] == 403
        assert Client(view).get(f"/status.json?token={TOKEN}")[0] == 200


@pytest.mark.parametrize("token", ["", "short", "with space", "semi;colon", "l\u00e4nger-als-acht"])
def test_tokens_that_do_not_fit_are_refused(live, token):
    with pytest.raises(SettingError, match="8 to 128 letters"):
        WebView(live, "127.0.0.1", 0, token)


def test_a_port_that_is_taken_is_told_in_one_line(view, live):
    port = urlsplit(view.url).port
    with pytest.raises(SettingError, match=f"in use.*Received: 127.0.0.1:{port}$"):
        WebView(live, "127.0.0.1", port)
    with pytest.raises(SettingError, match="Received: 127.0.0.1:70000$"):
        WebView(live, "127.0.0.1", 70000)
    with pytest.raises(SettingError, match="Received: no.such.host.invalid:0$"):
        WebView(live, "no.such.host.invalid", 0)
