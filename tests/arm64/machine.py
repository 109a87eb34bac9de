"""A 64-bit Arm machine in a folder: Debian, the installed package, and QEMU that runs it.

No chroot, no change to how this system starts programs, and no rights but those to install the
tools: QEMU looks for each file in the folder first.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
WORK = REPOSITORY / ".arm64"
ROOT, WHEELS, SITE = WORK / "root", WORK / "wheels", WORK / "site"

# Package of Debian -> the program in it that is run here.
TOOLS = {
    "qemu-user-static": "qemu-aarch64-static",
    "debootstrap": "debootstrap",
    "fakeroot": "fakeroot",
    "dpkg": "dpkg",
}
# The Debian under Raspberry Pi OS Bookworm, and the libraries that wheels take from the system.
SUITE, PYTHON, INCLUDED = "bookworm", "3.11", "python3,libstdc++6,zlib1g"
# Newest C library first that wheels for that Debian (glibc 2.36) may ask for.
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
PACKAGE_FOLDERS = ("keras_portrait", "export", "mobile_demo")

# What a Raspberry Pi 4 writes there. The runtime reads it to choose its code; without the file it
# would read that of the processor here, and crash.
CPU_INFO = """\
processor\t: {}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""


class Missing(Exception):
    """Something cannot be had here; the text says what and why, in one line."""


def on_arm() -> list[str]:
    """The start of a command line that runs a Python script on Arm, with the package in sight."""
    seen = ["-E", f"PYTHONPATH={SITE}", "-E", "PYTHONNOUSERSITE=1", "-U", "PYTHONHOME"]
    python = ROOT / "usr" / "bin" / f"python{PYTHON}"
    return [TOOLS["qemu-user-static"], "-cpu", "cortex-a72", *seen, "-L", str(ROOT), str(python)]


def make_machine() -> None:
    """Makes what is not there yet; the package itself is built and installed again each time.

    Raises:
        Missing: a tool, Debian or a wheel cannot be had.
    """
    WORK.mkdir(exist_ok=True)
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # where debootstrap lies, also for those who lack it
    _bring_tools()
    if not ROOT.exists():
        _unpack_debian()
    _install_package(_build_wheel())


def _bring_tools() -> None:
    missing = [package for package, program in TOOLS.items() if not shutil.which(program)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        apt = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        for command in (["apt-get", "update", "-qq"], apt):
            _run(command, f"Debian packages cannot be installed: {' '.join(missing)}")
    elif missing:
        raise Missing(
            f"Tools are missing. On Debian: apt install {' '.join(TOOLS)}. "
            f"Received: no {', '.join(TOOLS[package] for package in missing)}"
        )


def _unpack_debian() -> None:
    fetched, part = WORK / "debian", WORK / "root.part"
    print(f"Fetching Debian {SUITE} for arm64 ...", flush=True)
    options = ["--download-only", "--arch=arm64", "--variant=minbase", f"--include={INCLUDED}"]
    debootstrap = ["fakeroot", "debootstrap", *options, SUITE, str(fetched)]
    _run(debootstrap, "Debian for arm64 cannot be fetched")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for package in sorted((fetched / "var/cache/apt/archives").glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(part)], "A Debian package cannot be unpacked")
    (part / "proc").mkdir(exist_ok=True)
    text = "".join(CPU_INFO.format(core) for core in range(4))
    (part / "proc/cpuinfo").write_text(text, encoding="utf-8")
    part.rename(ROOT)


def _build_wheel() -> Path:
    """Built from a copy, so that no older build in the checkout ends up in it."""
    source, built = WORK / "source", WORK / "built"
    for folder in (source, built):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir()
    for path in REPOSITORY.iterdir():
        if path.name in PACKAGE_FOLDERS:
            shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.is_file():
            shutil.copy(path, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built)]
    _run([*build, str(source)], "The project's wheel cannot be built")
    [wheel] = built.glob("*.whl")
    return wheel


def _install_package(wheel: Path) -> None:
    """With the versions of the virtual environment, so that processors alone differ."""
    constraints = WORK / "constraints.txt"
    listing = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude", "keras-portrait"]
    freeze = _run(listing, "The virtual environment cannot be listed")
    constraints.write_text(freeze, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    options += [f"--platform={platform}_aarch64" for platform in PLATFORMS]
    options += ["--constraint", str(constraints), str(wheel)]
    target = ["--target", str(SITE), "--no-compile"]
    install = [*pip, "install", "--no-index", "--find-links", str(WHEELS), *target, *options]
    shutil.rmtree(SITE, ignore_errors=True)
    try:
        _run(install, "")
    except Missing:
        print("Fetching wheels for arm64 ...", flush=True)
        _run([*pip, "download", "--dest", str(WHEELS), *options], "Wheels cannot be fetched")
        shutil.rmtree(SITE, ignore_errors=True)
        _run(install, "Wheels cannot be installed")


def _run(command: list[str], failure: str) -> str:
    """Runs a command and returns what it prints; `failure` opens the text of an error."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
        raise Missing(f"{failure}. Received from {Path(command[0]).name}: {lines[-1]}")
    return done.stdout
