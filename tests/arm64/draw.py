"""Draws one photo step by step and keeps what lies in between; run by run.py on both machines.

Arguments: the photo, the folder for results, the square that the networks draw ("own" for the one
that this machine makes of the photo), and names of presets.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from keras_portrait.inference.alignment import prepare_face
from keras_portrait.inference.imaging import read_image, to_signed
from keras_portrait.inference.presets import Generator, load_preset
from keras_portrait.inference.segmentation import PersonSegmenter
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait_demo.machine import describe_machine, package_versions, runtime_version


def raw_output(generator: Generator, square: np.ndarray, style: np.ndarray) -> np.ndarray:
    """What the network itself returns, (S, S, 1): uint8, or float32 in [-1, 1]."""
    if generator.pixel_net is not None:
        return generator.pixel_net(image=square[None], style=style)[0]
    return generator.net(image=to_signed(square)[None], style=style)[0]


def main(photo: str, folder: str, given: str, *presets: str) -> None:
    threads = os.cpu_count() or 1
    out = Path(folder)
    pixels = read_image(photo)
    stylizer = Stylizer(presets[0], threads)
    landmarks = stylizer.largest_face(pixels).landmarks
    metadata, segmenter = stylizer.metadata, PersonSegmenter(threads)
    square = prepare_face(pixels, landmarks, metadata.size, segmenter, metadata.alignment).square
    np.save(out / "square.npy", square)
    square = square if given == "own" else np.load(given)
    seconds = {}
    for preset in presets:
        generator = load_preset(preset, threads)
        styles = np.eye(len(generator.metadata.styles), dtype=np.float32)
        raw_output(generator, square, styles[:1])  # the first call is slower
        started = time.process_time()
        outputs = [raw_output(generator, square, style[None]) for style in styles]
        seconds[preset] = (time.process_time() - started) / len(styles)
        np.save(out / f"{preset}.npy", outputs)
    facts = {
        "system": describe_machine()["system"],
        "versions": f"{runtime_version()}, "
        + ", ".join(f"{name} {version}" for name, version in package_versions().items()),
        "landmarks": landmarks.tolist(),
        "seconds": seconds,
    }
    (out / "facts.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")


main(*sys.argv[1:])
