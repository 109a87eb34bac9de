"""The service draws what `Stylizer` draws, and refuses the rest in one line."""

import io
import re
import threading

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from conftest import EXAMPLE
from drawing_service import form, serving
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import encode_image, read_image
from keras_portrait.inference.style import style_vector
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.inference.svg import portrait_svg
from keras_portrait.serve import photos
from keras_portrait.serve.app import create_app
from keras_portrait.serve.settings import Settings
from mutated_pictures import CRAFTED, picture_case
from tiny_preset import (
    write_colour_preset,
    write_noise_preset,
    write_tiny_preset,
    write_whole_preset,
)

PHOTO = EXAMPLE.read_bytes()


@pytest.fixture
def settings(tiny_preset):
    return Settings(presets=(str(tiny_preset),))


def png(*shape: int) -> bytes:
    return encode_image(np.full((*shape, 3), (200, 100, 50), np.uint8))


@pytest.mark.parametrize(
    "query, options",
    [
        ("", {}),
        ("style=bold", {"style": "bold"}),
        ("style=thin:0.7,bold:0.3&crop=true", {"style": "thin:0.7,bold:0.3", "crop": True}),
        ("whole=1", {"whole": True}),
        ("faces=all&background=keep", {"faces": "all", "background": "keep"}),
        ("preset=tiny&crop=1&faces=all", {"crop": True, "faces": "all"}),
    ],
)
def test_drawings_are_those_of_the_stylizer_to_the_bit(settings, tiny_preset, query, options):
    expected = Stylizer(tiny_preset)(PHOTO, **options)
    with serving(settings) as client:
        answer = client.post(f"/draw?{query}", PHOTO)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
        assert answer.body == expected
        sent = client.send_form(f"/draw?{query}", ("file", "me.jpg", PHOTO))
        assert sent.body == expected
        assert "X-Portrait-Warning" not in answer.headers


def test_jpeg_and_svg_are_those_of_the_command(settings, tiny_preset):
    stylizer = Stylizer(tiny_preset)
    drawing = stylizer(read_image(EXAMPLE), style="bold", crop=True)
    with serving(settings) as client:
        answer = client.post("/draw?style=bold&crop=1&format=jpeg", PHOTO)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.body == encode_image(drawing, ".jpg")
        pytest.importorskip("vtracer")
        answer = client.post("/draw?style=bold&crop=1&format=svg", PHOTO)
        assert answer.headers["Content-Type"] == "image/svg+xml"
        vector = style_vector("bold", stylizer.metadata.styles)
        assert answer.body == portrait_svg(drawing, stylizer.metadata, vector)
        assert b"<title>Portrait in the style bold</title>" in answer.body


def test_many_at_once_give_the_same_bits(settings, tiny_preset):
    expected, got = Stylizer(tiny_preset)(PHOTO), []
    with serving(settings) as client:
        threads = [
            threading.Thread(target=lambda: got.append(client.post("/draw", PHOTO).body))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == [expected] * 6


def test_presets_health_and_the_page(settings, tiny_preset):
    tiny = {"name": "tiny", "description": "the mean of red, green and blue", "default": True}
    tiny |= {"styles": ["thin", "bold"], "colour": False, "size": 64}
    with serving(settings) as client:
        assert client.get("/presets").json == [tiny]
        assert client.get("/health").json["status"] == "ok"
        paths = client.get("/openapi.json").json["paths"]
        assert set(paths) == {"/draw", "/presets", "/health", "/metrics"}
        assert set(paths["/draw"]) == {"post", "get"}
        # FastAPI's pages load scripts from elsewhere.
        assert client.get("/docs").status == client.get("/redoc").status == 404
        page = client.get("/")
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert "unsafe" not in policy and "//" not in policy
        assert not re.findall(rb"(?:src|href)=[\"']?(?:https?:)?//", page.body)


def test_all_presets_of_the_package_that_draw_photos_are_offered():
    app = create_app(Settings())
    assert app.title == "keras-portrait"
    from keras_portrait.serve.studio import offered_presets

    names = list(offered_presets(()))
    assert names[0] == "portrait"
    assert {"fast", "fine", "artists", "filter:ink", "filter:engraving"} < set(names)
    assert "avatars" not in names and len(names) == len(set(names))


def test_presets_that_cannot_be_served(tmp_path):
    for folder in ("one", "two"):
        write_tiny_preset(tmp_path / folder)
    both = tuple(str(tmp_path / folder) for folder in ("one", "two"))
    with pytest.raises(SettingError, match="^Two presets have one name.*one and .*two$"):
        create_app(Settings(presets=both))
    noise = write_noise_preset(tmp_path / "noise")
    with pytest.raises(SettingError, match="^The preset makes pictures out of noise"):
        create_app(Settings(presets=(str(noise),)))
    with pytest.raises(SettingError, match="^No such preset"):
        create_app(Settings(presets=("prtrait",)))
    (tmp_path / "one" / "portrait.json").write_text("{")
    with pytest.raises(InputError):
        create_app(Settings(presets=both[:1]))


@pytest.mark.parametrize(
    "query, status, words",
    [
        ("preset=tinny", 404, 'No such preset. Did you mean "tiny"? Received: tinny'),
        ("preset=/etc", 404, "No such preset."),
        ("style=bald", 422, 'No such style. Did you mean "bold"?'),
        ("style=7", 422, "The preset has 2 style(s), counted from 0: thin, bold. Received: 7"),
        ("stile=bold", 422, "No such option."),
        ("crop=1&whole=1", 422, "Choose either crop or whole. Received: both"),
        ("crop=perhaps", 422, "crop: "),
        ("faces=some", 422, "faces: "),
        ("background=red", 422, "background: "),
        ("format=gif", 422, "format: "),
        ("format=svg&background=keep", 422, "An SVG file holds lines alone"),
        ("style=" + "x" * 300, 422, "style: "),
        ("style=a%0Ab", 422, "No such style."),
        ("url=http://a.b/c", 422, "No such option."),
    ],
)
def test_wrong_options_are_one_line(settings, query, status, words):
    with serving(settings) as client:
        answer = client.post(f"/draw?{query}", PHOTO)
        assert answer.status == status
        assert answer.error.startswith(words)
        assert len(answer.error) < 300


def test_colour_is_no_svg(tmp_path):
    preset = write_colour_preset(tmp_path / "colour")
    with serving(Settings(presets=(str(preset),))) as client:
        answer = client.post("/draw?format=svg", PHOTO)
        assert answer.status == 422 and "in colour" in answer.error


def test_whole_pictures_keep_their_background_as_svg(settings, tmp_path):
    pytest.importorskip("vtracer")
    preset = write_whole_preset(tmp_path / "pictures")
    query = "/draw?format=svg&background=keep"
    with serving(settings) as client:
        assert "lines alone" in client.post(query, PHOTO).error
    with serving(Settings(presets=(str(preset),))) as client:
        assert client.post(query, PHOTO).status == 200


def big_jpeg() -> bytes:
    buffer = io.BytesIO()
    read = Image.open(io.BytesIO(PHOTO))
    read.resize((2 * read.width, 2 * read.height)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_sizes_are_bounded(tiny_preset, monkeypatch):
    height, width = read_image(EXAMPLE).shape[:2]
    settings = Settings(presets=(str(tiny_preset),), most_pixels=height * width)
    with serving(settings) as client:
        refused = client.post("/draw?whole=1", png(height, width + 1))
        assert refused.status == 413 and "million pixels" in refused.error
        assert client.post("/draw?whole=1", png(height, width)).status == 200
        # As `read_image` does with JPEG files above its own bound.
        reduced = client.post("/draw", big_jpeg())
        assert read_image(reduced.body).shape == (height, width, 3)
        monkeypatch.setattr(photos, "MOST_BYTES", len(PHOTO))
        assert client.post("/draw", PHOTO).status == 200
        for body in (PHOTO + b"x", iter([PHOTO, b"x"])):  # with its length, and in chunks
            refused = client.ask("POST", "/draw", body)
            assert refused.status == 413 and refused.error.startswith("The photo is too large.")


@pytest.mark.parametrize(
    "body, status, words",
    [
        (b"", 400, "The request holds no photo."),
        (b"no picture", 415, "No picture. Expected a JPEG"),
        (b"8BPS\0\1" + bytes(40), 415, "Files of Photoshop cannot be read."),
        (png(64, 64)[:-60], 422, "The picture is broken or cut short"),
        (png(64, 64), 422, "No face found"),
    ],
)
def test_wrong_photos_are_one_line(settings, body, status, words):
    with serving(settings) as client:
        answer = client.post("/draw", body)
        assert answer.status == status and answer.error.startswith(words)
        assert client.post("/draw?whole=1", png(32, 32)).status == 200


def test_wrong_forms_are_one_line(settings):
    file = ("file", "me.jpg", PHOTO)
    with serving(settings) as client:
        for parts, words in (
            ([], "no single file"),
            ([file, file], "no single file"),
            ([file] * 9, "cannot be read (Too many files"),
            ([file, ("style", None, b"bold")], "options stand behind the ?"),
            ([("file", "empty.jpg", b"")], "holds no photo"),
        ):
            answer = client.send_form("/draw", *parts)
            assert answer.status == 400 and words in answer.error, words
        for kind in ("multipart/form-data", "multipart/form-data; boundary=other"):
            answer = client.ask("POST", "/draw", form(file), {"Content-Type": kind})
            assert answer.status == 400 and "form" in answer.error


def test_other_addresses_and_methods_are_one_line(settings):
    with serving(settings) as client:
        assert client.get("/nothing").status == 404
        assert "GET /nothing" in client.get("/nothing").error
        answer = client.ask("DELETE", "/draw")
        assert answer.status == 405 and "DELETE /draw" in answer.error
        assert client.get("/..%2f..%2fetc/passwd").status == 404


def test_what_is_odd_about_a_photo_goes_into_a_header(settings, capfd):
    picture = Image.open(io.BytesIO(PHOTO))
    turned, buffer = picture.transpose(Image.Transpose.ROTATE_180), io.BytesIO()
    turned.save(buffer, "PNG")
    with serving(settings) as client:
        cut = client.post("/draw?whole=1", PHOTO[: len(PHOTO) * 3 // 4])
        assert cut.status == 200
        assert cut.headers["X-Portrait-Warning"].startswith("The JPEG file was cut short: ")
        answer = client.post("/draw", buffer.getvalue())
        assert answer.status == 200
        [told] = answer.headers.get_all("X-Portrait-Warning")
        assert told.startswith("The face is turned by 180 degrees")
        assert "X-Portrait-Warning" not in client.post("/draw", PHOTO).headers
    assert capfd.readouterr() == ("", "")


def test_hostile_pictures_are_drawn_or_refused_in_one_line(tiny_preset, capfd):
    """Small bounds, as an operator may set them: nothing large is unpacked to find out."""
    settings = Settings(presets=(str(tiny_preset),), most_pixels=300_000)
    cases = [*range(0, len(CRAFTED), 6), *range(len(CRAFTED), len(CRAFTED) + 30)]
    counts = {200: 0, 413: 0, 415: 0, 422: 0}
    with serving(settings) as client:
        for index in cases:
            name, data = picture_case(0, index)
            answer = client.post("/draw?whole=1", data)
            assert answer.status in counts or (answer.status, data) == (400, b""), name
            counts[answer.status] = counts.get(answer.status, 0) + 1
            if answer.status != 200:
                assert len(answer.error) < 400, name
        assert client.post("/draw", PHOTO).status == 200
    assert min(counts[status] for status in (200, 413, 422)) > 0, counts
    told = capfd.readouterr()  # libtiff prints remarks of its own
    assert told.out == "" and "Traceback" not in told.err and "Warning" not in told.err


def test_a_fault_is_a_line_too(settings):
    class Faulty:
        metadata = None

        def __call__(self, *_, **__):
            raise ZeroDivisionError("secret")

    with serving(settings, open_stylizer=lambda *_, **__: Faulty()) as client:
        answer = client.post("/draw", PHOTO)
        assert answer.status == 500
        assert answer.error == "A fault of the service (ZeroDivisionError)."
        assert client.metric('portrait_requests_total{status="500"}') == 1
