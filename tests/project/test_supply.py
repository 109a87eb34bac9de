"""Dependencies: every one is held at one version, that version is allowed, and is what is here."""

import re
import runpy
from importlib import metadata
from pathlib import Path
from unittest import mock

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
# Needs NumPy 1, so it lives in an environment of its own.
APART = "tflite-runtime"
# Brings gigabytes of CUDA that only machines with a GPU install; TensorFlow, which is held, says
# which versions.
CUDA = "and-cuda"


def read_pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


# Where constraints.txt is written; other systems need other packages besides.
SYSTEM = {"platform_machine": "x86_64", "platform_system": "Linux", "sys_platform": "linux"}


def is_for_here(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate(SYSTEM | {"extra": extra})


@pytest.fixture(scope="module")
def required() -> dict[str, list[Requirement]]:
    """What setup.py requires on this machine: by extra, and under "" what it always requires."""
    with mock.patch.object(setuptools, "setup") as called:
        runpy.run_path(str(ROOT / "setup.py"))
    given = called.call_args.kwargs
    texts = {"": given["install_requires"], **given["extras_require"]}
    return {
        extra: [one for one in map(Requirement, lines) if is_for_here(one)]
        for extra, lines in texts.items()
    }


def test_each_line_holds_one_version():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line) for line in lines)
    assert len(read_pins()) == len(lines), "a name stands there twice"


def test_every_requirement_is_held_at_a_version_that_it_allows(required):
    pins = read_pins()
    for extra, requirements in required.items():
        for requirement in requirements if extra != APART else ():
            name = canonicalize_name(requirement.name)
            assert name in pins, f"{requirement} of {extra or 'the base'} is not in constraints.txt"
            assert requirement.specifier.contains(pins[name]), (str(requirement), pins[name])


def test_what_they_require_in_turn_is_held_and_nothing_else(required):
    pins, is_all_here = read_pins(), True
    todo = [one for extra, lines in required.items() if extra != APART for one in lines]
    seen = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{requirement} is not in constraints.txt: run 'make constraints'"
        assert requirement.specifier.contains(pins[name], prereleases=True), str(requirement)
        for extra in ("", *(requirement.extras - {CUDA})):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                lines = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                is_all_here = False  # quantizer, which `make .dev` does not install
                continue
            todo += [one for one in map(Requirement, lines) if is_for_here(one, extra)]
    held = {name for name, _ in seen}
    # Tools that somebody tried here have no place there.
    assert held == set(pins) if is_all_here else len(held) > 60


def test_a_gpu_costs_nothing_where_there_are_no_wheels_for_it():
    with mock.patch.object(setuptools, "setup") as called:
        runpy.run_path(str(ROOT / "setup.py"))
    [text] = called.call_args.kwargs["extras_require"]["gpu"]
    requirement = Requirement(text)
    assert requirement.name == "tensorflow" and requirement.extras == {CUDA}
    assert requirement.specifier.contains(read_pins()["tensorflow"])
    assert is_for_here(requirement)
    for system in (
        {"platform_machine": "arm64", "sys_platform": "darwin"},
        {"platform_machine": "AMD64", "sys_platform": "win32"},
        {"platform_machine": "aarch64", "sys_platform": "linux"},
    ):
        assert not requirement.marker.evaluate(SYSTEM | {"extra": ""} | system)


def test_make_installs_what_the_tests_need_at_those_versions():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    [rule] = re.findall(r"^\$\(VENV\)/\.dev:.*\n(?:\t.*\n)+", text, re.MULTILINE)
    assert "constraints.txt" in rule.splitlines()[0], "a change of it must be installed"
    assert '--constraint constraints.txt --editable ".[dev]"' in rule
    assert "make check" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_release_check_lists_and_audits_what_is_shipped():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    [needs] = re.findall(r"^release: (.*) ##", text, re.MULTILINE)
    assert {"check", "sbom", "audit"} <= set(needs.split())
    tools = re.search(r"pip-audit==\S+ cyclonedx-bom==\S+", text)
    assert tools, "the tools are held at one version, too"
    # Without it what cannot be looked up counts as sound.
    assert "pip-audit --strict" in text


def test_the_page_names_every_direct_dependency(required):
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    pins = read_pins()
    rows = dict(re.findall(r"^\| `([^`]+)` \| (\S+) \|", text, re.MULTILINE))
    for extra in (
        "",
        "train",
        "svg",
        "plotter",
        "facemesh",
        "heif",
        "store",
        "ray",
        "serve",
        "hub",
        "quantizer",
    ):
        for requirement in required[extra]:
            name = canonicalize_name(requirement.name)
            assert rows.get(requirement.name) == pins[name], f"{requirement.name} {pins[name]}"


def test_the_container_installs_what_is_here_at_those_versions(required):
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    copied = re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE)
    assert all((ROOT / path).exists() for line in copied for path in line.split())
    [extras] = re.findall(r'--constraint constraints.txt "\.\[(.+)\]"', text)
    assert set(extras.split(",")) <= set(required)
