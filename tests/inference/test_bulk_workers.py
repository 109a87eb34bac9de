import functools
import os
import signal
import subprocess
import sys
import threading
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

import bulk_drawers
from bulk_drawers import PREFIX
from bulk_jobs import draw, files, make_places, manifest
from keras_portrait.errors import InputError
from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.inference.bulk.workers import WorkerPool
from waiting import wait_until


@pytest.fixture
def places(tmp_path):
    return make_places(tmp_path)


@pytest.fixture
def pool():
    """Makes pools and closes them."""
    made = []

    def make(drawer, size=1, **options):
        made.append(WorkerPool(functools.partial(drawer, None), size, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert not any(map(is_alive, one.pids()))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_loses_nothing(places, tmp_path):
    for index in range(12):
        (places[0] / f"{index}.jpg").write_bytes(b"%d" % index)
    (places[0] / "5.jpg").write_bytes(b"kill once in the middle")
    make = functools.partial(bulk_drawers.killed_once, str(tmp_path))
    assert draw(places, make=make, workers=2)[0] == {"drawn": 15}
    assert (tmp_path / "killed").exists()
    names = {row["output"] for row in manifest(places[1])}
    assert len(names) == 15 and {*files(places[1])} == names | {"manifest.jsonl"}
    assert (places[1] / "5.jpg.portrait.png").read_bytes() == PREFIX + b"kill once in the middle"


def test_a_photo_that_kills_every_worker_is_noted_and_costs_no_other(places):
    for index in range(6):
        (places[0] / f"{index}.jpg").write_bytes(b"kill" if index == 2 else b"%d" % index)
    counts, ended = draw(places, make=bulk_drawers.killed_always, workers=2)
    assert counts == {"drawn": 8, "failed": 1}
    assert ended["2.jpg"].reason.endswith("ended at each of 2 tries (exit code -9)")
    [row] = [row for row in manifest(places[1]) if "failed" in row]
    assert row["photo"] == "2.jpg" and row["failed"] == ended["2.jpg"].reason
    assert "2.jpg.portrait.png" not in files(places[1])


def test_a_worker_that_is_killed_while_idle_is_replaced(pool):
    lent = pool(bulk_drawers.plain)
    assert lent.draw(b"first")[0] == PREFIX + b"first"
    [before] = lent.pids()
    os.kill(before, signal.SIGKILL)
    assert lent.draw(b"second")[0] == PREFIX + b"second"
    [after] = lent.pids()
    assert after != before


def test_a_photo_that_never_ends_is_given_up(pool):
    lent = pool(bulk_drawers.killed_always, most_seconds=0.3)
    with pytest.raises(InputError, match=r"each of 2 tries \(longer than 0.3 s\)"):
        lent.draw(b"hang")
    assert lent.draw(b"other")[0] == PREFIX + b"other"


def test_a_worker_survives_a_fault(pool):
    lent = pool(bulk_drawers.killed_always)
    with pytest.raises(InputError, match=r"^ZeroDivisionError: a fault$"):
        lent.draw(b"fault")
    before = lent.pids()
    drawing, seconds, remark = lent.draw(b"x" * 5_000_000)
    assert drawing == PREFIX + b"x" * 5_000_000 and seconds >= 0 and remark == ""
    assert lent.pids() == before


def test_workers_that_do_not_start_stop_the_job(pool, places):
    with pytest.raises(JobStopped, match="No worker process starts.*exit code 7"):
        pool(bulk_drawers.never_ready).draw(b"photo")
    with pytest.raises(JobStopped, match="No worker process starts"):
        draw(places, make=bulk_drawers.never_ready)
    assert not places[1].exists()


def test_a_worker_that_the_system_has_no_room_for_stops_the_job(places, monkeypatch):
    for index in range(3):
        (places[0] / f"{index}.jpg").write_bytes(b"%d" % index)
    (places[0] / "deep" / "last.jpg").write_bytes(b"kill")
    started, start = [], SpawnProcess.start

    def start_once(process):
        if started:
            raise BlockingIOError(11, "no room")
        started.append(process)
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", start_once)
    with pytest.raises(JobStopped, match=r"Cannot start a worker process.*Received: no room"):
        draw(places, make=bulk_drawers.killed_always)
    monkeypatch.undo()
    # At most four photos are on their way at a time.
    finished = sum("output" in row for row in manifest(places[1]))
    assert finished >= 3
    assert draw(places)[0] == {"drawn": 7 - finished, "skipped": finished}


def test_a_thread_that_the_system_has_no_room_for_stops_the_job(places, monkeypatch):
    start = threading.Thread.start

    def start_one(thread):
        if thread.name == "bulk_1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    with pytest.raises(JobStopped, match=r"Cannot start a thread.*4 threads and 1 worker"):
        draw(places)


def test_threads_share_workers_and_closing_ends_them(pool):
    lent = pool(functools.partial(_two, 0.05), size=2)
    drawn = []
    threads = [
        threading.Thread(target=lambda index=index: drawn.append(lent.draw(b"%d" % index)[0]))
        for index in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == sorted(PREFIX + b"%d" % index for index in range(8))
    workers = lent.pids()
    assert len(workers) == 2
    lent.close()
    wait_until(lambda: not any(map(is_alive, workers)), 5)
    with pytest.raises(JobStopped, match="stopped"):
        lent.draw(b"late")


def _two(seconds, options):
    return bulk_drawers.slow(seconds, options)


def start_job(places, seconds=0.2):
    """A job of twenty photos in a process group of its own."""
    for index in range(20):
        (places[0] / f"{index}.jpg").write_bytes(b"%d" % index)
    code = (
        # A shell that runs the tests in the background has them ignore it.
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import functools, bulk_drawers, bulk_jobs\n"
        "from keras_portrait.inference.bulk.job import draw_in_bulk\n"
        f"make = functools.partial(bulk_drawers.slow, {seconds})\n"
        f"draw_in_bulk({str(places[0])!r}, {str(places[1])!r}, bulk_jobs.OPTIONS, workers=2, "
        "make=make)"
    )
    tests = str(Path(__file__).parents[1])
    job = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": tests},
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: (places[1] / "manifest.jsonl").exists(), 20)
    return job


def workers_of(job):
    """Process ids that are left of a job's group."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(pid) for pid, group, state in rows if int(group) == job.pid and "Z" not in state]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_job_that_is_stopped_leaves_what_is_finished(places, sent):
    job = start_job(places)
    # Ctrl-C reaches the workers too.
    os.killpg(job.pid, sent) if sent == signal.SIGINT else job.kill()
    _, err = job.communicate(timeout=30)
    assert (b"KeyboardInterrupt" in err) is (sent == signal.SIGINT)
    wait_until(lambda: not workers_of(job), 20)
    finished = [row["output"] for row in manifest(places[1])]
    assert 0 < len(finished) < 23
    assert all((places[1] / name).read_bytes().startswith(PREFIX) for name in finished)
    drawings = [name for name in files(places[1]) if name.endswith(".png") and name[0] != "."]
    if sent == signal.SIGINT:
        assert sorted(finished) == drawings
    counts = draw(places, make=functools.partial(bulk_drawers.slow, 0))[0]
    assert counts == {"drawn": 23 - len(finished), "skipped": len(finished)}
