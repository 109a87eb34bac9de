"""What other tools read in a model file: inputs in order, names, and TensorFlow Lite's metadata.

Android's tools and MediaPipe find there what each tensor is, how pixels become its numbers and
back, and the file of labels. `portrait.json` beside it says more, and this project draws by it.

Reference:
    metadata_schema.fbs of TensorFlow Lite Support, the same in MediaPipe; identifier M001. Fields
    are written by their place in it: its classes are in neither package that this project needs.
"""

from collections.abc import Sequence

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.inference.litert.graph import METADATA_NAME
from keras_portrait.inference.metadata import INTEGER_MODE, STYLES_NAME, PresetMetadata
from keras_portrait_export.compact import pack

_IDENTIFIER = b"M001"
# Of the parser: all fields used here are in the first version.
_PARSER = "1.0.0"
# Enumerations of the schema.
_RGB, _GRAYSCALE = 1, 2
_FEATURE, _IMAGE = 1, 2
_NORMALIZATION = 1
_TENSOR_AXIS_LABELS = 2
# A pixel of 0 to 255 becomes (pixel - mean) / std going in, and a number of the result becomes a
# pixel by the same formula coming out.
_IN_MEAN, _IN_STD = 127.5, 127.5
_OUT_MEAN, _OUT_STD = -1.0, 1 / 127.5


def label(model: bytes, metadata: PresetMetadata) -> bytes:
    """Names what goes in and out, puts the inputs in order, and adds TensorFlow Lite's metadata.

    Args:
        model: content of a `.tflite` file with a signature of the input names of `metadata`.
        metadata: of the preset.

    Returns:
        The same model, which computes the same: inputs in the order of `metadata.inputs`, and an
        output called `drawing`, or `picture` where it is in colour.
    """
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    graph, (signature,) = tree.subgraphs[0], tree.signatureDefs
    places = {row.name.decode(): row.tensorIndex for row in signature.inputs}
    signature.inputs.sort(key=lambda row: metadata.inputs.index(row.name.decode()))
    graph.inputs = [places[name] for name in metadata.inputs]
    for name, index in places.items():
        graph.tensors[index].name = name
    output = output_name(metadata)
    signature.outputs[0].name = graph.tensors[graph.outputs[0]].name = output
    _metadata_buffer(tree).data = _model_metadata(metadata)
    return pack(tree)


def output_name(metadata: PresetMetadata) -> str:
    """What the model's result is called."""
    return "drawing" if metadata.channels == 1 else "picture"


def _metadata_buffer(tree: schema.ModelT) -> schema.BufferT:
    """Where the metadata stands in a model, or is to stand."""
    tree.metadata = tree.metadata or []
    for row in tree.metadata:
        if row.name.decode() == METADATA_NAME:
            return tree.buffers[row.buffer]
    row, buffer = schema.MetadataT(), schema.BufferT()
    row.name, row.buffer = METADATA_NAME, len(tree.buffers)
    tree.metadata.append(row)
    tree.buffers.append(buffer)
    return buffer


def _model_metadata(metadata: PresetMetadata) -> list[int]:
    write = _Writer()
    inputs = [_input(write, name, metadata) for name in metadata.inputs]
    graph = write.table({2: write.vector(inputs), 3: write.vector([_output(write, metadata)])})
    model = write.table(
        {
            0: write.text(metadata.name),
            1: write.text(metadata.description),
            3: write.vector([graph]),
            5: write.text(metadata.data_licence),
            7: write.text(_PARSER),
        }
    )
    return list(write.finish(model))


def _input(write: "_Writer", name: str, metadata: PresetMetadata) -> int:
    if name == "image":
        text = "Square of a face, RGB, aligned as portrait.json says."
        return _picture(write, name, text, metadata, 3, (_IN_MEAN, _IN_STD))
    if name == "noise":
        return _feature(write, name, "Noise, standard normal.")
    files = write.vector(
        [
            write.table(
                {
                    0: write.text(STYLES_NAME),
                    1: write.text("Names of the styles, one for each weight."),
                    2: ("int8", _TENSOR_AXIS_LABELS),
                }
            )
        ]
    )
    text = "Weight of each style; their sum is the largest value."
    most = 255.0 if metadata.mode == INTEGER_MODE else 1.0
    return _feature(write, name, text, write.range(0.0, most), files)


def _output(write: "_Writer", metadata: PresetMetadata) -> int:
    gray = metadata.channels == 1
    text = "Drawing; white paper is the largest value." if gray else "Picture, RGB."
    name, normalization = output_name(metadata), (_OUT_MEAN, _OUT_STD)
    return _picture(write, name, text, metadata, metadata.channels, normalization)


def _picture(write, name, text, metadata, channels, normalization) -> int:
    """Metadata of a tensor that is a square picture."""
    side = ("uint32", metadata.size)
    space = ("int8", _RGB if channels == 3 else _GRAYSCALE)
    properties = write.table({0: space, 1: write.table({0: side, 1: side})})
    content = write.table({0: ("uint8", _IMAGE), 1: properties})
    mean, std = ([value] * channels for value in normalization)
    options = write.table({0: write.floats(mean), 1: write.floats(std)})
    units = write.vector([write.table({0: ("uint8", _NORMALIZATION), 1: options})])
    # Pixels stay pixels in 8-bit integers.
    limits = (0.0, 255.0) if metadata.mode == INTEGER_MODE else (-1.0, 1.0)
    return write.table(
        {
            0: write.text(name),
            1: write.text(text),
            3: content,
            4: units,
            5: write.range(*limits),
        }
    )


def _feature(write, name, text, stats=None, files=None) -> int:
    """Metadata of a tensor of plain numbers."""
    content = write.table({0: ("uint8", _FEATURE), 1: write.table({})})
    fields = {0: write.text(name), 1: write.text(text), 3: content, 5: stats, 6: files}
    return write.table({place: value for place, value in fields.items() if value is not None})


class _Writer:
    """Tables of a flatbuffer, from the leaves up."""

    def __init__(self):
        self._builder = flatbuffers.Builder(1024)

    def text(self, text: str) -> int:
        return self._builder.CreateString(text)

    def floats(self, values: Sequence[float]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return self._builder.EndVector()

    def vector(self, tables: Sequence[int]) -> int:
        self._builder.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            self._builder.PrependUOffsetTRelative(table)
        return self._builder.EndVector()

    def range(self, least: float, most: float) -> int:
        """`Stats`: largest value, then least."""
        return self.table({0: self.floats([most]), 1: self.floats([least])})

    def table(self, fields: "dict[int, int | tuple[str, int]]") -> int:
        """A table; fields by their place: what was written before, or (type, number)."""
        builder = self._builder
        builder.StartObject(max(fields, default=-1) + 1)
        for place, value in fields.items():
            if isinstance(value, int):
                builder.PrependUOffsetTRelativeSlot(place, value, 0)
            elif value[0] == "uint32":
                builder.PrependUint32Slot(place, value[1], 0)
            elif value[0] == "uint8":
                builder.PrependUint8Slot(place, value[1], 0)
            else:
                builder.PrependInt8Slot(place, value[1], 0)
        return builder.EndObject()

    def finish(self, table: int) -> bytes:
        self._builder.Finish(table, _IDENTIFIER)
        return bytes(self._builder.Output())
