"""What is measured: names, units, which way is better, goals, and how to read a figure."""

from dataclasses import asdict, dataclass

# Goals that depend on the style: hatching is gray where it is fine.
STYLE_GOALS = {("mid_gray", "pen"): 15.0}
# Fewer women or men than this tell nothing of their upper lips.
LEAST_GROUP = 20


@dataclass(frozen=True)
class Measure:
    """What the report says of a measure.

    Attributes:
        title: its name.
        unit: of the figures, or "".
        better: "lower", "higher", or None where neither is.
        goal: which figure is good enough, or None.
        explanation: how it is measured, in a sentence or two.
        ranked: which figures may be compared to find the best: "all"; those of "equal counts",
            because the count alone moves them; or "none", because less than nothing is no better.
    """

    title: str
    unit: str
    better: str | None
    goal: float | None
    explanation: str
    ranked: str = "all"


def measures(suffix: str, extractor: str, people: str = "") -> dict[str, dict]:
    """All measures by key, in the order in which they are shown.

    Args:
        suffix: of the keys of the distances, see `extractors.Extractor`.
        extractor: its name.
        people: among whom sitters are looked for, in words; "" where identity is not measured.
    """
    found = {
        "smudge": Measure(
            "Smudge",
            "% of eyes, nose and lips",
            "lower",
            0.5,
            "Gray from level 64 to 191 in the boxes around eyes, nose and lips that is wider than "
            "the soft edge of a line: what an opening with a square of 3 px leaves, at 512 px.",
        ),
        "softness": Measure(
            "Softness of edges",
            "px",
            "lower",
            1.2,
            "Width of the change from ink to paper, from 10 to 90 %, on average over all contours: "
            "the area of the gray at them over their length, pixels of a 512 square.",
        ),
        "readable_eyes": Measure(
            "Readable eyes",
            "%",
            "higher",
            75.0,
            "Share of the drawings in which both eyes have an iris, dark or ringed, with paper at "
            "either side, and a lid or a ring around them. Blots and empty rings have none; nor "
            "have eyes that the subject closes.",
        ),
        "border_line": Measure(
            "Line along the photo's edge",
            "% of the side",
            "lower",
            1.0,
            "Longest straight run of ink along the photo's edge where that lies in the square; 0 "
            "where it does not.",
        ),
        "style_distance": Measure(
            "Distance to the next style",
            "%",
            "higher",
            15.0,
            "How differently the most similar other style of the same generator draws the same "
            "photo: the sum of differences over the sum of ink, blurred by 2 px. Equal drawings "
            "have 0, drawings without common ink 100.",
        ),
        "face_found": Measure(
            "Face found again",
            "%",
            "higher",
            95.0,
            "Share of the drawings in which MTCNN (smallest face 20 px, thresholds 0.6, 0.7, 0.8) "
            "finds a face, reduced to 320 px, within half an eye distance of the photo's.",
        ),
        "landmark_error": Measure(
            "Landmark error",
            "% of eye distance",
            "lower",
            4.5,
            "Mean distance of eyes, nose and mouth corners between photo and drawing, where the "
            "face is found.",
        ),
        "hed_lpips": Measure(
            "Edge distance",
            "LPIPS",
            "lower",
            0.32,
            "LPIPS between the HED edge maps of photo and drawing. Gray, photo-like drawings "
            "score well: read it beside the gray.",
        ),
        "photo_difference": Measure(
            "Difference to the photo",
            "% of the range",
            None,
            None,
            "Mean absolute difference of a picture in colour to the aligned photo. Near 0: it has "
            "hardly been changed.",
        ),
        "colour": Measure(
            "Colour",
            "% of the range",
            None,
            None,
            "Mean difference between the largest and the smallest channel of a picture in colour; "
            "0 is gray.",
        ),
        "identity": Measure(
            "Sitter found",
            "%",
            "higher",
            90.0,
            "Share of the drawings whose sitter's photo is nearer than all others to a face "
            f"recognition network (dlib's, of 128 numbers), among {people}; where there are more "
            "photos, what is to be expected of so many chosen at random. No generator of this "
            "project learned from that network, which was trained on photos alone.",
        ),
        "identity_distance": Measure(
            "Distance to the sitter",
            "",
            "lower",
            None,
            "Euclidean distance between drawing and photo to that network: photos of one person "
            "are nearer than 0.6. Gray, photo-like drawings come nearest.",
        ),
        "mid_gray": Measure(
            "Mid-gray",
            "%",
            "lower",
            6.0,
            "Share of the pixels from 64 to 191, neither ink nor paper. The goal is 15 % in the "
            "style pen.",
        ),
        "gray_levels": Measure(
            "Gray levels",
            "of 256",
            "lower",
            None,
            "Levels that hold at least a thousandth of the pixels each; ink on paper has few.",
        ),
        "empty_parts": Measure(
            "Drawings with an empty part",
            "%",
            "lower",
            0.0,
            "Share of the drawings with hardly any ink at an eye, the nose or the lips: less than "
            "about half of what any training drawing has there.",
        ),
        "lip_excess": Measure(
            "Upper-lip ink, women against men",
            "% of the face's ink",
            "lower",
            0.0,
            "How much darker the upper lip is in women than in men, in percent of the face's mean "
            "darkness, less the same difference in the photos' edge maps. Above 0 beyond the "
            "interval: moustaches that the photos do not have. Beards of men, drawn bolder than "
            "their edges, pull it down; moustaches on everybody do not show.",
            ranked="none",
        ),
        "lip_women": Measure(
            "Upper-lip ink of women",
            "% of the face's ink",
            "lower",
            None,
            "How dark the upper lip of women is in percent of the face's mean darkness, less the "
            "same in the photos' edge maps. Far above 0: moustaches, even where men have them, "
            "too. Drawings leave out faint edges, which edge maps have: it has no goal.",
            ranked="none",
        ),
        f"kid{suffix}": Measure(
            "KID" if not suffix else "KID (VGG16)",
            "x 1000",
            "lower",
            None,
            f"Kernel distance to the training drawings of the style, on features of {extractor}. "
            "Compare within one report only.",
        ),
        f"fid{suffix}": Measure(
            "FID" if not suffix else "FID-like (VGG16)",
            "",
            "lower",
            None,
            f"Frechet distance to the training drawings of the style, on features of {extractor}. "
            "Taken of equally many drawings on both sides, as are those of the noise floor: too "
            "large with few. Compare figures of one count within one report only.",
            ranked="equal counts",
        ),
        "stroke_distance": Measure(
            "Stroke width distance",
            "px",
            "lower",
            None,
            "Wasserstein distance between the stroke widths of these and of the training drawings, "
            "pixels of a 512 square. Taken of equally many drawings on both sides.",
            ranked="equal counts",
        ),
        "style_accuracy": Measure(
            "Style recognized",
            "%",
            "higher",
            None,
            "Share of the drawings that a classifier, trained on the training drawings, takes for "
            "the style asked for; of a baseline for the style it is compared with.",
        ),
        "line_f1": Measure(
            "Line F1",
            "",
            "higher",
            None,
            "How well the middle lines of the strokes and those of the photo's flow-based line "
            "drawing cover each other, 3 px of a 512 square apart or less. The other drawing is a "
            "filter's, and has no solid blacks: these cost.",
        ),
        "stroke_width": Measure(
            "Stroke width, median", "px", None, None, "Pixels of a 512 square."
        ),
        "stroke_width_90": Measure(
            "Stroke width, 90th percentile", "px", None, None, "Pixels of a 512 square."
        ),
        "ink_eyes": Measure("Ink at the eyes", "%", None, None, "Share of the boxes around them."),
        "ink_nose": Measure(
            "Ink at the nose", "%", None, None, "Share of the lower half of the box around it."
        ),
        "ink_lips": Measure("Ink at the lips", "%", None, None, "Share of the box around them."),
    }
    left_out = () if people else ("identity", "identity_distance")
    return {key: asdict(found[key]) for key in found if key not in left_out}


def figure(
    key: str,
    measure: dict,
    style: str,
    values: tuple[float, float, float],
    count: int,
    remark: str = "",
) -> dict:
    """A figure with what is asked of it.

    Args:
        key: of the measure.
        measure: from `measures`.
        style: of the entry.
        values: the value and both ends of its interval; nan for what cannot be told.
        count: pictures that it was taken from.
        remark: why it cannot be told whether the goal is met; "" where it can.

    Returns:
        `value`, `low`, `high`, `count`, `goal`, whether the goal is `met`, None where that cannot
        be told, and `remark`.
    """
    value, low, high = (None if each != each else round(float(each), 5) for each in values)
    goal, met = STYLE_GOALS.get((key, style), measure["goal"]), None
    if goal is not None and value is not None and not remark:
        # An excess within the interval is none.
        judged = low if key == "lip_excess" else value
        met = judged >= goal if measure["better"] == "higher" else judged <= goal
    found = {"value": value, "low": low, "high": high, "count": count, "goal": goal, "met": met}
    return found | {"remark": remark}
