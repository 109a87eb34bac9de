"""The house: imports point down, importing is light, the wheel is whole, the map is true."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import keras_portrait

ROOT = Path(__file__).resolve().parents[2]

# Folder in the repository -> name it is installed under, as in setup.py.
INSTALLED_AS = {
    "keras_portrait": "keras_portrait",
    "export": "keras_portrait_export",
    "mobile_demo": "keras_portrait_demo",
}

# Never in the repository: paths of one machine, hosts that pip and npm know by themselves,
# numbers that mean nothing without a tracker, and promises.  Spelt so that this file passes.
FORBIDDEN = {
    "path of one machine": r"(?<![\w.])/(?:work|tmp|home/\w+|root)/",
    "package registry host": r"pypi\.(?:org|io)|python"
    r"hosted|npm(?:js)?\.(?:org|com)/|deb\.debian",
    "issue number": r"(?i)\bissue[ -]#?\d",
    "unfinished work": r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b",
}


def tracked() -> list[str]:
    """Paths of all files under version control that are still there."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return sorted(path for path in listing.stdout.split("\0") if path and (ROOT / path).is_file())


def run_python(code: str, **options) -> str:
    """Runs code in a fresh interpreter, away from the checkout unless `cwd` says otherwise."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_imports_point_down():
    run_python(
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))",
        cwd=ROOT,
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import keras_portrait, keras_portrait_demo, keras_portrait_export",
        "import keras_portrait_demo.__main__, keras_portrait.cli",
        "from keras_portrait import *",
    ],
)
def test_import_is_light(statement, tmp_path):
    loaded = run_python(f"{statement}\nimport sys; print(*sys.modules)", cwd=tmp_path).split()
    assert not {"tensorflow", "keras", "torch", "jax", "mtcnn"} & set(loaded)


def test_importing_the_package_alone_loads_no_opencv(tmp_path):
    loaded = run_python("import keras_portrait, sys; print(*sys.modules)", cwd=tmp_path).split()
    assert not {"cv2", "numpy", "PIL"} & set(loaded)


def test_public_names_resolve():
    for name in keras_portrait.__all__:
        assert getattr(keras_portrait, name) is not None
        assert name in dir(keras_portrait)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = keras_portrait.no_such_name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """The wheel built from the files under version control, without the network."""
    source = tmp_path_factory.mktemp("source")
    for path in tracked():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)
    run_python(
        "from setuptools import build_meta; build_meta.build_wheel('dist')",
        cwd=source,
    )
    [built] = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(built)


def test_wheel_installs_exactly_three_names(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(INSTALLED_AS.values())
    [listed] = [name for name in wheel.namelist() if name.endswith("top_level.txt")]
    assert wheel.read(listed).decode().split() == sorted(INSTALLED_AS.values())


def test_wheel_holds_every_module_and_all_package_data(wheel):
    expected = set()
    for path in tracked():
        folder, _, rest = path.partition("/")
        if folder == "keras_portrait" or (
            folder in INSTALLED_AS and rest.endswith((".py", ".j2", ".html"))
        ):
            expected.add(f"{INSTALLED_AS[folder]}/{rest}")
    assert expected - set(wheel.namelist()) == set()


def test_one_version(wheel):
    version = keras_portrait.__version__
    [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    assert f"\nVersion: {version}\n" in wheel.read(metadata).decode()
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_house_stays_small_enough_to_see():
    top = ROOT / "keras_portrait"
    assert len(list(top.glob("*.py"))) <= 10
    assert len([path for path in top.iterdir() if (path / "__init__.py").exists()]) <= 13
    assert len((ROOT / "docs" / "overview.md").read_text().splitlines()) <= 110


def test_files_of_one_prefix_are_a_folder():
    crowds = []
    for folder in {path.parent for name in INSTALLED_AS for path in (ROOT / name).rglob("*.py")}:
        names = [path.stem for path in folder.glob("*.py") if "_" in path.stem.strip("_")]
        prefixes = [name.split("_")[0] for name in names]
        crowds += [f"{folder.name}/{one}_*" for one in set(prefixes) if prefixes.count(one) > 2]
    assert not crowds, crowds


def test_no_text_that_means_nothing_elsewhere():
    found = []
    for path in tracked():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found += [
                f"{path}:{number}: {kind}"
                for kind, pattern in FORBIDDEN.items()
                if re.search(pattern, line)
            ]
    assert not found, "\n".join(found)
