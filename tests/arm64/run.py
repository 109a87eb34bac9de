"""Does a 64-bit Arm processor draw what this machine draws? `make test-arm64` runs this.

A Debian for arm64 is unpacked, the Arm wheels of everything that the base install needs and the
project's own wheel are installed beside it, and QEMU runs the installed `portrait-demo` with the
processor of a Raspberry Pi 4. Nothing is installed into this system but, where they are missing
and apt may do it, the tools that `machine.py` names.

Everything lies in the folder `.arm64` of the checkout, about 620 MB, with what both machines drew
in `drawings`. The first run fetches about 170 MB; later ones need no network unless versions in
the virtual environment have changed. Exit codes: 0 the same, 1 not the same, 2 something is
missing.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from machine import SITE, WORK, Missing, make_machine, on_arm
from PIL import Image

HERE = Path(__file__).resolve().parent
PHOTO = HERE.parent.parent / "keras_portrait" / "example.jpg"
DRAWINGS = WORK / "drawings"

# Integers alone: equal in every pixel, given the same square. The others compute in floats too.
EXACT, FLOATING = ("fast", "fine"), ("portrait",)
# A face's landmarks and a person's outline come of float arithmetic and differ in the last bits,
# so a whole drawing may differ: in at most this share of its pixels, by at most so many of 255
# levels of gray.
MOST_PIXELS, MOST_LEVELS = 0.05, 64


def draw(machine: str, python: list[str], demo: Path, square: str) -> dict:
    """Draws the photo with each preset and keeps pictures and arrays in a folder of `DRAWINGS`.

    Args:
        machine: name of the folder.
        python: the start of a command line that runs a Python script.
        demo: the installed script `portrait-demo`.
        square: the aligned square that the networks alone draw, as `draw.py` takes it.

    Returns:
        The facts that `draw.py` wrote, and as "demo" the processor seconds of each
        `portrait-demo --once`.
    """
    folder = DRAWINGS / machine
    folder.mkdir(parents=True)
    demo_seconds = {}
    for preset in EXACT + FLOATING:
        out = folder / f"{preset}.png"
        options = ["--out", out, "--preset", preset]
        demo_seconds[preset] = run(*python, demo, "--once", PHOTO, *options)
    run(*python, HERE / "draw.py", PHOTO, folder, square, *EXACT, *FLOATING)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return facts | {"demo": demo_seconds}


def run(*command) -> float:
    """Runs a command and returns its processor seconds, which hardly depend on other work.

    Where it fails, what it printed is shown and the test ends with exit code 1.
    """
    command = [str(part) for part in command]
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    before = _children_seconds()
    done = subprocess.run(command, env=environment, cwd=WORK, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout + done.stderr)
        sys.exit(f"Failed with exit code {done.returncode}: {' '.join(command)}")
    return _children_seconds() - before


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load(machine: str, file: str) -> np.ndarray:
    """A kept array or picture, as numbers that can be subtracted."""
    path = DRAWINGS / machine / file
    array = np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))
    return array.astype(np.float64)


def difference(file: str) -> tuple[float, float]:
    """The share of an array's elements that differ between the machines, and by how much most."""
    apart = np.abs(load("here", file) - load("arm", file))
    return np.mean(apart > 0), apart.max()


def compare(here: dict, arm: dict) -> list[str]:
    """Prints what differs and returns what must not."""
    faults = []
    apart = np.abs(np.subtract(here["landmarks"], arm["landmarks"])).max()
    share, most = difference("square.npy")
    print(f"landmarks: at most {apart:.2g} pixels of the photo apart")
    print(f"aligned square, each machine's own: {_told(share, most, 'of 255')}")
    for preset in EXACT + FLOATING:
        exact = preset in EXACT
        share, most = difference(f"{preset}.npy")
        unit = "of 255" if exact else "of -1 to 1"
        print(f"{preset}, the network alone, same square: {_told(share, most, unit)}")
        if exact and share > 0:
            faults.append(f"the network of {preset} must be equal in every pixel")
        if np.ptp(load("arm", f"{preset}.npy")) < (128 if exact else 1):
            faults.append(f"the drawing of {preset} is blank")
        share, most = difference(f"{preset}.png")
        print(f"{preset}, portrait-demo --once: {_told(share, most, 'of 255')}")
        if exact and (share > MOST_PIXELS or most > MOST_LEVELS):
            limit = f"{100 * MOST_PIXELS:.0f} % of pixels and {MOST_LEVELS} levels"
            faults.append(f"the whole drawing of {preset} may differ in {limit}")
    if not arm["system"].endswith("aarch64"):
        faults.append(f"the other machine must be aarch64, and is {arm['system']}")
    return faults


def _told(share: float, most: float, unit: str) -> str:
    if share == 0:
        return "equal in every pixel"
    return f"{100 * share:.2f} % of pixels differ, by at most {most:.3g} {unit}"


def main() -> int:
    try:
        make_machine()
    except Missing as error:
        print(f"test-arm64: {error}", file=sys.stderr)
        return 2
    shutil.rmtree(DRAWINGS, ignore_errors=True)
    own_demo = Path(sys.executable).with_name("portrait-demo")
    here = draw("here", [sys.executable], own_demo, "own")
    square = str(DRAWINGS / "here" / "square.npy")
    arm = draw("arm", on_arm(), SITE / "bin" / "portrait-demo", square)
    print(f"here: {here['system']}, {here['versions']}")
    print(f"Arm:  {arm['system']}, {arm['versions']}")
    faults = compare(here, arm)
    print("Processor seconds here and on Arm (emulated: no speed of a board):")
    for preset in EXACT + FLOATING:
        alone = f"{here['seconds'][preset]:.3f} and {arm['seconds'][preset]:.2f}"
        whole = f"{here['demo'][preset]:.1f} and {arm['demo'][preset]:.1f}"
        print(f"{preset}: the network alone {alone}, all of portrait-demo --once {whole}")
    for fault in faults:
        print(f"NOT THE SAME: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
