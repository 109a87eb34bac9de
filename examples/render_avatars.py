"""Renders cartoon avatars as training pictures, a folder for each style.

    python examples/render_avatars.py OUT [--count 2000] [--size 128] [--seed 0]
        [--styles adventurer lorelei micah toon-head]

Needs Node.js 18 or newer with npm. The npm packages that hold the designs, DiceBear's, are
installed once, below `~/.cache/keras-portrait` (or `$KERAS_PORTRAIT_CACHE`). An avatar
depends on seed, style and number alone; the same command goes on where it was broken off, and a
larger count adds to what is there. `OUT/CREDITS.md` names the designers and their licences, which
the packages state: keep it with the pictures.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track

from keras_portrait.errors import InputError, MissingExtra, PortraitError, SettingError, nearest
from keras_portrait.files import cache_folder, remove_unfinished, write_whole

STYLES = ("adventurer", "lorelei", "micah", "toon-head")
SIZES = range(16, 1025)
OLDEST_NODE = 18
# Exact versions, since another one may draw another picture from the same seed. DiceBear 9 is the
# last major version that holds these designs as packages.
DICEBEAR, RESVG = "9.4.3", "2.6.2"
PACKAGES = {
    "@dicebear/core": DICEBEAR,
    **{f"@dicebear/{style}": DICEBEAR for style in STYLES},
    "@resvg/resvg-js": RESVG,
}
CREDITS = """\
# Credits

Rendered at {size} x {size} pixels with seed {seed} by @dicebear/core {dicebear} and \
@resvg/resvg-js {resvg}.

The designs are the work of the designers below. Changed here: the framing, the backgrounds, some
colours of hair and skin, and how often some features occur.

| folder | design | by | licence |
| --- | --- | --- | --- |
"""


def main() -> None:
    """Reads the command line; what the user can mend is one line and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=2000, help="avatars of all styles together")
    parser.add_argument("--size", type=int, default=128, help="side in pixels")
    parser.add_argument("--styles", nargs="+", default=STYLES, help=", ".join(STYLES))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        render_avatars(options.out, options.count, options.size, options.styles, options.seed)
    except PortraitError as error:
        print(f"render_avatars: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("render_avatars: stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


def render_avatars(out: Path, count: int, size: int, styles, seed: int) -> None:
    """Renders the avatars that are not there yet: `out/<style>/<number>.png`.

    Args:
        out: folder to make, or one that this function made with the same size and seed.
        count: avatars in all; they are shared out evenly among the styles.
        size: side in pixels.
        styles: names out of `STYLES`.
        seed: chooses the avatars.

    Raises:
        SettingError: a count or size out of range, or an unknown style.
        MissingExtra: Node.js or npm is missing or too old, or the packages cannot be installed.
        InputError: the folder holds something else, or cannot be written to.
    """
    if count < 1:
        raise SettingError(f"--count: expected a whole number of at least 1. Received: {count}")
    if size not in SIZES:
        raise SettingError(
            f"--size: expected pixels from {SIZES.start} to {SIZES.stop - 1}. Received: {size}"
        )
    for style in styles:
        if style not in STYLES:
            hint = nearest(style, STYLES)
            raise SettingError(f"--styles: no such style. {hint}Received: {style}")
    styles = list(dict.fromkeys(styles))
    node, npm = find_node()
    packages = install_packages(npm)
    write_credits(out, size, seed, styles, node, packages)
    counts = {
        style: count // len(styles) + (place < count % len(styles))
        for place, style in enumerate(styles)
    }
    for style in styles:
        make_folder(out / style)
        remove_unfinished(out / style)
    request = {"out": str(out.resolve()), "size": size, "seed": seed, "counts": counts}
    start, console = time.perf_counter(), Console(stderr=True)
    lines = run_script(node, packages, request)
    bar = track(lines, "Avatars", count, console=console, disable=not console.is_terminal)
    new = sum(line == "new" for line in bar)
    rate = new / (time.perf_counter() - start)
    print(f"{out}: {count} avatars, {new} of them new ({rate:.0f} a second)")


def find_node() -> tuple[str, str]:
    """Paths of `node` and `npm`.

    Raises:
        MissingExtra: one of them is missing, or Node.js is too old.
    """
    needed = f"Avatars need Node.js {OLDEST_NODE} or newer with npm (https://nodejs.org)."
    paths = {name: shutil.which(name) for name in ("node", "npm")}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise MissingExtra(f"{needed} Received: no {' and no '.join(missing)} on the PATH")
    done = subprocess.run([paths["node"], "--version"], capture_output=True, text=True)
    version = re.match(r"v(\d+)\.", done.stdout)
    if version is None or int(version[1]) < OLDEST_NODE:
        said = " ".join((done.stdout or done.stderr).split()) or f"exit code {done.returncode}"
        raise MissingExtra(f"{needed} Received: {said} from {paths['node']}")
    return paths["node"], paths["npm"]


def install_packages(npm: str) -> Path:
    """Installs the npm packages unless that was done before.

    Args:
        npm: path of the command.

    Returns:
        The folder in which Node.js finds them.

    Raises:
        MissingExtra: npm cannot install them, for example because there is no network.
        InputError: the cache folder cannot be written to.
    """
    cache = cache_folder()
    packages = cache / f"avatars-dicebear-{DICEBEAR}-resvg-{RESVG}"
    if packages.exists():
        return packages
    make_folder(cache)
    print("Installing the avatar designs with npm ...", file=sys.stderr)
    # Installed beside its place and moved there at the end: the folder is whole, or not there.
    with tempfile.TemporaryDirectory(prefix=".part-", dir=cache) as place:
        part = Path(place) / "packages"
        make_folder(part)
        write_whole(part / "package.json", json.dumps({"dependencies": PACKAGES}).encode())
        options = (
            "--ignore-scripts --include=optional --no-audit --no-fund "
            "--fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=2000"
        )
        done = subprocess.run(
            [npm, "install", *options.split()], cwd=part, capture_output=True, text=True
        )
        if done.returncode:
            raise MissingExtra(
                "npm could not install the avatar designs; the first time they come from the "
                f"network. Received: {npm_complaint(done.stderr)}"
            )
        try:
            part.rename(packages)
        except OSError as error:
            if not packages.exists():  # there by now if another process was quicker
                raise InputError(
                    f"Cannot write to the cache ({error.strerror}). Received: {packages}"
                ) from error
    return packages


def npm_complaint(text: str) -> str:
    """What npm says went wrong, as one line: its code, and the line that follows on the codes."""
    said = re.findall(r"^npm (?:error|ERR!) (.+)$", text, re.MULTILINE)
    codes = [line for line in said if re.match(r"(code|errno|syscall|path) ", line)]
    rest = [line for line in said if line not in codes]
    return ": ".join(codes[:1] + rest[:1]) or " ".join(text.split())[:200]


def write_credits(out: Path, size: int, seed: int, styles, node: str, packages: Path) -> None:
    """Writes `out/CREDITS.md`, which also tells a later call what the folder was made with."""
    file = out / "CREDITS.md"
    head = CREDITS.format(size=size, seed=seed, dicebear=DICEBEAR, resvg=RESVG)
    made = head.splitlines()[2]
    try:
        filled = out.exists() and any(not path.name.startswith(".") for path in out.iterdir())
        known = file.read_text(encoding="utf-8") if filled and file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "CREDITS.md is no text"
        raise InputError(f"Cannot read the output folder ({reason}). Received: {out}") from error
    if filled and made not in known:
        raise InputError(
            "Expected a new or empty folder, or one of avatars with the same seed, size and "
            f"versions. Received: {out}"
        )
    make_folder(out)
    styles = [style for style in STYLES if style in styles or (out / style).is_dir()]
    [line] = run_script(node, packages, {"credits": styles})
    rows = [
        "| {} | [{title}]({source}) | [{creator}]({homepage}) | [{license[name]}]({license[url]}) |"
        "\n".format(style, **meta)
        for style, meta in json.loads(line).items()
    ]
    write_whole(file, (head + "".join(rows)).encode())


def run_script(node: str, packages: Path, request: dict) -> Iterator[str]:
    """Runs `render_avatars.mjs` and gives its lines as they come.

    The script is handed in on stdin, so that Node.js looks for packages in the working folder.

    Raises:
        InputError: the script fails.
    """
    script = Path(__file__).with_suffix(".mjs")
    command = [node, "--input-type=module", "-", json.dumps(request)]
    with (
        script.open("rb") as source,
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command,
            cwd=packages,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=complaints,
            encoding="utf-8",
        ) as process,
    ):
        try:
            yield from (line.rstrip("\n") for line in process.stdout)
        except BaseException:  # also when the caller wants no more lines
            process.terminate()
            raise
        if process.wait():
            complaints.seek(0)
            text = " ".join(complaints.read().decode(errors="replace").split())
            raise InputError(
                f"Node.js could not render the avatars with the packages in {packages}. "
                f"Received: {text[:300] or f'exit code {process.returncode}'}"
            )


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the folder ({error.strerror}). Received: {folder}"
        ) from error


if __name__ == "__main__":
    main()
