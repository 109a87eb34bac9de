"""Presets of the Hugging Face Hub, against a hub on this machine."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")

import huggingface_hub
from huggingface_hub import constants

from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference import metadata, presets
from keras_portrait.inference.addresses import cache
from keras_portrait.inference.addresses import hub as hub_module
from keras_portrait.inference.metadata import read_metadata
from preset_hub import TOKEN, Hub, files_of, served
from tiny_preset import write_noise_preset, write_tiny_preset

ADDRESS = "hf://user/tiny"


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Files of a sound preset, by name."""
    return files_of(write_tiny_preset(tmp_path_factory.mktemp("pushed") / "tiny"))


@pytest.fixture(autouse=True)
def cached(tmp_path, monkeypatch):
    """The cache folder of this test."""
    monkeypatch.setenv("KERAS_PORTRAIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def point_to(endpoint, monkeypatch):
    """Does what HF_ENDPOINT does where the package is not imported yet."""
    path = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + path)


@pytest.fixture(autouse=True)
def alone(server, monkeypatch, tmp_path):
    """Has the package ask this hub, and nothing of this user's."""
    point_to(server.address, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "theirs"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def hub(server, tiny):
    """A hub with one preset, user/tiny."""
    server.hub = Hub()
    server.hub.add("user/tiny", {**tiny, ".gitattributes": b"*.tflite filter=lfs\n"})
    return server.hub


def refused(cached, address=ADDRESS, kind=InputError):
    """The line by which an address is refused; sees to it that nothing is kept."""
    with pytest.raises(kind) as error:
        presets.load_preset(address)
    assert not list(cached.glob("presets/*"))
    text = str(error.value)
    assert f"Received: {address}" in text or f" {address}" in text.partition("Received: ")[2]
    return text


def test_a_preset_is_fetched_once_and_found_without_the_hub(hub, tiny, monkeypatch, server):
    assert presets.load_preset(ADDRESS).metadata.name == "tiny"
    folder = presets.find_preset(ADDRESS)
    assert files_of(folder) == tiny
    assert hub.asked.count("GET /api/models/user/tiny/revision/main") == 1
    hub.asked.clear()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert presets.load_preset(ADDRESS).metadata.name == "tiny" and hub.asked == []
    with pytest.raises(MissingExtra, match=r'"keras-portrait\[hub\]". Received: hf://user/other'):
        presets.load_preset("hf://user/other")


def test_get_asks_again_and_what_is_drawn_with_stays(hub, tiny, tmp_path):
    first = presets.find_preset(ADDRESS)
    text = tiny["portrait.json"].replace(b"the mean of", b"a mean of")
    hub.add("user/tiny", {**tiny, "portrait.json": text})
    assert presets.find_preset(ADDRESS) == first
    second = presets.fetch_preset(ADDRESS)
    assert read_metadata(second).description == "a mean of red, green and blue"
    assert presets.find_preset(ADDRESS) == second and files_of(first) == tiny
    assert presets.fetch_preset(ADDRESS) == second
    assert [entry.address for entry in cache.list_cached()] == [ADDRESS]


def test_a_branch_and_a_commit(hub, tiny):
    text = tiny["portrait.json"].replace(b'"name": "tiny"', b'"name": "small"')
    commit = hub.add("user/tiny", {**tiny, "portrait.json": text}, "small/one")
    for revision in ("small/one", commit):
        assert presets.load_preset(f"{ADDRESS}@{revision}").metadata.name == "small"
    assert presets.load_preset(ADDRESS).metadata.name == "tiny"
    names = [entry.address for entry in cache.list_cached()]
    assert names == sorted([ADDRESS, f"{ADDRESS}@{commit}", f"{ADDRESS}@small/one"])


def test_private_presets_need_a_token(hub, cached, monkeypatch):
    hub.private.add("user/tiny")
    assert "you are not let in. Expected a public one, or one that `hf auth" in refused(cached)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert presets.load_preset(ADDRESS).metadata.name == "tiny"


def test_what_is_not_there(hub, cached):
    assert "no such preset on the hub" in refused(cached, "hf://user/none")
    assert "has no such revision" in refused(cached, f"{ADDRESS}@none")
    text = refused(cached, "hf://user/a--b", SettingError)
    assert "Not a name of a repository. Expected hf://user/name." in text


@pytest.mark.parametrize("name", ["tiny.tflite", "portrait.json", "README.md"])
def test_a_hub_that_lies_about_a_checksum(hub, tiny, cached, name):
    hub.sent[name] = tiny[name][:-1] + b"!"
    text = refused(cached)
    assert "sends another file than its list says. Expected the checksum and the length" in text
    assert f"Received: {name} from {ADDRESS}" in text


@pytest.mark.parametrize("name", ["tiny.tflite", "README.md"])
def test_a_hub_that_sends_more_or_less_than_it_lists(hub, tiny, cached, name):
    hub.sent[name] = tiny[name] * 1000
    assert f"Received: {name} from {ADDRESS}" in refused(cached)
    hub.sent[name] = tiny[name][:-1]
    assert f"Received: {name} from {ADDRESS}" in refused(cached)


def test_a_hub_that_lies_about_a_commit(hub, tiny, cached):
    commit = hub.find("user/tiny", "main")[0]
    hub.add("user/tiny", tiny, "other")
    hub.commit = "0" * 40
    text = refused(cached, f"{ADDRESS}@{commit}")
    assert f"another commit. Expected {commit}. Received: {'0' * 40} from" in text
    hub.commit = "../../main"
    assert "answers with another commit." in refused(cached)


@pytest.mark.parametrize("etag", ["/../../../../../../up", "/etc/up", "x/../../../../../up", ".."])
def test_a_hub_whose_tags_climb_out(hub, tiny, tmp_path, etag):
    hub.etag = etag
    with contextlib.suppress(InputError):
        assert files_of(presets.find_preset(ADDRESS)) == tiny
    found = [path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")]
    assert set(found) <= {"cache", "theirs"}
    kept = [path.name for path in (tmp_path / "cache" / "presets").iterdir()]
    assert len(kept) in (0, 2) and not [name for name in kept if "up" in name or "part" in name]


@pytest.mark.parametrize("scheme", ["file", "ftp"])
def test_a_hub_that_leads_on_to_another_scheme(hub, cached, scheme):
    hub.moved = f"{scheme}://127.0.0.1/etc/"
    assert "protocol" in refused(cached)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"train.py": b"import os\n"}, "and no other files. Received: train.py in hf://user/tiny"),
        ({"more/a.md": b"more"}, "and no other files. Received: more/a.md in"),
        ({"../up.md": b"up"}, "and no other files. Received: ../up.md in"),
        ({"pytorch_model.bin": b"\x80"}, "and no other files. Received: pytorch_model.bin in"),
        ({"b.tflite": b"model"}, "A preset has one model, a .tflite file. Received: 2 in"),
        ({"tiny.tflite": None}, "A preset has one model, a .tflite file. Received: hf://"),
        ({"portrait.json": None}, "The preset lacks portrait.json."),
        ({"portrait.json": b"[]"}, "The metadata is not a JSON object. Received: hf://user/tiny/p"),
    ],
)
def test_repositories_that_hold_no_preset(hub, tiny, cached, change, words):
    files = {name: data for name, data in (tiny | change).items() if data is not None}
    hub.add("user/tiny", files)
    assert words in refused(cached)
    if "portrait.json" not in change:
        assert not [line for line in hub.asked if "resolve" in line]  # nothing was fetched


def test_files_beyond_the_bounds_are_not_fetched(hub, cached):
    hub.sizes["tiny.tflite"] = metadata.MOST_MODEL + 1
    text = refused(cached)
    assert "too large. Expected at most 1073741824 bytes. Received: 1073741825 bytes in" in text
    hub.sizes = {"README.md": 2**25 + 1}
    assert "bytes in README.md of hf://user/tiny" in refused(cached)
    hub.sizes = {"README.md": None}
    assert "The server does not answer as the hub does" in refused(cached)
    assert not [line for line in hub.asked if "resolve" in line]


def test_a_model_that_is_not_the_one_of_its_contract(hub, tiny, cached):
    model = bytearray(tiny["tiny.tflite"])
    model[100] ^= 1
    hub.add("user/tiny", {**tiny, "tiny.tflite": bytes(model)})
    assert "its sha256 differs" in refused(cached)


def test_offline_it_says_what_is_cached(hub, cached, monkeypatch):
    point_to("http://127.0.0.1:9", monkeypatch)
    assert "(Connection refused). No preset is cached. Received: " in refused(cached)
    entry = cache.Cached(ADDRESS, cached)
    monkeypatch.setattr(cache, "list_cached", lambda: [entry])
    assert f"Cached are: {ADDRESS}. Received: hf://a/b" in refused(cached, "hf://a/b")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "(HF_HUB_OFFLINE is set). Cached are: " in refused(cached, "hf://a/b")


def test_servers_that_are_no_hub(hub, cached, server, monkeypatch):
    hub.status = 500
    assert "The hub answers with status 500." in refused(cached)
    hub.status = 200
    assert "The server does not answer as the hub does" in refused(cached)


def test_push_and_get(hub, tmp_path, portrait, monkeypatch, cached):
    folder = write_tiny_preset(tmp_path / "mine")
    (folder / "notes.doc").write_text("mine")
    (folder / "report").mkdir()
    code, out, err = portrait("presets", "push", folder, "hf://user/mine")
    assert (code, out) == (2, "") and "user/mine" not in hub.repositories
    assert err == (
        "portrait: The hub answers with status 401. Expected a token: `hf auth login` or HF_TOKEN. "
        "Received: hf://user/mine\n"
    )
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    code, out, err = portrait("presets", "push", folder, "hf://user/mine", "--private")
    commit, files = hub.find("user/mine", "main")
    assert (code, out) == (0, f"hf://user/mine@{commit}\n")
    assert err == "portrait: left out, as no part of a preset: notes.doc, report\n"
    assert sorted(files) == [".gitattributes", "README.md", "portrait.json", "tiny.tflite"]
    assert files["tiny.tflite"] == (folder / "tiny.tflite").read_bytes()
    assert files["README.md"].decode() == (
        "---\nlibrary_name: keras-portrait\npipeline_tag: image-to-image\ntags:\n- tflite\n---\n\n"
        "The mean of red, green and blue.\n"
    )
    assert "user/mine" in hub.private
    assert presets.load_preset(out.strip()).metadata == read_metadata(folder)


def test_push_replaces_what_was_there(hub, tmp_path, portrait, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add("user/tiny", {"old.tflite": b"old", "worst.png": b"old", ".gitattributes": b""})
    folder = write_noise_preset(tmp_path / "noise")
    assert portrait("presets", "push", folder, ADDRESS)[0] == 0
    files = hub.find("user/tiny", "main")[1]
    assert sorted(files) == [".gitattributes", "README.md", "portrait.json", "tiny.tflite"]
    assert b"pipeline_tag: unconditional-image-generation" in files["README.md"]
    assert files["README.md"].endswith(b"# noise\n\n\n")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    assert portrait("presets", "push", folder, ADDRESS)[0] == 0
    assert hub.find("user/tiny", "main")[1]["README.md"] == b"---\nlicense: mit\n---\n"


def test_what_is_not_pushed(hub, tmp_path, portrait, monkeypatch, tiny):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    folder = write_tiny_preset(tmp_path / "mine")

    def push(place, address):
        code, out, err = portrait("presets", "push", place, address)
        assert (code, out) == (2, "") and err.count("\n") == 1
        return err

    web = f"https://host/a.zip#sha256={'0' * 64}"
    assert "are put on the hub alone. Expected hf://user/name." in push(folder, web)
    assert "Expected a folder that holds portrait.json." in push(folder / "tiny.tflite", ADDRESS)
    assert "No such preset." in push(tmp_path / "none", ADDRESS)
    hub.add("user/tiny", {**tiny, "train.py": b""})
    assert "The repository holds other things" in push(folder, ADDRESS)
    model = bytearray((folder / "tiny.tflite").read_bytes())
    model[100] ^= 1
    (folder / "tiny.tflite").write_bytes(model)
    hub.asked.clear()
    assert "its sha256 differs" in push(folder, ADDRESS) and hub.asked == []


@pytest.mark.slow
def test_the_variables_of_the_hub_are_its_own(hub, server, tmp_path, cached):
    """In a process of its own, where the package reads its variables as it is imported."""
    told = {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": ""}
    code = (
        "import sys; from keras_portrait.inference import presets; "
        "assert 'huggingface_hub' not in sys.modules; print(presets.find_preset(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ADDRESS],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{presets.find_preset(ADDRESS)}\n"
    assert json.loads(next((cached / "presets").glob("*.json")).read_text())["address"] == ADDRESS


def test_the_package_is_as_it_was_afterwards(hub):
    import logging

    level = logging.getLogger("huggingface_hub").level
    presets.find_preset(ADDRESS)
    assert logging.getLogger("huggingface_hub").level == level
    assert not huggingface_hub.utils.are_progress_bars_disabled()
    assert hub_module._first_line(OSError("[Errno 5] a?b=c d\ne")) == "a d"


def test_a_damaged_preset_is_mended(hub, tiny):
    folder = presets.find_preset(ADDRESS)
    (folder / "tiny.tflite").unlink()
    with pytest.raises(InputError, match="names is missing"):
        presets.load_preset(ADDRESS)
    assert presets.fetch_preset(ADDRESS) == folder and files_of(folder) == tiny
    shutil.rmtree(folder)
    assert presets.find_preset(ADDRESS) == folder and files_of(folder) == tiny
