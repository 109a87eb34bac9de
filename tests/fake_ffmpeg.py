"""Stands in for ffmpeg: raw frames go into the file as they are, and sound is a word."""

import os

_SCRIPT = """#!/bin/sh
echo "$*" >> "{log}"
for last; do :; done
case "$*" in
  *rawvideo*) {encode} ;;
  *-map*) {mux} ;;
  *) echo "  Stream #0:1(und): Audio: {codec} (LC), 44100 Hz" >&2; exit 1 ;;
esac
"""
_ENCODE = 'cat > "${last#file:}"'
# The first input is the drawn video.
_MUX = """while [ "$1" != -i ]; do shift; done; cat "${2#file:}" > "${last#file:}"
          printf sound >> "${last#file:}\""""


def install(folder, monkeypatch, codec="aac", encode=_ENCODE, mux=_MUX):
    """Puts it on the PATH, or with a codec "" one that finds no sound; returns its log of calls."""
    folder.mkdir()
    log, program = folder / "log.txt", folder / "ffmpeg"
    script = _SCRIPT.format(log=log, codec=codec, encode=encode, mux=mux)
    program.write_text(script if codec else script.replace("Audio:", "Video:"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


def remove(folder, monkeypatch):
    """Leaves nothing on the PATH."""
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
