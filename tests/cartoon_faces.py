"""Invented photos and cartoons of invented faces, as `portrait prepare` leaves them."""

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.data.edge_promoting import promote_edges
from keras_portrait.data.manifest import NAME, SMOOTH, Row
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.inference.imaging import write_image

# Every eighth picture is held back.
HELD = 8


def cartoon_of(face) -> np.ndarray:
    """A drawn face in a few flat, warm colours with black outlines, uint8 (S, S, 3)."""
    flat = cv2.medianBlur(face.photo, 5)
    flat = (flat // 64 * 64 + 32).astype(np.float32) * [1.1, 1.0, 0.75]
    lines = cv2.erode(face.drawing, np.ones((2, 2), np.uint8))[..., None] / 255
    return np.uint8(np.clip(flat * lines, 0, 255))


def write_cartoon_faces(folder: Path, count: int, size: int) -> Path:
    """Writes a data folder: photos, cartoons of other faces, and their twins with smooth edges."""
    rows = []
    for index in range(count):
        split = "test" if index % HELD == 0 else "train"
        # Photos a little out of focus, as photos are.
        face = draw_face(index, size)
        pictures = {f"photos/{index}.png": cv2.GaussianBlur(face.photo, (0, 0), 0.01 * size)}
        cartoon = cartoon_of(draw_face(1_000_000 + index, size))
        pictures[f"avatars/{index}.png"] = cartoon
        pictures[f"{SMOOTH}/avatars/{index}.png"] = promote_edges(cartoon)
        for name, picture in pictures.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_image(folder / name, picture)
        points = face.landmarks.tolist()
        for kind, name, landmarks in (("photo", "photos", points), ("avatar", "avatars", None)):
            file = f"{name}/{index}.png"
            rows.append(
                Row(file, kind, None, file, split, True, None, None, landmarks, None, size, "1-1")
            )
    lines = (json.dumps(asdict(row)) + "\n" for row in rows)
    (folder / NAME).write_text("".join(lines))
    return folder
