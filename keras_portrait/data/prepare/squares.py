"""One picture of the input and what becomes of it: an aligned square and its mask, or a fault.

Photos pass through the same code as at drawing time (`keras_portrait.inference.alignment`).
"""

from dataclasses import dataclass, field

import numpy as np

from keras_portrait.data.prepare.drawings import InkLimits, align_drawing, find_face_in_drawing
from keras_portrait.data.prepare.given_masks import GivenMasks
from keras_portrait.inference.alignment import ALIGNMENT, cut_square, prepare_face
from keras_portrait.inference.faces import (
    Detector,
    FaceFinder,
    find_detector,
    largest_face,
    quarter_turns,
)
from keras_portrait.inference.faces.face_mesh import FaceMesh, mesh_masks
from keras_portrait.inference.geometry import (
    PARTS,
    TEMPLATE_512,
    face_template,
    invert,
    part_mask,
    scale_of,
    square_to_photo,
    transform_points,
)
from keras_portrait.inference.segmentation import PersonSegmenter

# Side in pixels of the smallest face to look for in drawings, which the detector sees much smaller
# than photos.
LEAST_FACE_DRAWING = 20
# Part of the eyes, nose and lips that the segmentation must take for the person: with less, a part
# of the face goes white, or the background stays.
LEAST_ALPHA = 0.9


@dataclass(frozen=True)
class FaceLimits:
    """What a face must be like to be kept.

    Attributes:
        least_score: the detector's confidence, 0..1.
        most_misfit_photo: root mean square distance of the five points from the template, pixels
            of a 512 x 512 square, for photos.
        most_misfit_drawing: the same for drawings, whose poses should vary less.
        most_yaw: distance of the nose from the middle between the eyes, in the square's x
            direction, over the distance between the template's eyes.
        least_eye_distance: pixels of the picture, whatever the size of the square: 21.1 px are
            enlarged 2.6 times for a square of 256 px, 5.2 times for one of 512 px.
    """

    least_score: float = 0.8
    most_misfit_photo: float = 18.0
    most_misfit_drawing: float = 14.0
    most_yaw: float = 0.32
    least_eye_distance: float = 21.1


@dataclass(frozen=True)
class Square:
    """What became of a picture.

    Attributes:
        fault: why it cannot be used; None where it can. A figure stands in brackets at the end.
        score: the detector's confidence, 0..1; None without a face, with given landmarks, and for
            avatars.
        landmarks: float (5, 2), 0-based pixels of the square; None without a face, and for avatars.
        picture: uint8 RGB (S, S, 3) of a photo or an avatar, or gray (S, S) of a drawing; None with
            a fault.
        mask: uint8 (S, S, 3): eyes, nose, lips; None with a fault, and for avatars.
        turn: degrees by which the face stood turned in the photo: 0, 90 or 180.
        scale: pixels of the picture along one of the square; None without landmarks.
        mask_source: as in a row of the manifest.
    """

    fault: str | None
    score: float | None = None
    landmarks: np.ndarray | None = None
    picture: np.ndarray | None = None
    mask: np.ndarray | None = None
    turn: int = 0
    scale: float | None = None
    mask_source: str = ""


@dataclass(frozen=True)
class SquareMaker:
    """Aligns faces and checks them.

    Attributes:
        size: side of the squares in pixels.
        face_limits: which faces are good enough.
        ink_limits: which drawings are good enough.
        alignment: of photos, one of `alignment.ALIGNMENTS`.
        photo_finder: finds faces in photos, whichever way they lie.
        drawing_detector: finds faces in drawings.
        segmenter: finds persons in photos.
        mesh: finds the parts of a face; None for boxes around its landmarks.
    """

    size: int
    face_limits: FaceLimits = field(default_factory=FaceLimits)
    ink_limits: InkLimits = field(default_factory=InkLimits)
    alignment: int = ALIGNMENT
    photo_finder: FaceFinder = field(default_factory=lambda: FaceFinder(smaller=False))
    drawing_detector: Detector = field(default_factory=lambda: find_detector(LEAST_FACE_DRAWING))
    segmenter: PersonSegmenter = field(default_factory=PersonSegmenter)
    mesh: FaceMesh | None = None

    def photo(
        self,
        photo: np.ndarray,
        given: np.ndarray | None = None,
        masks: GivenMasks | None = None,
    ) -> Square:
        """Aligns a face of a photo and whitens the background.

        Args:
            photo: uint8 RGB (H, W, 3).
            given: landmarks, float (5, 2), pixels of the photo; None for those of the largest face.
            masks: those that lie beside the photo; None to make them.

        Raises:
            InputError: given masks cannot be read, or do not fit the photo.
        """
        turn, found = 0, (given, None)
        if given is None:
            face = largest_face(self.photo_finder.find(photo))
            found = _unfound(photo, masks) if face is None else (face.landmarks, face.score)
            turn = 0 if face is None else quarter_turns(face)
        fault = _unusable(found, photo.shape)
        if fault is not None:
            return Square(fault)
        landmarks, score = found
        transform = square_to_photo(landmarks, self.size)
        aligned = transform_points(landmarks, invert(transform))
        fault = self._misplaced(score, aligned, transform, self.face_limits.most_misfit_photo)
        if fault is None:
            mask, mask_source, fault = self._masks(photo, transform, aligned, masks)
        if fault is None:
            cut = cut_square(photo, transform, self.size, self.alignment)
            alpha = self.segmenter(cut)[mask.max(axis=2) > 127].mean()
            if alpha < LEAST_ALPHA:
                fault = f"face lost in the segmentation (alpha {alpha:.2f}, at least {LEAST_ALPHA})"
        if fault is not None:
            return Square(fault, score, aligned, scale=scale_of(transform))
        face = prepare_face(photo, landmarks, self.size, self.segmenter, self.alignment)
        scale = scale_of(transform)
        return Square(None, score, aligned, face.square, mask, turn, scale, mask_source)

    def drawing(
        self,
        sheet: np.ndarray,
        given: np.ndarray | None = None,
        masks: GivenMasks | None = None,
    ) -> Square:
        """Aligns a face of a drawing and whitens the paper.

        Args:
            sheet: uint8 RGB (H, W, 3).
            given: landmarks, float (5, 2), pixels of the sheet; None for those of the surest face.
            masks: those that lie beside the drawing; None to make them.

        Raises:
            InputError: given masks cannot be read, or do not fit the drawing.
        """
        if given is None:
            found = find_face_in_drawing(sheet, self.drawing_detector) or _unfound(sheet, masks)
        else:
            found = given, None
        fault = _unusable(found, sheet.shape)
        if fault is not None:
            return Square(fault)
        landmarks, score = found
        transform = square_to_photo(landmarks, self.size)
        aligned = transform_points(landmarks, invert(transform))
        fault = self._misplaced(score, aligned, transform, self.face_limits.most_misfit_drawing)
        if fault is None:
            picture, fault = align_drawing(sheet, transform, self.size, self.ink_limits)
        if fault is None:
            mask, mask_source, fault = self._masks(sheet, transform, aligned, masks)
        if fault is not None:
            return Square(fault, score, aligned, scale=scale_of(transform))
        scale = scale_of(transform)
        return Square(None, score, aligned, picture, mask, 0, scale, mask_source)

    def _masks(
        self,
        picture: np.ndarray,
        transform: np.ndarray,
        aligned: np.ndarray,
        given: GivenMasks | None,
    ) -> tuple[np.ndarray, str, str | None]:
        """The masks of a square, where they are from, and what is wrong with them, or None."""
        if given is not None:
            masks = given.cut(picture.shape, transform, self.size)
            empty = [part for part, inside in zip(PARTS, _inside(masks), strict=True) if not inside]
            return masks, "files", f"empty mask ({', '.join(empty)})" if empty else None
        if self.mesh is not None:
            points = self.mesh(picture, transform, self.size, aligned)
            if points is not None:
                masks = mesh_masks(points, self.size)
                if all(_inside(masks)):
                    return masks, "facemesh", None
        return part_masks(aligned, self.size), "", None

    def _misplaced(
        self, score: float | None, aligned: np.ndarray, transform: np.ndarray, most_misfit: float
    ) -> str | None:
        """Says why a face cannot be used: an unsure, turned, slanted or small one."""
        limits = self.face_limits
        offset = (aligned - face_template(self.size)) * (512 / self.size)
        misfit = float(np.sqrt((offset**2).sum(axis=1).mean()))
        template_eyes = TEMPLATE_512[1, 0] - TEMPLATE_512[0, 0]
        yaw = float((offset[2, 0] - offset[:2, 0].mean()) / template_eyes)
        eyes = template_eyes * self.size / 512 * scale_of(transform)
        if score is not None and score < limits.least_score:
            return f"unsure face (confidence {score:.2f}, at least {limits.least_score:g})"
        if abs(yaw) > limits.most_yaw:
            return f"turned head (yaw {yaw:.2f}, at most {limits.most_yaw:g})"
        if misfit > most_misfit:
            return f"points far from the template ({misfit:.1f} px, at most {most_misfit:g})"
        if eyes < limits.least_eye_distance:
            least = limits.least_eye_distance
            return f"face too small (eyes {eyes:.1f} px apart, at least {least:g})"
        return None


def _unfound(
    picture: np.ndarray, masks: GivenMasks | None
) -> tuple[np.ndarray, float | None] | None:
    """The template where masks that lie beside a picture say that it is aligned already."""
    template = None if masks is None else masks.template(picture.shape)
    return None if template is None else (template, None)


def _inside(masks: np.ndarray) -> list[bool]:
    """Whether each of the masks (S, S, 3) holds something."""
    return (masks > 127).any(axis=(0, 1)).tolist()


def _unusable(found: tuple[np.ndarray, float | None] | None, shape: tuple) -> str | None:
    """Says why there are no landmarks to align by."""
    if found is None:
        return "no face found"
    landmarks, score = found
    within = (landmarks >= -0.5) & (landmarks <= np.array(shape[1::-1]) - 0.5)
    if score is None and not within.all():
        return "given landmarks outside of the picture"
    return None


def part_masks(landmarks: np.ndarray, size: int) -> np.ndarray:
    """The masks of the eyes, the nose and the lips as the channels of one picture.

    Args:
        landmarks: float (5, 2), 0-based pixels of the aligned square.
        size: side of the square in pixels.

    Returns:
        uint8 (size, size, 3), 255 inside.
    """
    masks = [part_mask(landmarks, size, part) for part in PARTS]
    return np.rint(np.dstack(masks) * 255).astype(np.uint8)
