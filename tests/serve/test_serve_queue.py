"""How many requests are drawn, wait and are turned away, and how long they may take."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from drawing_service import HeldStylizer, read_answer, serving
from keras_portrait.inference.imaging import encode_image
from keras_portrait.serve import gate, photos
from keras_portrait.serve.settings import Settings
from waiting import wait_until

PHOTO = encode_image(np.full((16, 16, 3), 200, np.uint8))


@pytest.fixture
def held():
    return HeldStylizer()


@pytest.fixture
def settings(tiny_preset):
    return Settings(presets=(str(tiny_preset),), at_once=1, queue=1)


@pytest.fixture
def clients():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_more_than_may_wait_are_asked_to_come_again(settings, held, clients):
    with serving(settings, open_stylizer=held.open) as client:
        drawn = clients.submit(client.post, "/draw", PHOTO)
        assert held.begun.acquire(timeout=10)
        waits = clients.submit(client.post, "/draw", PHOTO)
        wait_until(lambda: client.metric("portrait_waiting") == 1)
        assert client.metric("portrait_drawing") == 1
        # A server that closes while a client sends would cost it the answer.
        for body in (PHOTO, PHOTO + bytes(7_900_000)):
            refused = client.post("/draw", body, Connection="close")
            assert refused.status == 503 and int(refused.headers["Retry-After"]) > 0
            assert refused.error.startswith("Too many requests at once. Expected at most 2.")
        # What costs nothing is answered.
        assert client.get("/health").status == client.get("/presets").status == 200
        held.let_go.release(2)
        assert drawn.result(10).status == waits.result(10).status == 200
        assert drawn.result().body == PHOTO
        held.let_go.release()
        assert client.post("/draw", PHOTO).status == 200
        assert client.metric('portrait_requests_total{status="503"}') == 2
        assert client.metric('portrait_requests_total{status="200"}') >= 3
        assert client.metric("portrait_drawing_seconds_count") == 3
        assert client.metric("portrait_waiting") == client.metric("portrait_drawing") == 0
    assert held.most_at_once == 1


def test_as_many_as_are_wanted_are_drawn_at_once(tiny_preset, held, clients):
    settings = Settings(presets=(str(tiny_preset),), at_once=3, queue=5)
    with serving(settings, open_stylizer=held.open) as client:
        drawn = [clients.submit(client.post, "/draw", PHOTO) for _ in range(8)]
        for _ in range(3):
            assert held.begun.acquire(timeout=10)
        wait_until(lambda: client.metric("portrait_waiting") == 5)
        held.let_go.release(8)
        assert [each.result(10).status for each in drawn] == [200] * 8
    assert held.most_at_once == 3


def test_a_drawing_that_takes_too_long_is_answered_and_keeps_its_slot(tiny_preset, held):
    settings = Settings(presets=(str(tiny_preset),), at_once=1, queue=3, timeout=0.5)
    with serving(settings, open_stylizer=held.open) as client:
        late = client.post("/draw", PHOTO)
        assert late.status == 504
        assert late.error == "The drawing took too long. Expected 0.5 s at most."
        # Its thread goes on, so the next one waits in vain, too, and is never begun.
        assert client.metric("portrait_drawing") == 1
        assert client.post("/draw", PHOTO).status == 504
        assert held.begun.acquire(timeout=1) and not held.begun.acquire(blocking=False)
        held.let_go.release()
        wait_until(lambda: client.metric("portrait_drawing") == 0)
        held.let_go.release()
        assert client.post("/draw", PHOTO).status == 200


def test_who_has_gone_is_not_drawn(settings, held, clients):
    with serving(settings, open_stylizer=held.open) as client:
        drawn = clients.submit(client.post, "/draw", PHOTO)
        assert held.begun.acquire(timeout=10)
        with client.begin(len(PHOTO)) as connection:
            connection.sendall(PHOTO)
            wait_until(lambda: client.metric("portrait_waiting") == 1)
        held.let_go.release()
        assert drawn.result(10).status == 200
        wait_until(lambda: client.metric('portrait_requests_total{status="400"}') == 1)
        assert not held.begun.acquire(blocking=False)


def test_a_client_that_sends_too_slowly_is_let_go(settings, held, monkeypatch):
    monkeypatch.setattr(photos, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(gate, "_DRAINED_SECONDS", 0.05)
    with serving(settings, open_stylizer=held.open) as client:
        with client.begin(len(PHOTO)) as connection:
            connection.sendall(PHOTO[:10])
            answer = read_answer(connection)
            assert answer.status == 408
            assert answer.error.startswith("The photo came too slowly.")
        monkeypatch.undo()
        # Its place is free.
        held.let_go.release()
        assert client.post("/draw", PHOTO).status == 200


def test_a_client_that_hangs_up_frees_its_place(tiny_preset, held):
    settings = Settings(presets=(str(tiny_preset),), at_once=1, queue=0)
    held.let_go.release()
    with serving(settings, open_stylizer=held.open) as client:
        with client.begin(len(PHOTO)):
            wait_until(lambda: client.metric("portrait_waiting") == 1)
            assert client.post("/draw", PHOTO).status == 503
        wait_until(lambda: client.metric("portrait_waiting") == 0)
        assert client.post("/draw", PHOTO).status == 200


def test_who_asks_first_sends_nothing_when_refused(settings, held):
    with serving(settings, open_stylizer=held.open) as client:
        with client.begin(2**40, "/draw", Expect="100-continue") as connection:
            assert connection.recv(12) == b"HTTP/1.1 413"  # and not 100, go on
        with client.begin(len(PHOTO), "/draw?preset=no", Expect="100-continue") as connection:
            assert connection.recv(12) == b"HTTP/1.1 404"


def test_stopping_waits_for_what_is_drawn(settings, held, clients):
    with serving(settings, open_stylizer=held.open) as client:
        drawn = clients.submit(client.post, "/draw", PHOTO)
        assert held.begun.acquire(timeout=10)
        threading.Timer(0.1, held.let_go.release).start()
    assert drawn.result(10).status == 200
