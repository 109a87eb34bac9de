"""How a trained generator learns one more style: from a folder of prepared drawings, and photos."""

import functools
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_portrait.data.fingerprint import sizes
from keras_portrait.data.folder_options import require_alignment
from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.photos import load_photos
from keras_portrait.data.shards.reader import refuse_shards
from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import require_sha256
from keras_portrait.models.style_adaptation.batches import (
    AdaptationBatches,
    AdaptationPictures,
    read_pictures,
)
from keras_portrait.models.style_adaptation.hand import (
    GRAMS,
    load_grams,
    measure_hand,
    nearest_mix,
    save_grams,
)
from keras_portrait.models.style_adaptation.model import StyleAdaptation
from keras_portrait.networks import patch_discriminator
from keras_portrait.training.experiment import Experiment, check_size
from keras_portrait.training.initial_weights import Start, open_start
from keras_portrait.training.more_styles import begin_as, require_styles, with_one_more_style
from keras_portrait.training.saved_generator import DIRECTIONS, in_float32, load_model

# Photos of the sample grids.
SAMPLES = 4


class AdaptationExperiment(Experiment):
    """See `Experiment`; the recipe is an `AdaptationRecipe`.

    Raises:
        InputError: there are no photos, or no drawings.
        SettingError: `train.start_from` is no generator with styles, has a style of that name
            already, or is of another size or alignment.
    """

    def __init__(self, recipe, data: str | Path):
        refuse_shards(data, "A style adaptation")
        super().__init__(recipe, data)
        self.photo_folder = Path(recipe.photos or self.folder)
        self.photos = load_photos(self.photo_folder, "A style adaptation")
        self.drawings = [
            row for row in read_manifest(self.folder) if row.kept and row.kind == "drawing"
        ]
        if not self.drawings:
            raise InputError(
                f"{self.folder}: expected drawings of one hand, as `portrait adapt` prepares them. "
                "Received: none (the manifest says why each picture was dropped)"
            )
        rows = [*self.photos.photos, *self.photos.held_photos, *self.drawings]
        check_size(recipe.data.size, (rows,), self.folder, multiple=0)
        self._check_start()
        self.grams = None

    def _check_start(self):
        known = self.start.generator
        if known.size and known.size != self.recipe.data.size:
            raise SettingError(
                f"data.size: expected {known.size}, the size of the generator that it starts from. "
                f"Received: {self.recipe.data.size}"
            )
        require_styles(known.model, known.name)
        if self.recipe.style in known.styles:
            raise SettingError(
                f"The new style needs a name of its own, beside {', '.join(known.styles)}. "
                f"Received: {self.recipe.style}"
            )
        require_alignment(self.photo_folder, known.alignment, f"The generator {known.name}")

    @functools.cached_property
    def start(self) -> Start:
        """What `train.start_from` names, opened.

        Raises:
            InputError: there is no such generator, or its file is broken.
            SettingError: it names nothing.
        """
        start = open_start(self.recipe.train.start_from, ())
        if start is None:
            raise SettingError(
                "train.start_from: expected a preset or a run to which the style is added. "
                "Received: none"
            )
        return replace(start, styles=(*start.generator.styles, self.recipe.style))

    @functools.cached_property
    def inverse_generator(self) -> keras.Model | None:
        """F of the run that it starts from, drawings to photos; None where there is none.

        Raises:
            InputError: its file is broken, or holds another network.
        """
        path = self._inverse_path()
        if path is None:
            return None
        model = in_float32(load_model(path))
        shapes = [tensor.shape[-1] for tensor in (*model.inputs, *model.outputs)]
        if shapes != [1, 3]:
            raise InputError(
                "Expected an inverse generator, which makes a picture of 3 channels of one of 1. "
                f"Received: channels {shapes} in {path}"
            )
        return model

    def _inverse_path(self):
        """Where F lies, if it is wanted and the start is the folder of a run that has it."""
        folder = self.start.folder if self.recipe.loss.cycle else None
        path = folder and folder / DIRECTIONS["b-to-a"]
        return path if path and os.path.isfile(path) else None

    def contents(self) -> dict[str, str]:
        """As in `Experiment`; and the inverse generator, where there is one."""
        path = self._inverse_path()
        more = {"inverse_sha256": require_sha256(path, "the inverse generator")} if path else {}
        return super().contents() | more

    def description(self) -> dict:
        """Names of the styles, the new one last, and how many photos and drawings there are."""
        return {
            "styles": list(self.start.styles),
            "photos": len(self.photos.photos),
            "drawings": len(self.drawings),
        }

    def pictures(self) -> dict[str, list]:
        """Photos and drawings."""
        photos = sizes(self.photo_folder, self.photos.photos)
        return photos | sizes(self.folder, self.drawings)

    def steps_per_pass(self) -> int:
        """A pass over the photos."""
        return math.ceil(len(self.photos.photos) / self.recipe.data.batch)

    @functools.cached_property
    def squares(self) -> AdaptationPictures:
        """All photos and drawings to train on."""
        places = ((self.photo_folder, self.photos.photos), (self.folder, self.drawings))
        return AdaptationPictures(*read_pictures(places, self.recipe.data.size))

    def batches(self, run: Path) -> AdaptationBatches:
        """Windows of photos and drawings, and Gram matrices."""
        recipe = self.recipe
        grams = self.grams or load_grams(run / GRAMS)
        return AdaptationBatches(self.squares, recipe.data, recipe.train.seed, grams)

    def build(self, total_steps: int, devices: int) -> StyleAdaptation:
        """The generator with one more style, the discriminator, their optimizers."""
        net, train, known = self.recipe.network, self.recipe.train, self.start.generator
        count = len(known.styles)
        model = StyleAdaptation(
            self.start.styles,
            with_one_more_style(known.model, np.full(count, 1 / count)),
            self._draw_start,
            drawing_disc=patch_discriminator(1, net.discriminator_filters, name="drawing_disc"),
            inverse_generator=self.inverse_generator,
            weights=self.recipe.loss,
            last_layers=net.last_layers,
            last_layers_rate=train.last_layers_rate,
        )
        rates = {
            "generator": train.learning_rate,
            "last_layers": train.learning_rate * train.last_layers_rate,
            "inverse_generator": train.inverse_learning_rate,
            "discriminator": train.discriminator_learning_rate,
        }
        model.compile(
            **{name: self.adam(rates[name], total_steps) for name in model.trainable_groups()}
        )
        return model

    def prepare_run(
        self, model: StyleAdaptation, run: Path, check_stop: Callable[[], None] = lambda: None
    ) -> None:
        """Measures the hand, where the run has not yet."""
        path = run / GRAMS
        if not path.is_file():
            drawings = self.squares.drawings
            save_grams(path, measure_hand(drawings, self.recipe.data, model.features, check_stop))
        self.grams = load_grams(path)

    def starts(self, model: StyleAdaptation) -> list:
        """None to fill: the generator is built around the weights of the trained one."""
        return []

    def begin(self, model: StyleAdaptation) -> None:
        """Lets the new style begin as what comes nearest of the known ones, see `nearest_mix`."""
        pictures = self.squares
        mix = nearest_mix(
            self._draw_start,
            len(self.start.generator.styles),
            pictures.photos,
            pictures.drawings,
            self.recipe.data,
        )
        begin_as(model.generator, mix)
        model.mix.assign(mix)

    def samples(self, batches: AdaptationBatches) -> dict:
        """Photos that it learns on, whole."""
        return {"photo": batches.fixed(SAMPLES)}

    def _draw_start(self, photos, style):
        return ops.stop_gradient(self.start.model([photos, style], training=False))


EXPERIMENT = AdaptationExperiment
