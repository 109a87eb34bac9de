"""Opens where frames come from: a camera, a stream, or what stands in for them.

`auto` takes the first that gives a picture: the camera on the ribbon cable through picamera2, then
USB cameras through OpenCV in the order of their device files.
"""

import os
import threading
from functools import partial
from pathlib import Path

from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.inference.folders import is_picture
from keras_portrait.inference.video import usb_camera
from keras_portrait.inference.video.source import Source
from keras_portrait.storage import is_url
from keras_portrait_demo.sources.ribbon_camera import PiCamera


def open_source(
    text: str,
    width: int = 640,
    height: int = 480,
    loop: bool = False,
    paced: bool = True,
    stopping: threading.Event | None = None,
) -> Source:
    """Opens what a user names.

    Args:
        text: "auto", "picamera2", "synthetic"; "usb:N", "N" or "/dev/videoN" for a USB camera; the
            address of a stream or video, `rtsp://` or `http://`; or the path of a photo, of a
            folder of photos, of an animated picture or of a video. A file called as a number is
            meant by "./N".
        width: columns of a frame in pixels; a camera may choose the nearest that it has.
        height: rows of a frame in pixels.
        loop: start a video again at its end.
        paced: give frames of files at their own speed; otherwise as fast as they are read.
        stopping: ends the wait for the first picture of a camera or stream when it is set.

    Raises:
        SettingError: there is no such source, or the size is not one.
        InputError: a camera, stream or file gives no pictures.
        MissingExtra: picamera2 is asked for and not installed.
    """
    if not (16 <= width <= 4096 and 16 <= height <= 4096):
        raise SettingError(
            f"A frame's sides must be from 16 to 4096 pixels. Received: {width} x {height}"
        )
    if text == "auto":
        return _first_camera(width, height, stopping)
    if text == "picamera2":
        return PiCamera(width, height, stopping)
    if (number := usb_camera.device_number(text)) is not None:
        return usb_camera.UsbCamera(number, width, height, stopping)
    # Here and below, because they are not needed where there is a camera.
    if is_url(text):
        from keras_portrait_demo.sources.streams import open_address

        return open_address(text, width, height, loop, paced, stopping)
    return _open_path(text, width, height, loop, paced)


def _open_path(text: str, width: int, height: int, loop: bool, paced: bool) -> Source:
    from keras_portrait.inference.video.animation import is_animated
    from keras_portrait_demo.sources.animation import Animation
    from keras_portrait_demo.sources.pictures import Photos, Synthetic, Video

    path = Path(text)
    if text == "synthetic":
        return Synthetic(width, height, paced)
    if is_animated(path):
        return Animation(path, width, height, loop, paced)
    if os.path.isdir(text) or is_picture(path):
        return Photos(path, width, height, paced)
    if not os.path.exists(text):
        raise SettingError(
            "No such source. Expected auto, picamera2, usb:N or N, synthetic, an address such as "
            "rtsp:// or http://, or the path of a photo, a folder of photos or a video. "
            f"Received: {text}"
        )
    return Video(path, width, height, loop, paced)


def _first_camera(width: int, height: int, stopping: threading.Event | None) -> Source:
    tried = []
    cameras = [("picamera2", lambda: PiCamera(width, height, stopping))]
    for number in usb_camera.device_numbers():
        camera = partial(usb_camera.UsbCamera, number, width, height, stopping)
        cameras.append((f"usb:{number}", camera))
    for name, camera in cameras:
        try:
            return camera()
        except PortraitError as error:
            tried.append(f"{name} ({str(error).split(' Received:')[0].rstrip('.')})")
    if len(cameras) == 1:
        tried.append(f"USB (no {usb_camera.DEVICES}/video*: no camera is plugged in)")
    raise InputError(
        f"No camera gives a picture. Tried: {'; '.join(tried)}. --source synthetic needs none. "
        "Received: auto"
    )
