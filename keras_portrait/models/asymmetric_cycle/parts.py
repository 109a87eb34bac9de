"""What a local discriminator sees of a drawing."""

from keras import ops


def show_part(drawings, mask):
    """Whitens a drawing outside a mask and appends the mask as a channel.

    Args:
        drawings: float (N, H, W, 1) in [-1, 1].
        mask: float (N, H, W, 1) in [0, 1], 1 inside the part; stays in [0, 1] as a channel.

    Returns:
        float32 (N, H, W, 2).

    Reference:
        Yi et al., CVPR 2020, sec. 3.3.1 (local discriminators); mask type 3 of the paper's code.
    """
    drawings = ops.cast(drawings, "float32")
    mask = ops.cast(mask, "float32")
    return ops.concatenate([drawings * mask + (1.0 - mask), mask], axis=-1)
