"""Teaches a network to find landmarks in aligned photos, for CartoonGAN's landmark loss.

Wu et al., "Landmark Assisted CycleGAN for Cartoon Face Generation", 2019 (arXiv 1907.01424),
section 3: a regressor of heat maps that is trained beforehand and then frozen. p is a photo, l(p)
the heat maps of its known landmarks.

| code      | symbol | loss                          | weight | source                         |
| --------- | ------ | ----------------------------- | ------ | ------------------------------ |
| `network` | R      | `heat_maps`: L2(R(p), l(p))   | 1      | sec. 3, landmark consistency   |
"""

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.models.cartoongan.heat_maps import peaks
from keras_portrait.training.adversarial_model import AdversarialModel

# A landmark is found if its peak is no further away than this share of the photo's width: about
# half an eye in a photo aligned as training photos are.
NEAR = 0.05


class LandmarkRegressor(AdversarialModel):
    """Trains R from photos to heat maps. One network, nothing adversarial.

    Args:
        network: R, photos float (N, H, W, 3) in [-1, 1] to heat maps (N, H, W, P) in [0, 1], as
            `networks.heat_maps.landmark_network`.
    """

    loss_names = ("heat_maps",)
    # Share of the landmarks whose peak lies within `NEAR` of the true one's.
    accuracy_names = ("landmark_accuracy",)
    headline_names = ("heat_maps", "landmark_accuracy")

    def __init__(self, network: keras.Model):
        super().__init__(name="landmark_regressor")
        self.network = network

    def trainable_groups(self):
        """R alone."""
        return {"network": self.network.trainable_variables}

    def call(self, photos):
        return self.network(photos)

    def visuals(self, batch):
        """Photos, and all their landmarks in one white-on-black picture (N, H, W, 1)."""
        photos = ops.convert_to_tensor(batch["photo"])
        found = ops.max(self.network(photos), axis=-1, keepdims=True)
        return {"photo": photos, "landmarks": 2.0 * found - 1.0}

    def train_step(self, data):
        """One update of R.

        Args:
            data: one batch, see `named`: `photo` float (N, H, W, 3) in [-1, 1], `landmarks` float
                (N, H, W, P) in [0, 1], from `losses.heat_maps`.

        Returns:
            Running means of `loss_names` and `accuracy_names`.
        """
        batch = self.named(data)

        def network_loss():
            found = self.network(batch["photo"], training=True)
            value = losses.landmark_loss(found, batch["landmarks"])
            return value, (value, found)

        value, found = self.update("network", network_loss)
        offset = peaks(found) - peaks(batch["landmarks"])
        near = ops.sum(ops.square(offset), axis=-1) <= (NEAR * batch["photo"].shape[2]) ** 2
        return self.report(
            {"heat_maps": value, "landmark_accuracy": ops.mean(ops.cast(near, "float32"))}
        )
