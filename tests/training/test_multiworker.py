"""Training on several workers: the losses of one process, lost workers, and what is refused."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.data.batches import Batches
from keras_portrait.errors import InputError, SettingError
from keras_portrait.models.cartoongan import experiment as cartoongan
from keras_portrait.training import callbacks
from keras_portrait.training import run as training
from keras_portrait.training.checkpoints import list_checkpoints
from keras_portrait.training.distributed import cluster, workers
from keras_portrait.training.distributed.cluster import (
    Cluster,
    Handshake,
    WorkerLost,
    meet,
    read_cluster,
)
from tiny_training import light_features, picture_plan_of, plan_of, state_of, without_tracing

# Seconds after which nobody may still wait for a worker that was killed.
NOTICED = 30
LISTED = {"worker": ["one:2222", "two:2222"]}
FIRST = {"type": "worker", "index": 0}


def config_of(addresses, index):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def free_addresses(count):
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


# ---- TF_CONFIG ----


def test_the_chief_comes_first():
    cluster = {"chief": ["boss:1"], "worker": ["a:1", "b:2"]}
    text = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}})
    found = read_cluster({"TF_CONFIG": text})
    assert found == Cluster(("boss:1", "a:1", "b:2"), 2)
    assert not found.is_chief and found.name == "worker 3 of 3"
    text = json.dumps({"cluster": LISTED, "task": FIRST})
    assert read_cluster({"TF_CONFIG": text}).is_chief


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected TF_CONFIG, such as .* Received: none"),
        ("{", "expected JSON such as .*Received: JSONDecodeError"),
        ("[]", "expected JSON such as .*Received: TypeError"),
        (json.dumps({"cluster": LISTED}), "Received: KeyError"),
        ("[" * 100_000, "Received: RecursionError"),
        (json.dumps({"cluster": {"worker": "one"}, "task": FIRST}), "address host:port"),
        (json.dumps({"cluster": {}, "task": FIRST}), "Received: tasks of no type"),
        (json.dumps({"cluster": LISTED | {"ps": ["x:1"]}, "task": FIRST}), "tasks ps, worker"),
        (json.dumps({"cluster": LISTED, "task": {"type": "worker", "index": 2}}), "worker 2"),
        (json.dumps({"cluster": LISTED, "task": {"type": "chief", "index": 0}}), "chief 0"),
        (json.dumps({"cluster": {"worker": ["one"]}, "task": FIRST}), "Received: one"),
        (json.dumps({"cluster": {"worker": ["a:1", "a:1"]}, "task": FIRST}), "Received: a:1"),
        (json.dumps({"cluster": {"worker": ["a:70000"]}, "task": FIRST}), "Received: a:70000"),
        (json.dumps({"cluster": {"worker": ["a:²"]}, "task": FIRST}), "Received: a:²"),
        (json.dumps({"cluster": [[1, ["a:1"]]], "task": FIRST}), "Received: tasks 1"),
        (json.dumps({"cluster": LISTED, "task": {"type": [], "index": 0}}), r"Received: \[\] 0"),
        ('{"cluster": {}, "task": {"type": "worker", "index": Infinity}}', "OverflowError"),
    ],
)
def test_what_is_no_cluster_is_refused(text, message):
    with pytest.raises(SettingError, match=message) as caught:
        read_cluster({"TF_CONFIG": text})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


# ---- How workers find each other ----


def meet_in_threads(clusters, devices=None, trainings=None, seconds=10):
    """What `meet` raised for each of several workers of this process; None where nothing was."""
    ends = [None] * len(clusters)

    def run(place):
        try:
            count = devices[place] if devices else 1
            meet(clusters[place], count, trainings[place] if trainings else "same", seconds)
        except Exception as error:
            ends[place] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(clusters))]
    for thread in threads:
        thread.start()
        time.sleep(0.1)  # one after the other, as on a cluster
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return ends


def test_workers_meet(no_thread_is_left):
    addresses = tuple(free_addresses(3))
    clusters = [Cluster(addresses, index) for index in range(3)]
    assert meet_in_threads(clusters) == [None] * 3


@pytest.mark.parametrize(
    ("devices", "trainings", "message"),
    [
        ((1, 2), None, "same number of devices on every machine. Received: . here, . at 127"),
        (None, ("a", "b"), "same recipe and pictures for all workers. Received: . here, . at 127"),
    ],
)
def test_workers_that_differ_are_told(no_thread_is_left, devices, trainings, message):
    addresses = tuple(free_addresses(2))
    clusters = [Cluster(addresses, index) for index in range(2)]
    first, second = meet_in_threads(clusters, devices, trainings, seconds=3)
    for error in (first, second):
        assert isinstance(error, SettingError | InputError)
    assert any(isinstance(e, SettingError) and e.args for e in (first, second))
    with pytest.raises(SettingError, match=message):
        raise first


def test_lists_of_other_lengths_are_told(no_thread_is_left):
    addresses = tuple(free_addresses(3))
    first, second = meet_in_threads([Cluster(addresses[:2], 0), Cluster(addresses, 1)], seconds=3)
    with pytest.raises(SettingError, match="same list of workers for all. Received: .* at 127"):
        raise first
    assert isinstance(second, SettingError | InputError)


def test_a_worker_that_does_not_come_is_named(no_thread_is_left):
    addresses = tuple(free_addresses(2))
    started = time.monotonic()
    with pytest.raises(
        InputError, match=f"within 1 seconds.*nothing from {addresses[1]} .*refused"
    ):
        meet(Cluster(addresses, 0), 1, "same", seconds=1)
    assert time.monotonic() - started < 5


def test_something_else_at_a_workers_address_is_no_worker(no_thread_is_left):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        [own] = free_addresses(1)
        other = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"{other} \\("):
            meet(Cluster((own, other), 0), 1, "same", seconds=1)
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize(
    "change", [{"index": 7}, {"index": -1}, {"addresses": [[]]}, {"devices": True}, {"more": 1}]
)
def test_what_is_no_greeting_is_no_worker(change):
    handshake = {"addresses": ["a:1"], "index": 0, "devices": 1, "training": "same"}
    own = Handshake(**handshake)
    here, there = socket.socketpair()
    with here, there:
        there.sendall(json.dumps(handshake).encode() + b"\n")
        assert cluster._exchange(here, own) == own
        there.sendall(json.dumps(handshake | change).encode() + b"\n")
        with pytest.raises(OSError, match="something else"):
            cluster._exchange(here, own)


def test_a_name_that_no_host_can_have_is_told(no_thread_is_left):
    [own] = free_addresses(1)
    other = f"{'a' * 70}:1"
    with pytest.raises(InputError, match=f"nothing from {other} .no name of a host"):
        meet(Cluster((own, other), 0), 1, "same", seconds=0.1)


def test_a_port_in_use_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        own = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"cannot listen .*in use.* Received: {own}"):
            meet(Cluster((own, "127.0.0.1:1"), 0), 1, "same", seconds=1)


# ---- What the command refuses ----


def train_arguments(data, *options):
    return ("train", "dcgan", data, "-s", "data.batch=4", "--strategy", *options)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A prepared folder of 64 px: eight photos and avatars to train on, two of each held back."""
    return write_cartoon_faces(tmp_path_factory.mktemp("faces"), 10, 64)


@pytest.mark.parametrize(
    ("options", "config", "message"),
    [
        (["multiworker"], None, "expected TF_CONFIG"),
        (["multiworker"], "nonsense", "TF_CONFIG: expected JSON"),
        (["multiworker"], config_of(["a:1", "b:1", "c:1"], 0), "divides the batch of 4.*: 3"),
        (["multiworker"], config_of(["a:1", "b:1"], 0), "expected --run-dir"),
        (["multiworker", "--devices", "2"], config_of(["a:1", "b:1"], 0), "--devices: .*: 2"),
        (["everywhere"], None, "--strategy: expected mirrored or multiworker. .*: everywhere"),
    ],
)
def test_the_command_refuses_in_one_line(
    portrait, monkeypatch, faces, tmp_path, options, config, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    code, _, errors = portrait(*train_arguments(faces, *options))
    assert code == 2 and errors.count("\n") == 1
    with pytest.raises(SettingError, match=message):
        raise SettingError(errors)
    assert not (tmp_path / "runs").exists()


def test_workers_that_do_not_come_end_the_command(portrait, monkeypatch, faces, tmp_path):
    addresses = free_addresses(2)
    monkeypatch.setenv("TF_CONFIG", config_of(addresses, 0))
    folder = tmp_path / "run"
    options = ("multiworker", "--run-dir", folder, "--wait", 1)
    code, _, errors = portrait(*train_arguments(faces, *options))
    assert code == 2 and errors.count("\n") == 1 and addresses[1] in errors
    assert not folder.exists()


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(workers.keras.backend, "backend", lambda: "torch")
    with pytest.raises(SettingError, match="TensorFlow backend. Received: multiworker with.*torch"):
        workers.find_devices("multiworker", 1, 1.0)


def test_without_gpus_mirrored_is_one_device():
    assert workers.find_devices("mirrored", 1, 1.0).count == workers.count_gpus()
    assert workers.find_devices("mirrored", 2, 1.0).count == 2


# ---- The parts of a batch; stopping together ----


class Numbers(Batches):
    def batch(self, step):
        return {"number": np.arange(8, dtype=np.float32)[:, None] + 10 * step}


def test_parts_of_a_batch_come_in_order():
    dataset = Numbers(seed=0).for_fit(3, places=(2, 3), devices=4)
    parts = [part["number"][:, 0].tolist() for (part,) in dataset.take(4).as_numpy_iterator()]
    assert parts == [[34, 35], [36, 37], [44, 45], [46, 47]]


@pytest.mark.parametrize("method", ["asymmetric_cycle", "dcgan", "cartoongan"])
def test_a_worker_reads_its_part_of_the_common_batch(faces, drawn_data, tmp_path, method):
    if method == "asymmetric_cycle":
        plan = plan_of(drawn_data, tmp_path / "run", "data.batch=4")
    else:
        more = ["loss.landmarks=1"] if method == "cartoongan" else []
        plan = picture_plan_of(method, faces, tmp_path / "run", "data.batch=4", *more)
    batches = plan.experiment.batches(tmp_path / "run")
    whole, part = batches.batch(5), batches.part(5, range(1, 3))
    assert whole.keys() == part.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(part[name], array[1:3], err_msg=name)


def test_all_stop_where_one_was_asked():
    request = callbacks.StopRequest(exchange=lambda own: [own, 1])
    request.check_stop(1)
    request.consult()
    with pytest.raises(callbacks.TrainingStopped, match="after step 2"):
        request.check_stop(2)


def test_one_that_was_asked_waits_for_the_others():
    request = callbacks.StopRequest(exchange=lambda own: [own, 0])
    request.asked = True
    request.check_stop(1)  # the others do not know it yet
    request.consult()
    with pytest.raises(callbacks.TrainingStopped):
        request.check_stop(1)


# ---- Real workers ----


class Pair:
    """Two workers, each a process of its own, on loopback."""

    def __init__(self, method, data, folder, *options, environments=({}, {})):
        addresses = free_addresses(2)
        script = Path(__file__).parents[1] / "worker.py"
        command = [sys.executable, str(script), method, str(data), str(folder), *options]
        self.processes = [
            subprocess.Popen(
                [*command, "--strategy", "multiworker"],
                cwd=script.parent,
                env={**os.environ, "TF_CONFIG": config_of(addresses, index), **environments[index]},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for index in range(2)
        ]

    def wait(self):
        """Exit codes and what was written to stderr."""
        try:
            errors = [one.communicate(timeout=400)[1] for one in self.processes]
        finally:
            for one in self.processes:
                one.kill()
        return [one.returncode for one in self.processes], errors


@pytest.fixture
def alone(faces, drawn_data, tmp_path, light, monkeypatch):
    """Trains the same in this process, and returns the run folder."""
    monkeypatch.setattr(cartoongan, "VGGFeatures", light_features)
    without_tracing(monkeypatch)

    def run(method, *overrides, folder=tmp_path / "alone"):
        if method == "asymmetric_cycle":
            plan = plan_of(drawn_data, folder, "data.batch=4", *overrides)
        else:
            plan = picture_plan_of(method, faces, folder, "data.batch=4", *overrides)
        return training.train(plan, verbose=0)

    return run


def losses_of(folder):
    """The losses of each epoch; accuracies aside, where a patch may fall on either side."""
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    aside = ("phase", "seconds", "loading_share")
    return [
        {k: v for k, v in row.items() if k not in aside and not k.endswith("_accuracy")}
        for row in rows
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("asymmetric_cycle", ["-s", "train.pool=0"]),
        ("dcgan", []),
        ("cyclegan", []),  # with its pools, which hold the fakes of both workers
        ("cartoongan", ["-s", "train.pool=0"]),
    ],
)
def test_two_workers_report_the_losses_of_one_process(
    faces, drawn_data, tmp_path, alone, method, options
):
    data = drawn_data if method == "asymmetric_cycle" else faces
    codes, errors = Pair(method, data, tmp_path / "two", *options).wait()
    assert codes == [0, 0], errors
    rows, others = losses_of(tmp_path / "two"), losses_of(alone(method, *options[1:]))
    assert len(rows) == len(others) >= 2
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, rel=0.01)
    assert (tmp_path / "two" / "generator.keras").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_worker_is_noticed_and_all_go_on_from_the_checkpoint(faces, tmp_path, alone):
    folder = tmp_path / "two"
    options = ("-s", "train.steps_per_epoch=4", "-s", "train.checkpoint_steps=2")
    # First one that follows, then the chief.
    for killed, step, kept in ((1, 3, [0, 2]), (0, 6, [2, 4])):
        environments = [{}, {}]
        environments[killed] = {"KILL_AT": f"{step}"}
        pair = Pair("dcgan", faces, folder, *options, environments=environments)
        pair.processes[killed].wait(timeout=400)
        died = time.monotonic()
        codes, errors = pair.wait()
        assert time.monotonic() - died < NOTICED
        survivor = 1 - killed
        assert codes[killed] == -signal.SIGKILL, errors
        assert codes[survivor] == WorkerLost.exit_code, errors
        lines = [line for line in errors[survivor].splitlines() if line.startswith("portrait: ")]
        assert len(lines) == 1 and "another worker ended" in lines[0]
        assert "Traceback" not in errors[survivor]
        assert [checkpoint.step for checkpoint in list_checkpoints(folder)] == kept
    codes, errors = Pair("dcgan", faces, folder, *options).wait()
    assert codes == [0, 0], errors
    assert all("goes on after step 4" in text for text in errors)
    # The line of the first epoch is about what was left of it.
    assert losses_of(folder)[1] == pytest.approx(losses_of(alone("dcgan", *options[1::2]))[1], 0.01)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_stopped_on_one_worker_it_goes_on_with_another_number(faces, tmp_path, alone):
    folder = tmp_path / "two"
    options = ("-s", "train.steps_per_epoch=3")
    environments = [{}, {"SIGNAL_AT": "2"}]
    codes, errors = Pair("cyclegan", faces, folder, *options, environments=environments).wait()
    assert codes == [130, 130], errors
    assert all("after step 2; the same command goes on" in text for text in errors)
    assert list_checkpoints(folder)[-1].step == 2
    alone("cyclegan", *options[1::2], folder=folder)
    whole = alone("cyclegan", *options[1::2])
    assert losses_of(folder)[1] == pytest.approx(losses_of(whole)[1], 0.01)
    last = [state_of(list_checkpoints(run)[-1]) for run in (whole, folder)]
    pools = [name for name, value in last[0].items() if value.shape == (2, 32, 32, 3)]
    assert len(pools) == 2
    for name in pools:
        assert last[0][name].any()
        np.testing.assert_allclose(last[1][name], last[0][name], atol=0.02)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_run_folders_that_are_not_shared_are_refused(faces, tmp_path):
    folder = tmp_path / "run"
    pair = Pair("dcgan", faces, folder, environments=({}, {"OTHER_DISK": "1"}))
    codes, errors = pair.wait()
    assert codes == [2, 2], errors
    assert all("expected a run folder on a disk that all workers share" in e for e in errors)
