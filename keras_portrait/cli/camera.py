"""`portrait stylize 0`: the photo that a camera takes."""

import contextlib
import datetime
import os

# What is asked of the camera, which gives the nearest that it has.
_WIDTH, _HEIGHT = 1280, 720


def find_camera(given: list[str]) -> int | None:
    """N of the camera that is named alone, as 0, usb:0 or /dev/video0; None for anything else.

    A file wins over the camera of the same name.

    Args:
        given: what the user names.
    """
    if len(given) != 1 or os.path.isfile(given[0]) or os.path.isdir(given[0]):
        return None
    from keras_portrait.inference.video.usb_camera import device_number

    return device_number(given[0])


def name_photo() -> str:
    """What the photo would be called if it were a file; each has a name of its own."""
    return f"camera-{datetime.datetime.now():%Y%m%d-%H%M%S}.jpg"


def take_photo(number: int, needs_face: bool):
    """Takes a photo, of somebody who looks at the camera where that is needed.

    Args:
        number: N of the camera.
        needs_face: whether somebody must be in it.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        InputError: there is no such camera, it gives no picture, or no face came in time.
    """
    from keras_portrait.inference.video import snapshot, usb_camera

    with contextlib.closing(usb_camera.UsbCamera(number, _WIDTH, _HEIGHT)) as camera:
        return snapshot.take_photo(camera, needs_face=needs_face)
