"""What can be wrong with a prepared data folder, in words, and how to mend it."""

from dataclasses import dataclass

from keras_portrait.data.manifest import NAME

AGAIN = "run the same `portrait prepare` again"
_REMAKE = f"delete these files, then {AGAIN}; it makes them again"
_PART = f"remove one of each pair from the input folder (`source` in {NAME}), then {AGAIN}"

# What can be wrong with files: whether it is serious, what it is, how to mend it. In the order in
# which it is told.
FAULTS = {
    "line": (True, f"lines of {NAME} that are no rows", f"delete these lines, then {AGAIN}"),
    "repeated": (
        True,
        f"pictures named by more than one line of {NAME}",
        f"delete {NAME}, then {AGAIN}; it makes everything again",
    ),
    "no picture": (True, "pictures missing", f"{AGAIN}; it makes what is missing"),
    "no mask": (True, "masks missing", f"{AGAIN}; it makes what is missing"),
    "no twin": (
        True,
        "edge-promoted twins missing",
        f"{AGAIN}, with --edge-promote; it makes what is missing",
    ),
    "broken": (True, "pictures or masks that cannot be read", _REMAKE),
    "size": (True, "pictures or masks of another size than their row says", _REMAKE),
    "sizes": (
        True,
        "pictures of another size than most",
        "run `portrait prepare` into a new folder, with one --size for all",
    ),
    "empty part": (True, "masks without eyes, nose or lips", _REMAKE),
    "gray mask": (True, "masks in gray instead of RGB", _REMAKE),
    "coloured": (True, "drawings in colour instead of gray", _REMAKE),
    "same across": (True, "test pictures that are training pictures too", _PART),
    "near across": (True, "test pictures nearly the same as a training picture", _PART),
    "untagged": (
        True,
        "drawings without a style",
        f"put each into the folder of its style, then {AGAIN}; or let "
        "`portrait train style-classifier.toml DATA` tell their styles",
    ),
    "untagged, one style": (
        False,
        "drawings without a style; they count to the only one there is",
        f"if they are of another style, put them into a folder of its name, then {AGAIN}",
    ),
    "same": (False, "pictures that are there twice in one split", _PART),
    "near": (False, "pictures nearly the same as another of their split", _PART),
    "no face": (
        False,
        "drawings in whose square no face is found",
        f"look at them; remove those without a clear face from the input folder, then {AGAIN}",
    ),
    "dropped": (
        False,
        "drawings left out because no face was found",
        "crop the sheet to the head, upright and from the front, give the points of the face with "
        "--landmarks, or let them go",
    ),
    "left over": (
        False,
        f"files that {NAME} does not name",
        f"delete them; pictures of your own belong into the input folders, then {AGAIN}",
    ),
}


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a prepared folder.

    Attributes:
        serious: whether training or evaluation fails or misleads; otherwise it is a remark.
        what: what is wrong, without the number of files.
        files: what is concerned: files relative to the data folder; "A = B" for two that show the
            same; for lines of the manifest "line N"; for pictures that were left out their path
            inside the input folder. Empty where a whole split or style is concerned.
        remedy: how to mend it.
    """

    serious: bool
    what: str
    files: tuple[str, ...]
    remedy: str
