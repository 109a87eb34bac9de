"""Presets whose pictures are known.

`write_tiny_preset` draws the mean of red, green and blue, plus an offset of its style, and
`write_whole_preset` that of whole pictures.
`write_colour_preset` swaps red and blue. `write_noise_preset` makes a picture of one colour, three
tenths of the first three numbers of its noise.

The model files are put together here from single operations, so that tests of the ground floor
need no TensorFlow.
"""

from dataclasses import replace

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.inference.metadata import (
    WHOLE,
    PresetMetadata,
    read_metadata,
    write_metadata,
)


class _Builder:
    def __init__(self):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, name, shape, values=None):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), schema.TensorType.FLOAT32
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(values, np.float32).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operation(self, name, inputs, output, options):
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = code.builtinCode, 1
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        operator.inputs, operator.outputs = inputs, [output]
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
        self.model.operatorCodes.append(code)
        self.graph.operators.append(operator)

    def finish(self):
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def tiny_model(size: int, offsets: tuple[float, ...]) -> bytes:
    """A `.tflite` model: mean of the channels, plus style x offsets where there are two or more."""
    net = _Builder()
    image = net.tensor("image", (1, size, size, 3))
    kernel = net.tensor("kernel", (1, 1, 1, 3), np.full(3, 1 / 3))
    bias = net.tensor("bias", (1,), [0])
    gray = net.tensor("gray", (1, size, size, 1))
    convolution = schema.Conv2DOptionsT()
    convolution.strideW = convolution.strideH = 1
    convolution.dilationWFactor = convolution.dilationHFactor = 1
    net.operation("CONV_2D", [image, kernel, bias], gray, convolution)
    net.graph.inputs, net.graph.outputs = [image], [gray]
    if len(offsets) > 1:
        style = net.tensor("style", (1, len(offsets)))
        weights = net.tensor("weights", (1, len(offsets)), offsets)
        offset = net.tensor("offset", (1, 1))
        drawing = net.tensor("drawing", (1, size, size, 1))
        net.operation(
            "FULLY_CONNECTED", [style, weights, bias], offset, schema.FullyConnectedOptionsT()
        )
        net.operation("ADD", [gray, offset], drawing, schema.AddOptionsT())
        net.graph.inputs, net.graph.outputs = [image, style], [drawing]
    return net.finish()


def write_tiny_preset(folder, size=64, styles=("thin", "bold"), offsets=(0.0, -0.5), alignment=1):
    """Writes a preset into a new folder and returns the folder."""
    folder.mkdir(parents=True)
    (folder / "tiny.tflite").write_bytes(tiny_model(size, offsets[: len(styles)]))
    (folder / "README.md").write_text("The mean of red, green and blue.\n")
    write_metadata(
        folder,
        PresetMetadata(
            name="tiny",
            method="none",
            file="tiny.tflite",
            size=size,
            mode="fp32",
            styles=styles,
            inputs=("image", "style") if len(styles) > 1 else ("image",),
            alignment=alignment,
            description="the mean of red, green and blue",
            data_licence="no pictures were used",
            origin="tests/tiny_preset.py",
        ),
    )
    return folder


def write_whole_preset(folder, **options):
    """As `write_tiny_preset`, of a preset that draws whole pictures."""
    write_tiny_preset(folder, **options)
    write_metadata(folder, replace(read_metadata(folder), framing=WHOLE))
    return folder


def write_colour_preset(folder, size=64):
    """Writes a preset of pictures in colour into a new folder and returns the folder."""
    net = _Builder()
    image = net.tensor("image", (1, size, size, 3))
    kernel = net.tensor("kernel", (3, 1, 1, 3), np.eye(3)[::-1])
    bias = net.tensor("bias", (3,), np.zeros(3))
    picture = net.tensor("picture", (1, size, size, 3))
    convolution = schema.Conv2DOptionsT()
    convolution.strideW = convolution.strideH = 1
    convolution.dilationWFactor = convolution.dilationHFactor = 1
    net.operation("CONV_2D", [image, kernel, bias], picture, convolution)
    net.graph.inputs, net.graph.outputs = [image], [picture]
    return _write(folder, net, "cyclegan", size, styles=("cyclegan",), channels=3)


def write_noise_preset(folder, size=16, length=4):
    """Writes a preset of pictures out of noise into a new folder and returns the folder."""
    net = _Builder()
    noise = net.tensor("noise", (1, length))
    weights = np.tile(0.3 * np.eye(3, length), (size * size, 1))
    weights = net.tensor("weights", weights.shape, weights)
    bias = net.tensor("bias", (3 * size * size,), np.zeros(3 * size * size))
    numbers = net.tensor("numbers", (1, 3 * size * size))
    picture = net.tensor("picture", (1, size, size, 3))
    net.operation(
        "FULLY_CONNECTED", [noise, weights, bias], numbers, schema.FullyConnectedOptionsT()
    )
    shape = schema.ReshapeOptionsT()
    shape.newShape = [1, size, size, 3]
    net.operation("RESHAPE", [numbers], picture, shape)
    net.graph.inputs, net.graph.outputs = [noise], [picture]
    return _write(
        folder, net, "dcgan", size, styles=(), inputs=("noise",), noise=length, channels=3
    )


def _write(folder, net, method, size, **fields):
    folder.mkdir(parents=True)
    (folder / "tiny.tflite").write_bytes(net.finish())
    metadata = PresetMetadata(folder.name, method, "tiny.tflite", size, "fp32", **fields)
    write_metadata(folder, metadata)
    return folder
