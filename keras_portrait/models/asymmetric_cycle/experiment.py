"""The asymmetric cycle mapping on prepared photos and drawings."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_portrait.data.fingerprint import fingerprint
from keras_portrait.data.portraits import PortraitBatches, load_prepared
from keras_portrait.errors import SettingError
from keras_portrait.inference.geometry import PARTS
from keras_portrait.models.asymmetric_cycle.config import AsymmetricCycleRecipe
from keras_portrait.models.asymmetric_cycle.edge_cache import EDGES, store_edges
from keras_portrait.models.asymmetric_cycle.model import AsymmetricCycle
from keras_portrait.models.asymmetric_cycle.warm_start import WarmStart
from keras_portrait.networks import (
    line_generator,
    patch_discriminator,
    resnet_generator,
    style_discriminator,
)
from keras_portrait.perceptual import EdgeDetector, FaceFinder, PerceptualDistance
from keras_portrait.recipe import WAVES
from keras_portrait.training.callbacks import Validation
from keras_portrait.training.experiment import (
    Experiment,
    Phase,
    check_size,
    require_landmarks,
    spread,
)
from keras_portrait.training.initial_weights import drawings_of
from keras_portrait.training.saved_generator import raise_contrast
from keras_portrait.training.scorers import PortraitScorer

# Photos of the sample grids, and held-back pictures that each epoch is judged by.
SAMPLES = 6
JUDGED = 24


class AsymmetricCycleExperiment(Experiment):
    """See `Experiment`; the recipe is an `AsymmetricCycleRecipe`.

    Attributes:
        data: the pictures to train on, `PreparedData`.

    Raises:
        SettingError: the squares are smaller than `data.size`, or `data.lines` names a style that
            there is not.
        InputError: `loss.face` has a photo without landmarks.
    """

    def __init__(self, recipe, data: str | Path):
        super().__init__(recipe, data)
        self.data = load_prepared(data)
        sets = (self.data.photos, self.data.drawings)
        check_size(recipe.data.size, sets, self.data.folder, multiple=32)
        unknown = sorted(set(recipe.data.lines) - set(self.data.styles))
        if unknown:
            raise SettingError(
                f"data.lines: expected styles of {self.data.folder} "
                f"({', '.join(self.data.styles)}). Received: {', '.join(unknown)}"
            )
        if recipe.loss.face:
            require_landmarks(self.data.photos, "loss.face")

    def description(self) -> dict:
        """Names of the styles, and how many photos and drawings there are."""
        return {
            "styles": self.data.styles,
            "photos": len(self.data.photos),
            "drawings": len(self.data.drawings),
        }

    def contents(self) -> dict[str, str]:
        """As in `Experiment`; and what the anchor holds on to, which must stay the same."""
        held = self.start is not None and self.recipe.loss.anchor > 0
        return super().contents() | ({"anchor_sha256": self.start.sha256} if held else {})

    def pictures(self) -> dict[str, list]:
        """Photos and drawings, held-back ones too."""
        return fingerprint(self.data, self.recipe.data.soft_styles)

    def steps_per_pass(self) -> int:
        """A pass over the larger of the two domains."""
        pictures = max(len(self.data.photos), len(self.data.drawings))
        return math.ceil(pictures / self.recipe.data.batch)

    def batches(self, run: Path) -> PortraitBatches:
        """Photos, drawings, masks, styles; lines and edges where the recipe asks for them."""
        recipe = self.recipe
        return PortraitBatches(
            self.data,
            recipe.data,
            recipe.train.seed,
            lines=recipe.loss.anchor > 0 and not self.start,
            faces=recipe.loss.face > 0,
            edges=run / EDGES if self._stores_edges() else None,
        )

    def build(self, total_steps: int, devices: int) -> AsymmetricCycle:
        """Every network of the method, frozen ones with their weights; optimizers; pools."""
        train = self.recipe.train
        model = build_asymmetric_cycle(self.recipe, self.data.styles, self._draw_start())
        model.compile(
            generator=self.adam(train.learning_rate, total_steps),
            discriminator=self.adam(train.discriminator_learning_rate, total_steps),
        )
        return model

    def prepare_run(
        self, model: AsymmetricCycle, run: Path, check_stop: Callable[[], None] = lambda: None
    ) -> None:
        """Computes the photos' edge maps, where the recipe asks for it."""
        if self._stores_edges():
            store_edges(run, self.data.folder, self.data.photos, model.edge_detector, check_stop)

    def begin(self, model: AsymmetricCycle) -> None:
        """As in `Experiment`, with the contrast that the recipe asks for."""
        super().begin(model)
        if self.start:
            raise_contrast(model.generator, self.recipe.train.start_contrast)

    def phases(self, model: AsymmetricCycle) -> list[Phase]:
        """The warm start, where the recipe asks for it."""
        settings = self.recipe.train
        if not settings.warm_start_steps:
            return []
        draw = self._draw_start()
        starter = WarmStart(model.inverse_generator, model.distance, draw)
        starter.compile(generator=keras.optimizers.Adam(settings.learning_rate, settings.beta_1))
        seed, lines = settings.seed + 1, draw is None
        batches = PortraitBatches(self.data, self.recipe.data, seed, lines=lines)
        return [Phase("warm start", starter, batches, settings.warm_start_steps)]

    def samples(self, batches: PortraitBatches) -> dict:
        """Held-back photos, or training photos where none were held back."""
        photos = self.data.held_photos or self.data.photos
        return {"photo": batches.fixed(spread(photos, SAMPLES))}

    def validation(self, batches: PortraitBatches, run: Path) -> list[keras.callbacks.Callback]:
        """`Validation`, where enough pictures were held back."""
        photos = spread(self.data.held_photos, JUDGED)
        drawings = spread(self.data.held_drawings, JUDGED)
        if not photos or len(drawings) < 2:
            return []
        turn = np.arange(len(photos)) % len(self.data.styles)
        styles = np.eye(len(self.data.styles), dtype=np.float32)[turn]
        scorer = PortraitScorer(batches.fixed(photos), styles, batches.fixed(drawings))
        return [Validation(run, scorer)]

    def _draw_start(self):
        """Anchor and warm start hold on to what the start draws; None where a filter draws."""
        return drawings_of(self.start) if self.start else None

    def _stores_edges(self):
        return self.recipe.data.stored_edges and self.recipe.loss.forward_cycle == "edges"


def build_asymmetric_cycle(
    recipe: AsymmetricCycleRecipe,
    style_names: Sequence[str],
    draw_anchor: Callable | None = None,
) -> AsymmetricCycle:
    """Builds every network of the method, with the frozen ones' weights loaded.

    Args:
        recipe: sizes, weights and seeds.
        style_names: names of the styles.
        draw_anchor: as `AsymmetricCycle` takes it.

    Returns:
        The model, not compiled.

    Raises:
        MissingExtra: the HED weights are not installed.
    """
    net, size, loss = recipe.network, recipe.data.size, recipe.loss
    styles = len(style_names)
    drawing_disc = (
        style_discriminator(1, styles, size, net.discriminator_filters, name="drawing_disc")
        if styles > 1 and loss.style
        else patch_discriminator(1, net.discriminator_filters, name="drawing_disc")
    )
    return AsymmetricCycle(
        styles=style_names,
        size=size,
        generator=_generator(net, styles, size),
        inverse_generator=resnet_generator(
            1, 3, 1, net.inverse_filters, net.inverse_blocks, net.upsampling, "inverse_generator"
        ),
        drawing_disc=drawing_disc,
        photo_disc=patch_discriminator(3, net.discriminator_filters, name="photo_disc"),
        part_discs={
            part: patch_discriminator(2, net.part_filters, name=f"{part}_disc")
            for part in (PARTS if loss.local else ())
        },
        edge_detector=EdgeDetector(),
        distance=PerceptualDistance(),
        weights=loss,
        face_finder=FaceFinder() if loss.face else None,
        draw_anchor=draw_anchor if loss.anchor else None,
        pool_size=recipe.train.pool,
        average_decay=recipe.train.average_decay,
        seed=recipe.train.seed,
    )


def _generator(net, styles, size):
    """G, of the kind that the recipe names."""
    if net.generator == "line":
        return line_generator(styles, net.filters, net.blocks, size // WAVES)
    return resnet_generator(
        *(3, 1, styles, net.filters, net.blocks, net.upsampling),
        name="generator",
        style_input=net.style_input,
    )


EXPERIMENT = AsymmetricCycleExperiment
