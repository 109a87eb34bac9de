"""The published networks that are known, and which one a file of weights belongs to."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.inference.metadata import FACE, WHOLE
from keras_portrait_export.published import cartoons, resnet
from keras_portrait_export.published.builder import Builder
from keras_portrait_export.ranges import PIXELS, SIGNED, UNIT, Range

# Tensors that are named at most where some find no place.
_MOST_NAMED = 8
# Statistics that instance normalization does not use; older files of PyTorch hold them
# nevertheless.
_UNUSED = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Published:
    """A network of another project.

    Attributes:
        name: as `--as` takes it.
        build: makes the Keras model, with the weights in it.
        telling: names of tensors that such a file holds.
        source: where it comes from.
        size: side of the pictures that it was published with, in pixels.
        input_range: of the pictures that it takes.
        output_range: of those that it returns.
        framing: what its pictures show, `metadata.FACE` or `metadata.WHOLE`.
        in_channels: channels of the picture that it takes; None where both 1 and 3 are.
        blue_first: whether the original takes and returns blue, green, red; the model that `build`
            makes has red first.
    """

    name: str
    build: Callable[[Builder], keras.Model]
    telling: tuple[str, ...]
    source: str
    size: int = 256
    input_range: Range = SIGNED
    output_range: Range = SIGNED
    framing: str = WHOLE
    in_channels: int | None = None
    blue_first: bool = False

    def fits(self, weights: dict[str, np.ndarray]) -> bool:
        """Whether these weights may be such a network's."""
        if not all(name in weights for name in self.telling):
            return False
        first = weights[self.telling[0]]
        return first.ndim == 4 and self.in_channels in (None, first.shape[1])


# Two that share a form stand in the order in which people are likely to mean them.
PUBLISHED = (
    Published(
        "portrait-drawing",
        resnet.styled,
        ("model0.1.weight", "model.0.weight", "model.19.weight"),
        "generator of yiranran/Unpaired-Portrait-Drawing (Yi et al., CVPR 2020)",
        512,
        framing=FACE,
    ),
    Published(
        "qmupd",
        resnet.styled,
        ("model0.1.weight", "model.0.weight", "model.19.weight"),
        "generator of yiranran/QMUPD (Yi et al., TPAMI 2022)",
        512,
        framing=FACE,
    ),
    Published(
        "portrait-drawing-inverse",
        resnet.cyclegan,
        ("model.1.weight", "model.10.conv_block.1.weight"),
        "inverse generator of yiranran/Unpaired-Portrait-Drawing (Yi et al., CVPR 2020)",
        512,
        framing=FACE,
        in_channels=1,
    ),
    Published(
        "cyclegan",
        resnet.cyclegan,
        ("model.1.weight", "model.10.conv_block.1.weight"),
        "generator of junyanz/pytorch-CycleGAN-and-pix2pix (Zhu et al., ICCV 2017)",
        in_channels=3,
    ),
    Published(
        "informative-drawings",
        resnet.informative,
        ("model0.1.weight", "model1.0.weight", "model4.1.weight"),
        "generator of carolineec/informative-drawings (Chan et al., CVPR 2022)",
        512,
        UNIT,
        UNIT,
    ),
    Published(
        "animegan2",
        cartoons.animegan2,
        ("block_a.0.1.weight", "block_c.1.layers.0.1.weight", "out_layer.0.weight"),
        "generator of bryandlee/animegan2-pytorch (AnimeGANv2)",
        512,
    ),
    Published(
        "cartoongan",
        cartoons.cartoongan,
        ("conv01_1.weight", "in01_1.scale", "deconv03_1.weight"),
        "generator of mnicnc404/CartoonGan-tensorflow (Chen et al., CVPR 2018)",
        blue_first=True,
    ),
    Published(
        "fast-style",
        resnet.fast_style,
        ("conv1.conv2d.weight", "res1.conv1.conv2d.weight", "deconv3.conv2d.weight"),
        "fast_neural_style of pytorch/examples (Johnson et al., ECCV 2016)",
        input_range=PIXELS,
        output_range=PIXELS,
    ),
)
NAMES = tuple(one.name for one in PUBLISHED)


def recognize(weights: dict[str, np.ndarray], name: str | None, path) -> Published:
    """Which network weights belong to.

    Args:
        weights: from `weights.read_weights`.
        name: what the user says, one of `NAMES`; None looks at the weights alone.
        path: named in errors.

    Raises:
        InputError: they fit none, or not the one that was named.
        SettingError: there is no such name, or several networks fit.
    """
    fitting = [one for one in PUBLISHED if one.fits(weights)]
    if name is not None:
        if name not in NAMES:
            raise SettingError(f"--as: no such network. {nearest(name, NAMES)}Received: {name}")
        fitting = [one for one in fitting if one.name == name]
    if not fitting:
        raise InputError(
            f"Expected the weights of {name or 'one of ' + ', '.join(NAMES)}. "
            f"Received: {_listed(weights)} in {path}"
        )
    if len(fitting) > 1:
        raise SettingError(
            "The weights fit several networks. Expected --as "
            f"{' or --as '.join(one.name for one in fitting)}. Received: {path}"
        )
    return fitting[0]


def build_network(published: Published, weights: dict[str, np.ndarray], path) -> keras.Model:
    """The network with its weights.

    Args:
        published: from `recognize`.
        weights: all of them have to find their place.
        path: named in errors.

    Raises:
        InputError: a tensor is missing, has another shape, or finds no place.
    """
    builder = Builder(weights)
    try:
        model = published.build(builder)
    except KeyError as error:
        raise InputError(
            f"The weights of {published.name} lack a tensor. Expected: {error.args[0]}. Received: "
            f"{path}"
        ) from error
    except (ValueError, IndexError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The weights do not fit together as {published.name}. Received: {reason} in {path}"
        ) from error
    left = {
        name: values
        for name, values in weights.items()
        if name not in builder.placed and not name.endswith(_UNUSED)
    }
    if left:
        raise InputError(
            f"Some tensors find no place in {published.name}: {len(left)} of {len(weights)}. "
            f"Received: {_listed(left)} in {path}"
        )
    return model


def _listed(weights: dict[str, np.ndarray]) -> str:
    named = [f"{name} {values.shape}" for name, values in weights.items()]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return ", ".join(named[:_MOST_NAMED]) + more
