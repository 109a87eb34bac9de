"""What figures depend on: the board, its clock, its heat, the runtime; as far as Linux tells."""

import os
import platform
import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from keras_portrait.inference.litert.runner import RUNTIMES

_ROOT = Path("/")
_GOVERNOR = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
_CLOCK = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
_HEAT = "sys/class/thermal/thermal_zone0/temp"
# Raspberry Pi: bits for a supply too weak and for a clock held down, now and since the start.
_THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


def describe_machine() -> dict[str, str | int | float | None]:
    """Board, processor, cores, system, governor, clock in MHz, heat in degrees Celsius.

    Returns:
        Facts by name; None for what the system does not tell.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    clock, heat = _read(_CLOCK), _read(_HEAT)
    return {
        "board": _read("proc/device-tree/model"),
        "processor": _processor(),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "governor": _read(_GOVERNOR),
        "clock_mhz": int(clock) // 1000 if clock else None,
        "temperature_c": int(heat) / 1000 if heat else None,
        "throttled": _read(_THROTTLED),
    }


def peak_memory_mb() -> float | None:
    """The most memory that this process has held so far, megabytes of 10^6 bytes.

    Returns:
        None where the system does not tell.
    """
    # The kernel's own figure of this process: that of getrusage begins with its parent's.
    status = re.search(r"VmHWM:\s+(\d+) kB", _read("proc/self/status") or "")
    if status:
        return round(int(status[1]) * 1024 / 1e6, 1)
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


@cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def runtime_version() -> str:
    """Name and version of the runtime that is loaded; empty before a model is opened."""
    for module in RUNTIMES:
        if module in sys.modules:
            package = module.split(".")[0].replace("_", "-")
            return f"{package} {_version(package)}".strip()
    return ""


def package_versions() -> dict[str, str]:
    """Versions of Python, NumPy, OpenCV and this package."""
    packages = ("numpy", "opencv-python-headless", "opencv-python", "keras-portrait")
    versions = {package: _version(package) for package in packages}
    return {"python": platform.python_version()} | {k: v for k, v in versions.items() if v}


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", _read("proc/cpuinfo") or "")
    return found[1].strip() if found else platform.processor() or platform.machine()


def _read(path: str) -> str | None:
    """The text of a file of the system without its last zero or line break; None without one."""
    try:
        text = (_ROOT / path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rstrip("\0\n") or None
