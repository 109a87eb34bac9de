"""Small videos for tests."""

import struct

import cv2
import numpy as np

from keras_portrait.inference.video.decoding import silence_opencv


def video_writer(path, rate, size, codec="MJPG"):
    """A writer of Motion JPEG; `write` takes BGR frames of `size`, width and height."""
    # FFmpeg reads once how much it may say, and the demo is what opens the first video otherwise.
    silence_opencv()
    return cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, size)


def write_video(path, frames, rate=10.0, codec="MJPG"):
    """Writes RGB frames and returns the path."""
    height, width = frames[0].shape[:2]
    writer = video_writer(path, rate, (width, height), codec)
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def read_video(path):
    """Its frames, RGB, and its rate."""
    silence_opencv()
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames, rate = [], video.get(cv2.CAP_PROP_FPS)
    while (taken := video.read())[0]:
        frames.append(cv2.cvtColor(taken[1], cv2.COLOR_BGR2RGB))
    video.release()
    return frames, rate


def turn_mp4(path):
    """Marks an MP4 as to be shown turned by 90 degrees clockwise, as phones do.

    ISO 14496-12: the track's header box ends in a matrix of nine numbers, width and height.
    """
    data = bytearray(path.read_bytes())
    begin = data.index(b"tkhd") - 4
    end = begin + int.from_bytes(data[begin : begin + 4], "big")
    one, w = 0x10000, 0x40000000
    data[end - 44 : end - 8] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, w)
    path.write_bytes(data)
    return path


def gray(level, height=48, width=64):
    """A frame of one gray."""
    return np.full((height, width, 3), level, np.uint8)
