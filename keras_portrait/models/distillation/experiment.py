"""How a small generator is distilled from a trained one, on photos without drawings."""

import math
from collections.abc import Callable
from pathlib import Path

import keras

from keras_portrait.data.fingerprint import sizes
from keras_portrait.data.folder_options import require_alignment
from keras_portrait.data.photos import load_photos
from keras_portrait.errors import SettingError
from keras_portrait.models.distillation.batches import TeacherBatches
from keras_portrait.models.distillation.model import Distillation
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.models.distillation.teacher import DRAWINGS, draw_views, open_teacher
from keras_portrait.networks import patch_discriminator
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training.callbacks import Validation
from keras_portrait.training.experiment import Experiment, check_size, spread
from keras_portrait.training.scorers import TeacherScorer

# Photos of the sample grids, and held-back ones that each epoch is judged by.
SAMPLES = 6
JUDGED = 24


class DistillationExperiment(Experiment):
    """See `Experiment`; the recipe is a `DistillationRecipe`.

    Attributes:
        data: the photos, `PhotoData`.
        teacher: `Teacher`.

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

    def batches(self, run: Path) -> TeacherBatches:
        """Photos, the teacher's drawings and their styles."""
        recipe = self.recipe
        return TeacherBatches(
            self.data, recipe.data, recipe.train.seed, run / DRAWINGS, len(self.teacher.styles)
        )

    def build(self, total_steps: int, devices: int) -> Distillation:
        """Student and discriminator, their optimizers, and LPIPS with its weights."""
        recipe, net, train = self.recipe, self.recipe.network, self.recipe.train
        styles = self.teacher.styles
        adversarial = recipe.loss.adversarial > 0
        model = Distillation(
            styles,
            generator=student_generator(len(styles), net.filters, net.blocks),
            discriminator=(
                patch_discriminator(1, net.discriminator_filters) if adversarial else None
            ),
            distance=PerceptualDistance(),
            weights=recipe.loss,
            average_decay=train.average_decay,
        )
        rates = {"generator": train.learning_rate}
        if adversarial:
            rates["discriminator"] = train.discriminator_learning_rate
        model.compile(**{name: self.adam(rate, total_steps) for name, rate in rates.items()})
        return model

    def prepare_run(
        self, model: Distillation, run: Path, check_stop: Callable[[], None] = lambda: None
    ) -> None:
        """Lets the teacher draw, where it has not yet."""
        plain = [*enumerate(self._judged()), *enumerate(self._samples())]
        draw_views(
            run,
            self.teacher,
            self.data,
            self.recipe.data,
            self.recipe.train.seed,
            plain,
            check_stop,
        )

    def samples(self, batches: TeacherBatches) -> dict:
        """Held-back photos, or training photos where none were held back."""
        return batches.fixed(self._samples())

    def validation(self, batches: TeacherBatches, run: Path) -> list[keras.callbacks.Callback]:
        """`Validation` by the teacher, where photos were held back."""
        judged = self._judged()
        return [Validation(run, TeacherScorer(batches.fixed(judged)))] if judged else []

    def _judged(self):
        return spread(self.data.held_photos, JUDGED)

    def _samples(self):
        return spread(self.data.held_photos or self.data.photos, SAMPLES)


EXPERIMENT = DistillationExperiment
