"""Small videos for tests."""

import cv2

from keras_portrait.inference.video.decoding import silence_opencv


def video_writer(path, rate, size):
    """A writer of Motion JPEG; `write` takes BGR frames of `size`, width and height."""
    # FFmpeg reads once how much it may say, and the demo is what opens the first video otherwise.
    silence_opencv()
    return cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, size)
