"""How a small generator is distilled from a trained one, on photos without drawings."""

import math
from collections.abc import Callable
from pathlib import Path

import keras

from keras_portrait.data.filter_drawings import draw_missing
from keras_portrait.data.fingerprint import sizes
from keras_portrait.data.folder_options import require_alignment
from keras_portrait.data.photos import load_photos
from keras_portrait.errors import SettingError
from keras_portrait.inference.filters import FILTERS
from keras_portrait.models.distillation.batches import TwinBatches
from keras_portrait.models.distillation.model import Distillation
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.models.distillation.teacher import DRAWINGS, draw_views, open_teacher
from keras_portrait.networks import pair_discriminator
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.recipe import WAVES
from keras_portrait.training.callbacks import Validation
from keras_portrait.training.experiment import Experiment, check_size, spread
from keras_portrait.training.scorers import TeacherScorer

# Folder of the filters' drawings inside a run folder.
DRAWN = "drawn"
# Photos of the sample grids, and held-back ones that each epoch is judged by.
SAMPLES = 6
JUDGED = 24


class DistillationExperiment(Experiment):
    """See `Experiment`; the recipe is a `DistillationRecipe`.

    Attributes:
        data: the photos, `PhotoData`.
        teacher: `Teacher`.
        filtered: names of the teacher's styles that filters draw, too.

    Raises:
        SettingError: the teacher makes no drawings of photos, or of another size or alignment.
    """

    def __init__(self, recipe, data: str | Path):
        super().__init__(recipe, data)
        self.data = load_photos(data, "Distillation")
        self.teacher = open_teacher(recipe.teacher)
        if self.teacher.size != recipe.data.size:
            raise SettingError(
                f"data.size: expected {self.teacher.size}, the size of the teacher's drawings. "
                f"Received: {recipe.data.size}"
            )
        self.filtered = tuple(style for style in self.teacher.styles if style in FILTERS)
        if recipe.data.filters and not self.filtered:
            raise SettingError(
                "data.filters: expected 0, since no filter draws any of the teacher's styles "
                f"{', '.join(self.teacher.styles)}. Received: {recipe.data.filters:g}"
            )
        require_alignment(self.folder, self.teacher.generator.metadata.alignment, "The teacher")
        # The size is the teacher's: no smaller one would do.
        sets = (self.data.photos, self.data.held_photos)
        check_size(recipe.data.size, sets, self.folder, multiple=0)

    def description(self) -> dict:
        """Names of the styles, which teacher it was, and how many photos there are."""
        return {
            "styles": list(self.teacher.styles),
            "teacher_sha256": self.teacher.sha256,
            "photos": len(self.data.photos),
        }

    def pictures(self) -> dict[str, list]:
        """Photos, held-back ones too."""
        return sizes(self.folder, [*self.data.photos, *self.data.held_photos])

    def steps_per_pass(self) -> int:
        """A pass over one view of each photo."""
        return math.ceil(len(self.data.photos) / self.recipe.data.batch)

    def batches(self, run: Path) -> TwinBatches:
        """Crops of photos, their twins, drawings of both and their styles."""
        recipe, drawings = self.recipe, (run / DRAWINGS, run / DRAWN)
        return TwinBatches(
            self.data,
            recipe.data,
            recipe.train.seed,
            drawings,
            self.teacher.styles,
            self.filtered,
        )

    def build(self, total_steps: int, devices: int) -> Distillation:
        """Student and discriminator, their optimizers, and LPIPS with its weights."""
        recipe, net, train = self.recipe, self.recipe.network, self.recipe.train
        styles, judged = self.teacher.styles, recipe.loss.adversarial > 0
        period, count = recipe.data.size // WAVES, len(styles)
        model = Distillation(
            styles,
            generator=student_generator(count, net.filters, net.blocks, period),
            discriminator=pair_discriminator(count, net.discriminator_filters) if judged else None,
            distance=PerceptualDistance(),
            weights=recipe.loss,
            average_decay=train.average_decay,
        )
        optimizers = {"generator": self.adam(train.learning_rate, total_steps)}
        if judged:
            # It joins in late and ends with the generator.
            steps = max(total_steps - recipe.loss.adversarial_from, 1)
            optimizers["discriminator"] = self.adam(train.discriminator_learning_rate, steps)
        model.compile(**optimizers)
        return model

    def prepare_run(
        self, model: Distillation, run: Path, check_stop: Callable[[], None] = lambda: None
    ) -> None:
        """Lets teacher and filters draw, where they have not yet."""
        data, recipe = self.data, self.recipe
        shown = [*self._judged(), *self._samples()]
        shown = [row for row in shown if row.split != "train"]
        draw_views(run, self.teacher, data, recipe.data, recipe.train.seed, shown, check_stop)
        if recipe.data.filters:
            places = run / DRAWN, self.folder
            names, size, features = self.filtered, recipe.data.size, recipe.data.features
            for _ in draw_missing(*places, data.photos, names, size, features):
                check_stop()

    def adam(self, rate: float, total_steps: int, **settings) -> keras.optimizers.Optimizer:
        """As in `Experiment`, with both of Adam's decays."""
        return super().adam(rate, total_steps, beta_2=self.recipe.train.beta_2, **settings)

    def samples(self, batches: TwinBatches) -> dict:
        """Held-back photos, or training photos where none were held back."""
        return batches.fixed(self._samples())

    def validation(self, batches: TwinBatches, run: Path) -> list[keras.callbacks.Callback]:
        """`Validation` by the teacher, where photos were held back."""
        judged = self._judged()
        return [Validation(run, TeacherScorer(batches.fixed(judged)))] if judged else []

    def _judged(self):
        return spread(self.data.held_photos, JUDGED)

    def _samples(self):
        return spread(self.data.held_photos or self.data.photos, SAMPLES)


EXPERIMENT = DistillationExperiment
