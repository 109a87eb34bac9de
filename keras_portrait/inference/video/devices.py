"""Why a device of Video4Linux gives no picture, as far as Linux tells."""

import errno
import fcntl
import os
import struct
from pathlib import Path

# linux/videodev2.h: VIDIOC_QUERYCAP and struct v4l2_capability, whose last fields are what the
# driver, and what this device of it, can do.
_QUERY = 0x80685600
_CAPABILITY = struct.Struct("16s32s32s3I12x")
_CAPTURES, _HAS_DEVICE_CAPS = 0x00000001 | 0x00001000, 0x80000000
# VIDIOC_REQBUFS and struct v4l2_requestbuffers: count, type 1 (captured video), memory 1 (mapped).
_REQUEST_BUFFERS = 0xC0145608
_BUFFERS = struct.Struct("3I8x")
_PROCESSES = Path("/proc")


def find_fault(device: Path) -> str:
    """Why no picture comes from a device, as a sentence.

    Only one program at a time may have a camera's buffers: asking for some shows whether another
    has it, and they are given back at once.

    Args:
        device: such as /dev/video0.
    """
    try:
        opened = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return _text_of(error, device)
    try:
        _, card, _, _, can, device_can = _CAPABILITY.unpack(
            fcntl.ioctl(opened, _QUERY, bytes(_CAPABILITY.size))
        )
        if not (device_can if can & _HAS_DEVICE_CAPS else can) & _CAPTURES:
            name = card.split(b"\0")[0].decode(errors="replace")
            return f"The device takes no pictures, it is {name}: try another number."
        for count in (1, 0):
            fcntl.ioctl(opened, _REQUEST_BUFFERS, _BUFFERS.pack(count, 1, 1))
    except OSError as error:
        return _text_of(error, device)
    finally:
        os.close(opened)
    return "The camera gives no picture: plug it in again, or into another port."


def _text_of(error: OSError, device: Path) -> str:
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"No such camera: {device} is not there, or was just unplugged."
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"No permission for {device}: add yourself to its group with: "
            "sudo usermod -aG video $USER, and log in again."
        )
    if error.errno == errno.EBUSY:
        return f"Another program has the camera{_holders(device)}."
    if error.errno in (errno.ENOTTY, errno.EINVAL):
        return f"No camera: {device} is no device of Video4Linux that takes pictures."
    return f"The camera does not answer ({error.strerror})."


def _holders(device: Path) -> str:
    """Names of the other programs that have a device open, as far as this user may see them."""
    place, names = os.path.realpath(device), []
    for process in _PROCESSES.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(os.path.realpath(link) == place for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(errors="replace").strip()
                names.append(f"{name}, process {process.name}")
        except OSError:  # another user's, or it has just ended
            continue
    return f": {'; '.join(sorted(names))}" if names else ""
