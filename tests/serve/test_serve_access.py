"""Who is answered: tokens, names of this machine, pages of others."""

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from drawing_service import TOKEN, serving
from keras_portrait.errors import SettingError
from keras_portrait.inference.imaging import encode_image
from keras_portrait.serve.access import Access, is_loopback
from keras_portrait.serve.settings import Settings

PHOTO = encode_image(np.full((16, 16, 3), 200, np.uint8))
DRAW = "/draw?whole=1"


def test_a_token_is_needed_where_one_is_set(tiny_preset):
    # Listens on loopback here, and behaves as it does for others.
    settings = Settings("0.0.0.0", TOKEN, (str(tiny_preset),))
    with serving(settings) as client:
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.post(DRAW, PHOTO, **right).status == 200
        assert client.post(DRAW, PHOTO, Authorization=f"bearer {TOKEN}").status == 200
        for wrong in (
            {},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": f"Bearer {TOKEN[:-1]}"},
            {"Authorization": TOKEN},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer \xe4"},
            {"Cookie": f"token={TOKEN}"},
        ):
            answer = client.post(DRAW, PHOTO + bytes(500_000), **wrong)
            assert answer.status == 401 and TOKEN not in answer.error
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert client.get(f"/presets?token={TOKEN}").status == 401
        assert client.get("/metrics").status == client.get("/draw?url=http://a/").status == 401
        assert client.get("/metrics", **right).status == 200
        # These tell nothing secret.
        for path in ("/", "/health", "/openapi.json"):
            answer = client.get(path)
            assert answer.status == 200 and TOKEN.encode() not in answer.body
        # By whatever name and page, since the token protects: a proxy may change the first.
        named = {"Host": "example.org", "Origin": "https://example.com"}
        assert client.get("/presets", **named, **right).status == 200


def test_on_loopback_pages_of_others_are_not_answered(tiny_preset):
    with serving(Settings(presets=(str(tiny_preset),))) as client:
        for name in ("localhost", "127.0.0.1:80", "[::1]:80"):
            assert client.get("/presets", Host=name).status == 200
        for name in ("example.org", "localhost.example.org", "10.0.0.1"):
            assert client.get("/presets", Host=name).status == 403
            assert client.get("/", Host=name).status == 403
        mine, other = {"Host": "localhost:80"}, "http://example.org"
        assert client.post(DRAW, PHOTO, Origin="http://localhost:80", **mine).status == 200
        for wrong in (
            {"Origin": other},
            {"Origin": "null"},
            {"Origin": "http://localhost:81"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            answer = client.post(DRAW, PHOTO, **mine, **wrong)
            assert answer.status == 403
            assert answer.error == "Pages of other sites are not answered."
        assert client.post(DRAW, PHOTO, **{"Sec-Fetch-Site": "same-origin"}).status == 200


def test_every_answer_says_what_a_browser_must_not_do(tiny_preset):
    with serving(Settings(presets=(str(tiny_preset),))) as client:
        for answer in (client.post(DRAW, PHOTO), client.get("/no"), client.get("/health")):
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "Access-Control-Allow-Origin" not in answer.headers


def test_off_loopback_there_is_always_a_token():
    assert Access("127.0.0.1").token is None
    assert Access("::1", TOKEN).token == TOKEN
    made = Access("0.0.0.0").token
    assert len(made) >= 32 and made != Access("0.0.0.0").token
    for wrong in ("short", "with a space in it!", "x" * 129, ""):
        with pytest.raises(SettingError, match="^A token has 16 to 128 letters"):
            Access("127.0.0.1", wrong)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback(host):
    assert is_loopback(host)
    assert not is_loopback(host + ".example.org")
