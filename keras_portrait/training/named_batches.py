"""Batches as people give them, and as a method's steps want them: arrays by name."""

import keras
from keras import ops


class NamedBatches:
    """What a model says of its batches; mixed into a `keras.Model`."""

    # What the arrays of a batch are that has no names, in this order.
    batch_names: tuple[str, ...] = ()

    def named(self, data) -> dict:
        """The arrays of a batch by name.

        Args:
            data: a dict; or arrays in the order of `batch_names`, nested in tuples or not.

        Raises:
            ValueError: more arrays than names, or what the method needs is missing.
        """
        while isinstance(data, (tuple, list)) and len(data) == 1:
            data = data[0]
        if isinstance(data, dict):
            return self.completed(dict(data))
        arrays = [array for array in keras.tree.flatten(data) if array is not None]
        if len(arrays) > len(self.batch_names):
            raise ValueError(
                f"A batch of {self.name}: expected a dict, or {', '.join(self.batch_names)} in "
                f"this order. Received: {len(arrays)} arrays"
            )
        return self.completed(dict(zip(self.batch_names, arrays, strict=False)))

    def completed(self, batch: dict) -> dict:
        """A batch with what can be filled in; a method says what that is."""
        return batch

    def require(self, batch: dict, *names: str) -> None:
        """Refuses a batch without some of its arrays.

        Raises:
            ValueError: one of the names is not there.
        """
        if missing := [name for name in names if name not in batch]:
            raise ValueError(
                f"A batch of {self.name}: expected {', '.join(names)}. Received: no "
                f"{', no '.join(missing)}, but {', '.join(sorted(batch)) or 'nothing'}"
            )

    def fill_style(self, batch: dict, styles: int) -> None:
        """Adds the style of drawings that have but one, where none is told.

        Args:
            batch: with `photo`; gets `style`, float (N, 1), ones.
            styles: int, how many there are.

        Raises:
            ValueError: there are several styles and none is told.
        """
        if "style" in batch:
            return
        if styles > 1:
            self.require(batch, "style")
        batch["style"] = ops.ones((ops.shape(batch["photo"])[0], 1))

    def check_size(self, pictures, size: tuple[int, int] | None) -> None:
        """Refuses pictures of another size than the pools hold.

        Args:
            pictures: float (N, H, W, C).
            size: height and width in pixels; None lets any pass.

        Raises:
            ValueError: the size is another.
        """
        if size is not None and tuple(pictures.shape[1:3]) != size:
            raise ValueError(
                f"Expected pictures of {size[0]} x {size[1]} pixels, the size of this model. "
                f"Received: {pictures.shape[1]} x {pictures.shape[2]}"
            )
