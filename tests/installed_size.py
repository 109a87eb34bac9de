"""Prints how much disk the environment takes that this runs in, by package: largest first."""

import importlib.metadata
from pathlib import Path


def main() -> None:
    """Prints megabytes."""
    sizes = {}
    for package in importlib.metadata.distributions():
        files = {Path(file.locate()) for file in package.files or []}
        sizes[package.name] = sum(file.stat().st_size for file in files if file.is_file())
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size > 2e6:
            print(f"{size / 1e6:7.1f} MB  {name}")
    whole = sum(sizes.values())
    opencv = sum(size for name, size in sizes.items() if name.startswith("opencv"))
    print(f"{whole / 1e6:7.1f} MB  whole environment, {(whole - opencv) / 1e6:.1f} without OpenCV")


if __name__ == "__main__":
    main()
