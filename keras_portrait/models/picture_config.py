"""What the trainings of DCGAN, CycleGAN and CartoonGAN share."""

from dataclasses import dataclass

from keras_portrait.errors import SettingError
from keras_portrait.recipe import TrainSettings, between


@dataclass(frozen=True)
class PictureTrainSettings(TrainSettings):
    """`TrainSettings`, and learning rates that drop.

    Attributes:
        drop_epochs: epochs after each of which the learning rate is multiplied by `drop_factor`.
        drop_factor: see there.
    """

    drop_epochs: tuple[int, ...] = ()
    drop_factor: float = between(0.1, 0, 1)

    def check(self, prefix: str):
        """Refuses drops that are out of order."""
        drops = self.drop_epochs
        if any(a >= b for a, b in zip((0, *drops), drops, strict=False)):
            raise SettingError(
                f"{prefix}drop_epochs: expected numbers from 1 up, in order. "
                f"Received: {list(drops)}"
            )
