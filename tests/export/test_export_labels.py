"""What other tools find in a preset's model file."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.number_types import Float32Flags, Int8Flags, Uint8Flags, Uint32Flags, UOffsetTFlags
from flatbuffers.table import Table
from PIL import Image

from interpreter_snippet import snippet
from keras_portrait.inference.litert.graph import METADATA_NAME, network_sha256
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.metadata import PresetMetadata, read_metadata, split_model
from keras_portrait.inference.presets import find_preset, list_presets, load_preset
from keras_portrait_export.labels import label
from tiny_preset import tiny_model


def shipped(preset):
    """Metadata and content of the model file of a preset in the package."""
    folder = find_preset(preset)
    metadata = read_metadata(folder)
    return metadata, (folder / metadata.file).read_bytes()


class Reader:
    """A table of metadata_schema.fbs, whose fields are asked for by their place in it."""

    def __init__(self, data, position):
        self.table = Table(data, position)

    @classmethod
    def of(cls, model):
        """The metadata of a model."""
        tree = schema.ModelT.InitFromPackedBuf(model, 0)
        (place,) = [row.buffer for row in tree.metadata if row.name.decode() == METADATA_NAME]
        data = bytes(tree.buffers[place].data)
        assert data[4:8] == b"M001"
        return cls(data, flatbuffers.encode.Get(UOffsetTFlags.packer_type, data, 0))

    def offset(self, place):
        return self.table.Offset(4 + 2 * place)

    def text(self, place):
        offset = self.offset(place)
        return self.table.String(offset + self.table.Pos).decode() if offset else None

    def number(self, place, flags=Uint8Flags):
        offset = self.offset(place)
        return self.table.Get(flags, offset + self.table.Pos) if offset else 0

    def child(self, place):
        offset = self.offset(place)
        return Reader(self.table.Bytes, self.table.Indirect(offset + self.table.Pos))

    def _vector(self, place):
        offset = self.offset(place)
        if not offset:
            return []
        start, length = self.table.Vector(offset), self.table.VectorLen(offset)
        return [start + 4 * index for index in range(length)]

    def children(self, place):
        places = self._vector(place)
        return [Reader(self.table.Bytes, self.table.Indirect(at)) for at in places]

    def floats(self, place):
        return [self.table.Get(Float32Flags, at) for at in self._vector(place)]


def described(tensor):
    """What the metadata says of a tensor."""
    content, units = tensor.child(3), tensor.children(4)
    row = {"name": tensor.text(0), "kind": content.number(0)}
    if row["kind"] == 2:
        properties = content.child(1)
        row["colours"] = properties.number(0, Int8Flags)
        size = properties.child(1)
        row["size"] = size.number(0, Uint32Flags), size.number(1, Uint32Flags)
        assert [unit.number(0) for unit in units] == [1]
        options = units[0].child(1)
        row["mean"], row["std"] = options.floats(0), options.floats(1)
    if tensor.offset(5):
        row["range"] = tensor.child(5).floats(1) + tensor.child(5).floats(0)
    row["files"] = [(file.text(0), file.number(2, Int8Flags)) for file in tensor.children(6)]
    return row


@pytest.mark.parametrize("preset", list_presets())
def test_inputs_come_in_order_and_tensors_have_names(preset):
    metadata, model = shipped(preset)
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    graph, (signature,) = tree.subgraphs[0], tree.signatureDefs
    output = "drawing" if metadata.channels == 1 else "picture"
    assert tuple(graph.tensors[index].name.decode() for index in graph.inputs) == metadata.inputs
    assert [graph.tensors[index].name.decode() for index in graph.outputs] == [output]
    assert tuple(row.name.decode() for row in signature.inputs) == metadata.inputs
    assert [row.tensorIndex for row in signature.inputs] == list(graph.inputs)
    assert [row.name.decode() for row in signature.outputs] == [output]
    runner = Runner(model)
    assert tuple(tensor.name for tensor in runner.inputs) == metadata.inputs


@pytest.mark.parametrize("preset", list_presets())
def test_the_metadata_of_tensorflow_lite_says_what_the_contract_says(preset):
    metadata, model = shipped(preset)
    whole = Reader.of(model)
    assert (whole.text(0), whole.text(1)) == (metadata.name, metadata.description)
    assert (whole.text(5), whole.text(7)) == (metadata.data_licence, "1.0.0")
    (graph,) = whole.children(3)
    inputs = [described(tensor) for tensor in graph.children(2)]
    assert tuple(row["name"] for row in inputs) == metadata.inputs
    integers = metadata.mode == "int8"
    pixels = [0, 255] if integers else [-1, 1]
    size = metadata.size, metadata.size
    if metadata.noise:
        assert inputs == [{"name": "noise", "kind": 1, "files": []}]
    else:
        image, style = inputs
        assert (image["kind"], image["colours"], image["size"]) == (2, 1, size)
        assert (image["mean"], image["std"], image["range"]) == ([127.5] * 3, [127.5] * 3, pixels)
        assert style["range"] == [0, 255 if integers else 1]
        assert (style["kind"], style["files"]) == (1, [("styles.txt", 2)])
    (output,) = [described(tensor) for tensor in graph.children(3)]
    channels = metadata.channels
    assert (output["colours"], output["size"]) == (1 if channels == 3 else 2, size)
    assert output["range"] == pixels
    # (number - mean) / std is the pixel.
    assert output["mean"] == [-1] * channels
    np.testing.assert_allclose(output["std"], [1 / 127.5] * channels)


@pytest.mark.parametrize("preset", list_presets())
def test_readers_that_take_no_compression_open_the_archive(preset):
    metadata, model = shipped(preset)
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        names = set(archive.namelist())
        if metadata.styles:
            assert archive.read("styles.txt").decode().split() == list(metadata.styles)
    labels = {"styles.txt"} if metadata.styles else set()
    assert names == {"portrait.json", "network.json.gz"} | labels
    assert hashlib.sha256(split_model(model)[0]).hexdigest() == metadata.sha256


def test_labels_change_no_number():
    """A model whose inputs come in the wrong order, as the converter leaves them."""
    tree = schema.ModelT.InitFromPackedBuf(tiny_model(16, (0.1, -0.5)), 0)
    graph = tree.subgraphs[0]
    image, style = graph.inputs
    graph.inputs = [style, image]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs = [_row("style", style), _row("image", image)]
    signature.outputs = [_row("output_0", graph.outputs[0])]
    tree.signatureDefs = [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    before = bytes(builder.Output())
    metadata = PresetMetadata(
        *("tiny", "none", "tiny.tflite", 16, "fp32", ("a", "b"), ("image", "style"))
    )
    after = label(before, metadata)
    rng = np.random.default_rng(0)
    given = {
        "image": rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32),
        "style": np.array([[0.25, 0.75]], np.float32),
    }
    assert [tensor.name for tensor in Runner(before).inputs] == ["style", "image"]
    assert [tensor.name for tensor in Runner(after).inputs] == ["image", "style"]
    assert np.array_equal(Runner(after)(**given), Runner(before)(**given))
    assert np.array_equal(Runner(after)(*given.values()), Runner(before)(**given))
    # Labelled once more, it is what it was.
    assert label(after, metadata).count(b"M001") == 1
    # Other words, the same network; another network, another hash.
    said = replace(metadata, description="fine lines", data_licence="CC0", name="other")
    assert label(after, said) != after
    assert network_sha256(label(after, said)) == network_sha256(after)
    assert network_sha256(tiny_model(16, (0.1, -0.4))) != network_sha256(before)


def _row(name, index):
    row = schema.TensorMapT()
    row.name, row.tensorIndex = name, index
    return row


@pytest.mark.parametrize("preset", list_presets())
def test_the_plain_interpreter_of_the_readme_draws(preset, tmp_path, monkeypatch):
    metadata, model = shipped(preset)
    monkeypatch.chdir(tmp_path)
    Path("generator.tflite").write_bytes(model)
    size = metadata.size
    square = np.random.default_rng(1).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(square).save("face.png")
    exec(compile(snippet(), "README.md", "exec"), {})
    generator = load_preset(preset)
    if metadata.noise:
        noise = np.random.default_rng(0).standard_normal((1, metadata.noise), np.float32)
        number = generator.net(noise=noise)[0]
        expected = np.clip(np.rint((number + 1) * 127.5), 0, 255).astype(np.uint8)
    else:
        expected = generator.draw(square, np.eye(len(metadata.styles), dtype=np.float32)[:1])
    drawn = np.asarray(Image.open("drawing.png"))
    assert drawn.std() > 5
    assert np.array_equal(drawn, expected.squeeze())
