"""What `portrait web` writes, and what it refuses."""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import time
from dataclasses import replace

import pytest

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.evaluation.identity.weights import WEIGHTS
from keras_portrait.inference.addresses.npm_files import NpmFiles
from keras_portrait.inference.metadata import read_metadata, write_metadata
from keras_portrait.inference.presets import BUILT_IN
from keras_portrait.web import runtime, site
from web_site import NO_RUNTIME, write_site_without_runtime


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The page with a few bytes in place of the runtime."""
    folder = tmp_path_factory.mktemp("web") / "new" / "page"
    write_site_without_runtime(folder)
    return folder


@pytest.fixture
def light_runtime(monkeypatch):
    monkeypatch.setattr(site, "read_runtime", lambda: NO_RUNTIME)


def files_of(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_list_names_every_file_with_its_size(out):
    listed = json.loads((out / "site.json").read_text())["files"]
    assert set(listed) | {"site.json"} == files_of(out)
    assert all((out / name).stat().st_size == size for name, size in listed.items())
    wanted = {"index.html", "worker.js", "service-worker.js", "portrait.webmanifest"}
    wanted |= {"inference/stylizer.js", "models/pnet.tflite", "models/selfie_segmentation.tflite"}
    assert wanted <= set(listed)


def test_the_models_are_those_of_the_package_and_their_list_says_so(out):
    index = json.loads((out / "models" / "index.json").read_text())
    assert [preset["name"] for preset in index["presets"]] == list(site.PRESETS)
    for preset in index["presets"]:
        mine, theirs = out / "models" / "presets" / preset["name"], BUILT_IN / preset["name"]
        for name in ("portrait.json", "generator.tflite"):
            assert (mine / name).read_bytes() == (theirs / name).read_bytes()
        assert preset["styles"] == list(read_metadata(theirs).styles)
    models = {name for name in files_of(out) if name.startswith("models/")}
    assert set(index["files"]) == models - {"models/index.json"}
    for name, facts in index["files"].items():
        data = (out / name).read_bytes()
        assert facts == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_the_page_holds_its_english_texts_and_names_no_other_host(out):
    page = (out / "index.html").read_text()
    texts = json.loads((out / "texts.json").read_text())["en"]
    for key in re.findall(r'data-text="([^"]+)"', page):
        assert f'data-text="{key}"' in page and texts[key].replace("&", "&amp;") in page
    assert f'aria-label="{texts["take_picture"]}"' in page
    assert texts["privacy"].startswith("Photos never leave this device")
    for name in files_of(out):
        if name.endswith((".html", ".css", ".json", ".webmanifest", ".js")):
            text = (out / name).read_text()
            assert not re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}/", text), name


def test_every_text_is_used_and_every_used_one_exists(out):
    texts = json.loads((out / "texts.json").read_text())["en"]
    scripts = "".join((out / name).read_text() for name in files_of(out) if name.endswith(".js"))
    source = (out / "index.html").read_text() + scripts
    used = set(re.findall(r'data-(?:text|label)="([^"]+)"', source))
    used |= set(re.findall(r'\bsay\("([^"]+)"', source))
    assert used <= set(texts)
    made = ("style.", "preset.", "error.", "facts_", "picture_", "drawn_")
    spare = {key for key in texts if key not in used and not key.startswith(made)}
    assert spare == {"description"}
    codes = set(re.findall(r'(?:PortraitError\(|code:)\s*"([^"]+)"', scripts))
    codes |= set(re.findall(r'Error: "([^"]+)"', scripts))  # of cameras
    assert [code for code in codes if not re.fullmatch("[a-z]+(-[a-z]+)*", code)] == []
    shown_as_failed = {"bad-setting"}
    assert {f"error.{code}" for code in codes - shown_as_failed} <= set(texts)


def test_the_policy_lets_nothing_out(out):
    page = (out / "index.html").read_text()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["form-action"] == rules["base-uri"] == "'none'"
    assert rules["connect-src"] == "'self'"
    allowed = {word for rule in rules.values() for word in rule.split()}
    assert allowed == {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:"}
    assert f'"policy": "{policy}"' in (out / "service-worker.js").read_text()
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=", page)


def test_the_first_load_is_small_and_the_rest_comes_when_needed(out):
    worker = (out / "service-worker.js").read_text()
    shell = set(json.loads(re.search(r'"shell": (\[.*?\])', worker)[1]))
    listed = set(json.loads((out / "site.json").read_text())["files"])
    assert shell <= listed and "models/presets/fast/generator.tflite" in shell
    assert not {n for n in shell if n.startswith(("runtime/", "models/presets/artists/"))}
    assert sum((out / name).stat().st_size for name in shell) < 3_300_000


def test_a_second_call_brings_the_folder_up_to_date(out, light_runtime, tmp_path):
    folder = tmp_path / "page"
    shutil.copytree(out, folder)
    (folder / "CNAME").write_text("mine")
    before = json.loads((folder / "site.json").read_text())
    made = site.write_site(folder, presets=("portrait",))
    assert made.presets == ("portrait",)
    assert not (folder / "models" / "presets" / "fast").exists()
    assert (folder / "CNAME").read_text() == "mine"
    after = json.loads((folder / "site.json").read_text())
    assert set(after["files"]) | {"site.json", "CNAME"} == files_of(folder)
    assert before["version"] != after["version"]
    assert site.write_site(folder, presets=("portrait",)).files == made.files
    assert json.loads((folder / "site.json").read_text()) == after


def test_the_command_says_what_it_wrote(portrait, light_runtime, tmp_path):
    code, told, complained = portrait("web", tmp_path / "out", "--preset", "fast")
    assert (code, complained) == (0, "")
    first, second = told.splitlines()
    assert re.fullmatch(rf"{tmp_path}/out: \d+ files, \d\.\d MB; presets: fast", first)
    assert second == (
        f'To try it: python -m http.server --directory "{tmp_path}/out" --bind 127.0.0.1 8000'
    )


def test_a_folder_of_something_else_is_left_alone(portrait, light_runtime, tmp_path):
    folder, file = tmp_path / "mine", tmp_path / "mine" / "thesis.txt"
    folder.mkdir()
    file.write_text("mine")
    expected = "Expected a new or empty folder, or one that `portrait web` wrote."
    lists = (
        "{",
        "[]",
        '{"files": 3}',
        '{"files": [1]}',
        '{"files": {"": 1}}',
        '{"files": {".": 1}}',
    )
    for foreign in (None, *lists):
        if foreign is not None:
            (folder / "site.json").write_text(foreign)
        answer = portrait("web", folder)
        assert answer == (2, "", f"portrait: {expected} Received: {folder}\n")
    assert portrait("web", file) == (2, "", f"portrait: Expected a folder. Received: {file}\n")
    assert file.read_text() == "mine" and files_of(folder) == {"site.json", "thesis.txt"}


def test_an_altered_list_removes_nothing_elsewhere(light_runtime, tmp_path):
    folder, near = tmp_path / "page", tmp_path / "near.txt"
    site.write_site(folder, presets=("fast",))
    near.write_text("mine")
    listed = json.loads((folder / "site.json").read_text())
    listed["files"] |= {"../near.txt": 4, str(near): 4}
    (folder / "site.json").write_text(json.dumps(listed))
    site.write_site(folder, presets=("fast",))
    assert near.read_text() == "mine"


@pytest.mark.parametrize("name", ["models", "a\0b", "x" * 300])
def test_a_list_that_names_no_files_is_one_line(portrait, light_runtime, out, tmp_path, name):
    folder = tmp_path / "page"
    shutil.copytree(out, folder)
    (folder / "site.json").write_text(json.dumps({"files": {name: 1}}))
    code, _, complained = portrait("web", folder, "--preset", "fast")
    assert code == 2 and complained.count("\n") == 1
    assert complained.startswith("portrait: Cannot remove a file of the page before (")


def test_what_killed_calls_left_beside_is_removed_after_a_day(light_runtime, tmp_path):
    names = (".part-page-old", ".part-page-new", ".part-other-old")
    old, *others = left = [tmp_path / name / "page" for name in names]
    for folder in left:
        folder.mkdir(parents=True)
        if "old" in folder.parent.name:
            os.utime(folder.parent, (time.time() - 2 * 86400,) * 2)
    site.write_site(tmp_path / "page", presets=("fast",))
    assert not old.parent.exists() and all(folder.exists() for folder in others)


def test_an_empty_folder_is_filled_and_not_replaced(light_runtime, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o750)
    before = folder.stat()
    monkeypatch.chdir(folder)
    made = site.write_site(".", presets=("fast",))
    after = folder.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert files_of(folder) == set(made.files)
    assert os.listdir(tmp_path) == ["mine"]


def test_an_empty_folder_is_empty_again_where_the_disk_is_full(
    light_runtime, tmp_path, monkeypatch
):
    def full(path, data):
        if path.name == "index.html":
            raise InputError(f"Cannot write the file (No space left on device). Received: {path}")
        path.write_bytes(data)

    monkeypatch.setattr(site, "write_whole", full)
    with pytest.raises(InputError, match="No space left"):
        site.write_site(tmp_path, presets=("fast",))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "preset, text",
    [
        ("fas", 'No such preset. Did you mean "fast"?'),
        ("filter:ink", "The page draws with networks, not with filters. Received: filter:ink"),
        ("avatars", "Expected a preset that draws photos. Received: avatars"),
    ],
)
def test_what_cannot_draw_here_is_refused(portrait, light_runtime, tmp_path, preset, text):
    code, told, complained = portrait("web", tmp_path / "out", "--preset", preset)
    assert (code, told) == (2, "") and complained.startswith(f"portrait: {text}")
    assert not (tmp_path / "out").exists()


def test_presets_of_ones_own_come_along_as_folder_or_file(tiny_preset, light_runtime, tmp_path):
    metadata = read_metadata(tiny_preset)
    model = tiny_preset / metadata.file
    for number, given in enumerate((tiny_preset, model)):
        made = site.write_site(tmp_path / str(number), presets=(str(given), "fast"))
        assert made.presets == (metadata.name, "fast")
        place = tmp_path / str(number) / "models" / "presets" / metadata.name
        assert (place / metadata.file).read_bytes() == model.read_bytes()
        assert json.loads((place / "portrait.json").read_text())["sha256"] == metadata.sha256


def test_the_contract_that_was_checked_comes_along(tiny_preset, light_runtime, tmp_path):
    """Of a folder it is `portrait.json`, of a model file what it says of itself."""
    beside = tiny_preset / "portrait.json"
    text = json.loads(beside.read_text()) | {"description": "changed by hand"}
    beside.write_text(json.dumps(text))
    given = (tiny_preset, tiny_preset / read_metadata(tiny_preset).file)
    for number, (path, changed) in enumerate(zip(given, (True, False), strict=True)):
        models = tmp_path / str(number) / "models"
        site.write_site(models.parent, presets=(str(path),))
        kept = json.loads((models / "presets" / "tiny" / "portrait.json").read_text())
        [listed] = json.loads((models / "index.json").read_text())["presets"]
        assert listed["description"] == kept["description"]
        assert (kept["description"] == "changed by hand") is changed


def test_two_of_one_name_and_names_that_are_no_address_are_refused(tiny_preset, light_runtime):
    with pytest.raises(site.SettingError, match="Two presets of one name. Received: tiny"):
        site.write_site(tiny_preset / "out", presets=(str(tiny_preset), str(tiny_preset)))
    write_metadata(tiny_preset, replace(read_metadata(tiny_preset), name="a b/../c"))
    with pytest.raises(site.SettingError, match="part of an address .* Received: a b/../c in "):
        site.write_site(tiny_preset / "out", presets=(str(tiny_preset),))


def test_nothing_half_written_is_left_where_the_disk_is_full(light_runtime, tmp_path, monkeypatch):
    def full(path, data):
        raise InputError(f"Cannot write the file (No space left on device). Received: {path}")

    monkeypatch.setattr(site, "write_whole", full)
    with pytest.raises(InputError, match="No space left"):
        site.write_site(tmp_path / "out", presets=("fast",))
    assert list(tmp_path.iterdir()) == []


# ---- the runtime ----


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A stand-in for npm that brings three small files; `npm.content` is what they hold."""

    class Npm:
        content = "core"
        command = tmp_path / "bin" / "npm"
        calls = tmp_path / "calls"
        cache = tmp_path / "cache" / "keras-portrait"

        def brings(self, script: str):
            self.command.write_text(f"#!/bin/sh\necho $* >>{self.calls}\n{script}\n")
            self.command.chmod(self.command.stat().st_mode | stat.S_IXUSR)

    made = Npm()
    made.command.parent.mkdir()
    entry = 'import { a } from "@litertjs/wasm-utils";'
    pins = {"@litertjs/core/dist/index.js": entry, "@litertjs/wasm-utils/dist/index.js": "a"}
    lines = []
    for name, text in pins.items():
        folder = f"node_modules/{os.path.dirname(name)}"
        lines.append(f"mkdir -p {folder} && printf '%s' '{text}' >node_modules/{name}")
    made.good = "\n".join(["test -f package-lock.json || exit 3", *lines])
    made.brings(made.good)
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in pins.items()}
    monkeypatch.setattr(NpmFiles, "hashes", lambda self: hashes)
    monkeypatch.setenv("PATH", f"{made.command.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def test_the_runtime_comes_once_and_its_import_is_an_address(npm, capsys):
    for _ in range(2):
        files = runtime.read_runtime()
        assert files == {
            "core/dist/index.js": b'import { a } from "../../wasm-utils/dist/index.js";',
            "wasm-utils/dist/index.js": b"a",
        }
    assert capsys.readouterr().err == "portrait: fetching the page's runtime with npm ...\n"
    [call] = npm.calls.read_text().splitlines()
    assert call.startswith("ci --ignore-scripts")
    assert [path.name for path in npm.cache.iterdir()] == ["web-runtime-2.5.3"]


def test_a_damaged_cache_is_fetched_again(npm):
    runtime.read_runtime()
    [kept] = npm.cache.rglob("core/dist/index.js")
    kept.write_text("altered")
    assert b"altered" not in runtime.read_runtime()["core/dist/index.js"]
    assert len(npm.calls.read_text().splitlines()) == 2


def test_what_killed_calls_left_in_the_cache_is_removed_after_a_day(npm):
    old, new = npm.cache / ".part-old", npm.cache / ".part-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    runtime.read_runtime()
    assert not old.exists() and new.exists()


def test_another_process_that_was_quicker_is_left_alone(npm):
    runtime.read_runtime()
    [quicker] = npm.cache.iterdir()
    kept = quicker.rename(npm.cache / "kept")
    # It puts its runtime there while npm works for this one.
    npm.brings(f"{npm.good}\nmv {kept} {quicker}")
    number = kept.stat().st_ino
    assert set(runtime.read_runtime()) == {"core/dist/index.js", "wasm-utils/dist/index.js"}
    assert list(npm.cache.iterdir()) == [quicker] and quicker.stat().st_ino == number


@pytest.mark.parametrize("part", ["tempfile.TemporaryDirectory", "shutil.copyfile"])
def test_a_cache_that_cannot_be_written_is_one_line(npm, monkeypatch, part):
    def full(*_, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"keras_portrait.inference.addresses.npm_files.{part}", full)
    expected = r"Cannot write to the cache \(No space left on device\). Received: .*web-runtime-"
    with pytest.raises(InputError, match=expected):
        runtime.read_runtime()


def test_what_is_not_pinned_is_refused(npm, tmp_path):
    npm.brings(npm.good.replace("'a'", "'b'"))
    with pytest.raises(InputError, match="What npm brought is not the page's runtime .*core 2.5.3"):
        runtime.read_runtime()


def test_npm_that_fails_is_one_line(npm, portrait, tmp_path):
    npm.brings("echo 'npm error code EINTEGRITY' >&2; echo 'npm error sha512 is wrong' >&2; exit 1")
    code, told, complained = portrait("web", tmp_path / "out")
    assert (code, told) == (2, "")
    assert complained.splitlines() == [
        "portrait: fetching the page's runtime with npm ...",
        "portrait: npm could not fetch the page's runtime, which comes from the network the first "
        "time. Received: code EINTEGRITY: sha512 is wrong",
    ]
    assert not (tmp_path / "out").exists() and list(npm.cache.iterdir()) == []


def test_no_npm_is_one_line(npm, monkeypatch):
    monkeypatch.setenv("PATH", str(npm.cache))
    with pytest.raises(MissingExtra, match="Expected Node.js with npm .* Received: no npm on the"):
        runtime.read_runtime()


@pytest.mark.parametrize("pins", [runtime._RUNTIME.pins, WEIGHTS.pins])
def test_versions_and_integrity_are_pinned(pins):
    lock = json.loads((pins / "package-lock.json").read_text())["packages"]
    wanted = json.loads((pins / "package.json").read_text())["dependencies"]
    packages = {name.removeprefix("node_modules/"): pinned for name, pinned in lock.items() if name}
    assert {name: pinned["version"] for name, pinned in packages.items()} == wanted
    assert all(pinned["integrity"].startswith("sha512-") for pinned in packages.values())
    hashes = json.loads((pins / "files.json").read_text())
    assert {"/".join(name.split("/")[:2]) for name in hashes} == set(packages)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes.values())
