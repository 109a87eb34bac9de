"""Opens videos with OpenCV and its FFmpeg, and says why one cannot be opened."""

import os
from pathlib import Path

import cv2

from keras_portrait.errors import InputError
from keras_portrait.inference.litert.silence import silent_stderr

CONVERT = "Convert it, for example: ffmpeg -i VIDEO -c:v libx264 OUT.mp4."


def silence_opencv() -> None:
    """Stops OpenCV, and its FFmpeg, from writing to stderr what is raised as an error anyway.

    FFmpeg reads its level once, when the first video or stream is opened.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def open_video(path: Path) -> cv2.VideoCapture:
    """Opens a video file.

    Args:
        path: the file.

    Returns:
        A capture whose first frame is grabbed; frames are turned upright as the file asks for.

    Raises:
        InputError: the file holds no video that OpenCV reads.
    """
    silence_opencv()
    with silent_stderr():  # the decoder has its own remarks on broken files
        capture = cv2.VideoCapture(os.fspath(path), cv2.CAP_FFMPEG)
        is_open = capture.isOpened()
        if is_open and capture.grab():
            return capture
        capture.release()
        raise InputError(f"{_fault(path, is_open)} Received: {path}")


def _fault(path: Path, is_open: bool) -> str:
    """Why a file cannot be played, as a sentence."""
    if is_open:
        return "The video holds no whole picture: it is damaged or was cut short."
    try:
        with path.open("rb") as file:
            if not file.read(1):
                return "The file is empty. Expected a video such as MP4 or AVI, or a picture."
    except OSError as error:
        return f"Cannot read the file ({error.strerror})."
    codec = unknown_codec(os.fspath(path))
    if codec is not None:
        return f"This OpenCV cannot decode the video's codec ({codec}). {CONVERT}"
    return "Not a readable video or picture. Expected such as MP4, AVI or JPEG."


def unknown_codec(place: str, timeouts: tuple[int, ...] = ()) -> str | None:
    """The four letters of a codec that OpenCV's FFmpeg cannot decode; None where that is no fault.

    Args:
        place: path or address of what could not be opened.
        timeouts: more parameters of `cv2.VideoCapture`.
    """
    raw = cv2.VideoCapture(place, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1, *timeouts])
    if not raw.isOpened():
        return None
    letters = int(raw.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    raw.release()
    text = letters.to_bytes(4, "little").decode("latin-1").strip("\0 ")
    return "".join(letter if letter.isprintable() else "?" for letter in text) or "unknown"
