"""Arrays of a batch under the names that a method knows."""

from keras import ops


def in_colour(pictures):
    """Pictures (N, H, W, 3); gray ones (N, H, W, 1) are repeated over the channels."""
    return ops.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures


def renamed(batch: dict, names: dict[str, tuple[str, ...]]) -> dict:
    """A batch whose arrays go by a method's own names.

    Args:
        batch: arrays by name.
        names: for each name of the method's what else it may be called, the likeliest first.
    """
    found = dict(batch)
    for name, others in names.items():
        for other in others:
            if name not in found and other in found:
                found[name] = found[other]
    return found


def photos_and_style(inputs, styles: int):
    """What a generator of drawings takes.

    Args:
        inputs: photos float (N, H, W, 3), or `(photos, style)`, or a dict of both.
        styles: int, how many styles there are; with one there is no style input.

    Returns:
        Photos, or `[photos, style]`; where no style is told, the first.
    """
    if isinstance(inputs, dict):
        inputs = [inputs[name] for name in ("photo", "style") if name in inputs]
    photos, *style = inputs if isinstance(inputs, (tuple, list)) else [inputs]
    if styles == 1:
        return photos
    if not style:
        first = ops.one_hot(0, styles)[None]
        style = [ops.repeat(first, ops.shape(photos)[0], axis=0)]
    return [photos, style[0]]
