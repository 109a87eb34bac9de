"""The program ffmpeg, where it is installed: H.264, which every browser plays, and sound."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.inference.video.encoding import even_sided

# Codecs of sound that players expect in a container; anything else becomes what ffmpeg usually
# puts into it. Matroska takes them all.
_COPIED = {suffix: frozenset({"aac", "mp3", "ac3", "eac3", "alac"}) for suffix in (".mp4", ".mov")}
_SOUND = re.compile(r"Stream #\S+.*?: Audio: (\w+)")
_QUIET = ("-hide_banner", "-nostats", "-v", "error")


def find_ffmpeg() -> str | None:
    """Path of the program; None where it is not installed."""
    return shutil.which("ffmpeg")


class FfmpegEncoder:
    """H.264, or what this ffmpeg takes instead, without sound; see `encoding.Encoder`.

    Args:
        program: path of ffmpeg.
        path: the file; its suffix says which container.
        rate: frames a second.
    """

    def __init__(self, program: str, path: Path, rate: float):
        self._program, self._path, self._rate = program, path, rate
        self._process: subprocess.Popen | None = None
        self._said = tempfile.TemporaryFile()

    def put(self, picture: np.ndarray) -> None:
        """See `Encoder`."""
        picture = even_sided(picture)
        if self._process is None:
            self._start(picture.shape[1], picture.shape[0])
        try:
            self._process.stdin.write(np.ascontiguousarray(picture).data)
        except OSError as error:  # it has ended, and has said why
            raise self._failed() from error

    def _start(self, width: int, height: int) -> None:
        raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}")
        out = ("-pix_fmt", "yuv420p", "-y", _file(self._path))
        command = [self._program, *_QUIET, *raw, "-r", f"{self._rate:.6g}", "-i", "pipe:0", *out]
        try:
            # In a group of its own, so that Ctrl-C ends it from here and at no other time.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise InputError(
                f"Cannot start ffmpeg ({error.strerror}). Received: {self._program}"
            ) from error

    def close(self) -> None:
        """See `Encoder`."""
        try:
            self._process.stdin.close()
        except OSError as error:
            raise self._failed() from error
        if self._process.wait() != 0:
            raise self._failed()

    def abandon(self) -> None:
        """See `Encoder`."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            if not self._process.stdin.closed:
                try:
                    self._process.stdin.close()
                except OSError:  # what was not taken yet is lost as well
                    pass
        self._said.close()

    def _failed(self) -> InputError:
        self._process.wait()
        self._said.seek(0)
        reason = _last_line(self._said.read())
        return InputError(f"ffmpeg cannot write the video: {reason}. Received: {self._path}")


def add_sound(program: str, drawn: Path, source: Path, target: Path) -> str | None:
    """Writes a drawn video with the sound of the one it was drawn from.

    Args:
        program: path of ffmpeg.
        drawn: the video without sound.
        source: the video that it was drawn from.
        target: the file to write; it is there whole only where there is sound.

    Returns:
        None where `target` was written; "" where the source has no sound, and otherwise why its
        sound cannot be had.
    """
    found = _SOUND.search(_run([program, "-hide_banner", *_safely(source)])[1])
    if found is None:
        return ""
    copied = _COPIED.get(target.suffix.lower())
    sound = ("-c:a", "copy") if copied is None or found[1] in copied else ()
    mp4 = ("-movflags", "+faststart") if copied is not None else ()
    # Where and with what a video was taken is not told by its drawing.
    bare = ("-map_metadata", "-1", "-map_chapters", "-1")
    streams = ("-map", "0:v:0", "-map", "1:a", "-c:v", "copy", *sound, *bare, *mp4)
    inputs = ("-i", _file(drawn), *_safely(source))
    code, said = _run([program, *_QUIET, "-y", *inputs, *streams, _file(target)])
    return None if code == 0 else _last_line(said.encode())


def _safely(source: Path) -> tuple[str, ...]:
    """A file as input that cannot have ffmpeg open addresses."""
    return "-protocol_whitelist", "file", "-i", _file(source)


def _file(path: Path) -> str:
    """A path that ffmpeg takes neither for an option nor for an address."""
    return f"file:{path}"


def _run(command: list[str]) -> tuple[int, str]:
    """Exit code and what was said; a program that cannot be started says why."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as error:
        return 1, str(error.strerror)
    return done.returncode, done.stderr.decode(errors="replace")


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else "it does not say why"
