"""Layers of PyTorch in NumPy, channels first, and networks that no recorded file is at hand of."""

import numpy as np


def reflect(x, pixels):
    return np.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels)), mode="reflect")


def convolve(x, weight, bias, stride=1):
    """(C, H, W) by (out, C, side, side), without padding."""
    side = weight.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))
    return (
        np.einsum("chwij,ocij->ohw", windows[:, ::stride, ::stride], weight) + bias[:, None, None]
    )


def enlarge(x, weight, bias):
    """A transposed convolution of stride 2, padding 1, output padding 1; (C, out, 3, 3)."""
    channels, height, width = x.shape
    made = np.zeros((weight.shape[1], 2 * height + 2, 2 * width + 2))
    for row in range(3):
        for column in range(3):
            part = np.einsum("chw,co->ohw", x, weight[:, :, row, column])
            made[:, row : row + 2 * height : 2, column : column + 2 * width : 2] += part
    return made[:, 1:-1, 1:-1] + bias[:, None, None]


def normalize(x, scale, shift, epsilon):
    mean, variance = x.mean(axis=(1, 2)), x.var(axis=(1, 2))
    gain = scale / np.sqrt(variance + epsilon)
    return (x - mean[:, None, None]) * gain[:, None, None] + shift[:, None, None]


def relu(x):
    return np.maximum(x, 0)


def cartoongan(weights, image):
    """CartoonGAN's generator, (3, H, W) in [-1, 1], blue first."""

    def conv(x, name, pixels, stride=1):
        return convolve(
            reflect(x, pixels), weights[f"{name}.weight"], weights[f"{name}.bias"], stride
        )

    def norm(x, name):
        return normalize(x, weights[f"{name}.scale"], weights[f"{name}.shift"], 1e-9)

    x = relu(norm(conv(image, "conv01_1", 3), "in01_1"))
    for at in ("02", "03"):
        x = conv(conv(x, f"conv{at}_1", 1, 2), f"conv{at}_2", 1)
        x = relu(norm(x, f"in{at}_1"))
    for number in range(4, 12):
        y = relu(norm(conv(x, f"conv{number:02}_1", 1), f"in{number:02}_1"))
        x = x + norm(conv(y, f"conv{number:02}_2", 1), f"in{number:02}_2")
    for at, name in (("01", "in12_1"), ("02", "in13_1")):
        x = enlarge(x, weights[f"deconv{at}_1.weight"], weights[f"deconv{at}_1.bias"])
        x = relu(norm(conv(x, f"deconv{at}_2", 1), name))
    return np.tanh(conv(x, "deconv03_1", 3))


def cartoongan_weights(rng, width=4):
    """Random weights of its names, of few channels."""
    weights = {}

    def conv(name, inputs, outputs, side=3, swapped=False):
        shape = (inputs, outputs) if swapped else (outputs, inputs)
        weights[f"{name}.weight"] = rng.normal(0, 0.3, (*shape, side, side))
        weights[f"{name}.bias"] = rng.normal(0, 0.3, outputs)

    def norm(name, channels):
        weights[f"{name}.scale"] = rng.uniform(0.5, 1.5, channels)
        weights[f"{name}.shift"] = rng.normal(0, 0.3, channels)

    conv("conv01_1", 3, width, 7)
    norm("in01_1", width)
    for at, inputs in (("02", width), ("03", 2 * width)):
        conv(f"conv{at}_1", inputs, 2 * inputs)
        conv(f"conv{at}_2", 2 * inputs, 2 * inputs)
        norm(f"in{at}_1", 2 * inputs)
    for number in range(4, 12):
        for part in (1, 2):
            conv(f"conv{number:02}_{part}", 4 * width, 4 * width)
            norm(f"in{number:02}_{part}", 4 * width)
    for at, inputs, name in (("01", 4 * width, "in12_1"), ("02", 2 * width, "in13_1")):
        conv(f"deconv{at}_1", inputs, inputs // 2, swapped=True)
        conv(f"deconv{at}_2", inputs // 2, inputs // 2)
        norm(name, inputs // 2)
    conv("deconv03_1", width, 3, 7)
    return {name: values.astype(np.float32) for name, values in weights.items()}


def fast_style(weights, image):
    """The fast style net of PyTorch's examples, (3, H, W) in [0, 255]."""

    def conv(x, name, stride=1):
        weight = weights[f"{name}.conv2d.weight"]
        padded = reflect(x, weight.shape[2] // 2)
        return convolve(padded, weight, weights[f"{name}.conv2d.bias"], stride)

    def norm(x, name):
        return normalize(x, weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-5)

    x = image
    for at, stride in ((1, 1), (2, 2), (3, 2)):
        x = relu(norm(conv(x, f"conv{at}", stride), f"in{at}"))
    for at in range(1, 6):
        y = relu(norm(conv(x, f"res{at}.conv1"), f"res{at}.in1"))
        x = x + norm(conv(y, f"res{at}.conv2"), f"res{at}.in2")
    for at in (1, 2):
        x = x.repeat(2, axis=1).repeat(2, axis=2)
        x = relu(norm(conv(x, f"deconv{at}"), f"in{at + 3}"))
    return conv(x, "deconv3")


def fast_style_weights(rng, width=4):
    """Random weights of its names, of few channels; with the statistics that old files have."""
    weights = {}

    def conv(name, inputs, outputs, side=3, spread=0.3):
        weights[f"{name}.conv2d.weight"] = rng.normal(0, spread, (outputs, inputs, side, side))
        weights[f"{name}.conv2d.bias"] = rng.normal(0, 0.3, outputs)

    def norm(name, channels):
        weights[f"{name}.weight"] = rng.uniform(0.5, 1.5, channels)
        weights[f"{name}.bias"] = rng.normal(0, 0.3, channels)
        weights[f"{name}.running_mean"] = rng.normal(0, 9, channels)
        weights[f"{name}.running_var"] = rng.uniform(1, 9, channels)

    for at, inputs, outputs, side in ((1, 3, 1, 9), (2, 1, 2, 3), (3, 2, 4, 3)):
        conv(f"conv{at}", inputs if at == 1 else inputs * width, outputs * width, side)
        norm(f"in{at}", outputs * width)
    for at in range(1, 6):
        for part in (1, 2):
            conv(f"res{at}.conv{part}", 4 * width, 4 * width)
            norm(f"res{at}.in{part}", 4 * width)
    for at, inputs in ((1, 4), (2, 2)):
        conv(f"deconv{at}", inputs * width, inputs * width // 2)
        norm(f"in{at + 3}", inputs * width // 2)
    conv("deconv3", width, 3, 9, spread=3)
    weights["deconv3.conv2d.bias"] += 128
    return {name: values.astype(np.float32) for name, values in weights.items()}
