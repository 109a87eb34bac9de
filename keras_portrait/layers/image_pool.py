"""A history of generated images, kept in the model's weights."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_portrait")
class ImagePool(keras.layers.Layer):
    """Mixes fresh fakes with older ones before a discriminator sees them.

    Until the pool is full each image is stored and returned. Afterwards, with probability one
    half, an image is returned as it came; otherwise it takes the place of a random stored one,
    which is returned in its stead. Size 0 returns every image unchanged.

    The pool lives in non-trainable weights, so it is saved and restored with the model. Called
    on float (N, H, W, C) it returns the same shape. Masks that belong to a fake travel with it
    as extra channels.

    On several devices and machines every device sees the fakes of all, in their order in the batch,
    and keeps the same pool with the same lots: what it holds depends on the seed and the steps
    alone, not on how many devices there are.

    Args:
        size: int, number of images kept.
        seed: int, seed of the draws; its state is saved with the model.

    Reference:
        Shrivastava et al., "Learning from Simulated and Unsupervised Images", CVPR 2017, sec. 2.3.
    """

    def __init__(self, size: int = 50, seed: int = 0, **kwargs):
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self.size = size
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if self.size:
            self.images = self.add_weight(
                shape=(self.size, *input_shape[1:]),
                initializer="zeros",
                trainable=False,
                name="images",
            )
            self.filled = self.add_weight(
                shape=(),
                initializer="zeros",
                dtype="int32",
                trainable=False,
                name="filled",
            )
        self.built = True

    def call(self, inputs):
        if not self.size:
            return inputs
        fakes, devices, place = _of_all_devices(ops.cast(inputs, "float32"))
        batch = inputs.shape[0]
        if batch is None:
            batch = ops.shape(inputs)[0]
            seen = self._take_turns(fakes)
        else:
            answers = [self._exchange(fakes[i : i + 1]) for i in range(batch * devices)]
            seen = ops.concatenate(answers, axis=0)
        own = ops.slice(seen, (place * batch, 0, 0, 0), (batch, *ops.shape(inputs)[1:]))
        return ops.cast(own, inputs.dtype)

    def _take_turns(self, images):
        """Exchanges images float (N, H, W, C) one after the other, where N is not known before."""
        one = (1, *ops.shape(images)[1:])

        def turn(index, seen):
            start = (index, 0, 0, 0)
            return ops.slice_update(seen, start, self._exchange(ops.slice(images, start, one)))

        return ops.fori_loop(0, ops.shape(images)[0], turn, images)

    def _exchange(self, image):
        """Stores or swaps one float (1, H, W, C) image and returns what the discriminator sees."""
        filling = ops.less(self.filled, self.size)
        chance = keras.random.uniform((2,), seed=self.seed_generator)
        drawn = ops.minimum(ops.cast(chance[0] * self.size, "int32"), self.size - 1)
        slot = ops.where(filling, ops.minimum(self.filled, self.size - 1), drawn)
        swap = ops.logical_and(ops.logical_not(filling), ops.less(chance[1], 0.5))
        stored = self._read(slot, image)
        self._write(slot, ops.where(ops.logical_or(filling, swap), image, stored))
        self.filled.assign(ops.minimum(self.filled + 1, self.size))
        return ops.where(swap, stored, image)

    def _read(self, slot, image):
        """The stored image (1, H, W, C) in a slot; `image` has its shape."""
        if _writes_in_place():
            import tensorflow as tf

            return tf.gather(self.images.value, [slot])
        return ops.slice(self.images, (slot, 0, 0, 0), ops.shape(image))

    def _write(self, slot, image):
        """Puts an image (1, H, W, C) into a slot."""
        if _writes_in_place():
            import tensorflow as tf

            self.images.value.scatter_update(tf.IndexedSlices(image, [slot]))
            return
        start = (slot, 0, 0, 0)
        self.images.assign(ops.slice_update(ops.convert_to_tensor(self.images), start, image))

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["seed_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        weights = {name: store[name] for name in store.keys() if name != "seed_state"}
        super().load_own_variables(weights)
        self.seed_generator.state.assign(store["seed_state"][()])

    def get_config(self):
        return {**super().get_config(), "size": self.size, "seed": self.seed}


def _writes_in_place():
    """Whether one image can be changed without a copy of all, which may be hundreds of MB."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.distribute.has_strategy()


def _of_all_devices(images):
    """Images of all devices that share a batch, how many these are, and which one this is."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            place = context.replica_id_in_sync_group
            return context.all_gather(images, axis=0), context.num_replicas_in_sync, place
    return images, 1, 0
