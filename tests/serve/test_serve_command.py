"""`portrait serve` as a process: it begins, says where, and ends without losing a drawing."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from conftest import EXAMPLE
from drawing_service import TOKEN, Client, read_answer
from keras_portrait.inference.metadata import read_metadata, write_metadata
from keras_portrait.inference.stylizer import Stylizer
from waiting import wait_until

PHOTO = EXAMPLE.read_bytes()
_COMMAND = "import sys; from keras_portrait.cli import main; sys.argv[0] = 'portrait'; main()"


@contextlib.contextmanager
def running(*arguments, environment=None):
    """The command as a process; gives it, a client, and the line that it printed."""
    command = [sys.executable, "-c", _COMMAND, "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (environment or {}),
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        client = Client(int(re.search(r":(\d+)/", line)[1]))
        wait_until(lambda: is_answered(client), 60)
        yield process, client, line
    finally:
        process.kill()
        process.communicate()


def is_answered(client: Client) -> bool:
    with contextlib.suppress(OSError):
        return client.get("/health").status == 200
    return False


def is_closed(client: Client) -> bool:
    try:
        socket.create_connection(("127.0.0.1", client.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("sent, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stop_waits_for_the_request_that_is_under_way(tiny_preset, sent, code):
    with running("--preset", tiny_preset) as (process, client, line):
        assert line == f"Drawing at http://127.0.0.1:{client.port}/\n"
        with client.begin(len(PHOTO)) as connection:
            connection.sendall(PHOTO[:1000])
            wait_until(lambda: client.metric("portrait_waiting") == 1)
            process.send_signal(sent)
            wait_until(lambda: is_closed(client))
            connection.sendall(PHOTO[1000:])
            answer = read_answer(connection)
        assert answer.status == 200 and answer.body == Stylizer(tiny_preset)(PHOTO)
        assert process.wait(30) == code
        assert process.stdout.read() == process.stderr.read() == ""


def test_several_workers_share_port_and_metrics_and_end_together(tiny_preset):
    options = ("--preset", tiny_preset, "--workers", 2)
    with running(*options, environment={"TMPDIR": str(tiny_preset)}) as (process, client, _):
        expected = Stylizer(tiny_preset)(PHOTO)
        for number in range(1, 5):
            assert client.post("/draw", PHOTO).body == expected
            # Whichever worker drew, and whichever answers now.
            assert client.metric("portrait_drawing_seconds_count") == number
        assert client.metric("portrait_drawing") == 0
        process.terminate()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
    assert not list(tiny_preset.glob("portrait-serve-*"))


def test_off_loopback_a_token_is_made_and_told_once(tiny_preset):
    with running("--preset", tiny_preset, "--host", "0.0.0.0") as (_, client, line):
        token = re.fullmatch(r"Drawing at http://0\.0\.0\.0:\d+/#token=(\S{32})\n", line)[1]
        assert client.post("/draw", PHOTO).status == 401
        assert client.post("/draw", PHOTO, Authorization=f"Bearer {token}").status == 200


def test_a_token_may_come_from_the_environment_and_is_not_told(tiny_preset):
    environment = {"PORTRAIT_SERVE_TOKEN": TOKEN}
    with running("--preset", tiny_preset, environment=environment) as (_, client, line):
        assert TOKEN not in line
        assert client.get("/presets").status == 401
        assert client.get("/presets", Authorization=f"Bearer {TOKEN}").status == 200


def test_what_is_wrong_is_said_in_one_line(portrait, tiny_preset):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, words in (
            (["--port", port], "portrait: The service cannot listen there (Address already in use"),
            (["--host", "203.0.113.1"], "portrait: The service cannot listen there ("),
            (["--preset", "prtrait"], 'portrait: No such preset. Did you mean "portrait"'),
            (["--preset", "avatars"], "portrait: The preset makes pictures out of noise"),
            (["--token", "short"], "portrait: A token has 16 to 128 letters"),
            (["--allow-url", "http://a.b/"], "portrait: --allow-url: expected a HOST or HOST:PORT"),
        ):
            code, out, err = portrait("serve", "--preset", tiny_preset, *arguments)
            assert (code, out) == (2, "") and err.startswith(words), err
            assert err.count("\n") == 1


def test_a_model_that_does_not_fit_is_refused_before_the_service_begins(portrait, tiny_preset):
    write_metadata(tiny_preset, replace(read_metadata(tiny_preset), size=32))
    code, out, err = portrait("serve", "--port", "0", "--preset", "fast", "--preset", tiny_preset)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("portrait: The model does not fit its metadata")


@pytest.mark.parametrize("option", [("--queue", "-1"), ("--workers", "0"), ("--timeout", "0")])
def test_numbers_have_bounds(portrait, option):
    code, _, err = portrait("serve", *option)
    assert code == 2 and option[0] in err


def test_a_missing_extra_is_named(portrait, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    code, out, err = portrait("serve")
    assert (code, out) == (2, "")
    assert err == (
        "portrait: The service needs fastapi. Install it with: "
        'pip install "keras-portrait[serve]"\n'
    )
