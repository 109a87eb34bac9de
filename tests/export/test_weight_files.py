"""Weights in the files of other projects, honest and forged."""

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import torch_files as files
from keras_portrait.errors import InputError, MissingExtra
from keras_portrait_export.weights import read_weights

FOREIGN = Path(__file__).parents[1] / "reference" / "foreign"


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    return {
        "model.1.weight": rng.normal(size=(4, 3, 7, 7)).astype(np.float32),
        "model.1.bias": rng.normal(size=4).astype(np.float32),
        "model.4.weight": rng.normal(size=(2, 2)),
    }


def assert_read(path, weights):
    found = read_weights(path)
    assert found.keys() == weights.keys()
    for name, values in weights.items():
        assert np.array_equal(found[name], values), name


def put(tmp_path, data, name="theirs.pth"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("make", [files.archive_of, files.legacy_of])
def test_both_forms_of_pytorch(make, weights, tmp_path):
    assert_read(put(tmp_path, make(weights)), weights)


def test_a_file_that_pytorch_wrote():
    found = read_weights(FOREIGN / "animeganv2.pth")
    assert len(found) == 77 and found["block_a.0.1.weight"].shape[1:] == (3, 7, 7)


def test_arrays_of_numpy(weights, tmp_path):
    np.savez(tmp_path / "theirs.npz", **weights)
    assert_read(tmp_path / "theirs.npz", weights)
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name, values in weights.items():
        np.save(folder / f"{name}.npy", np.asfortranarray(values))
    assert_read(folder, weights)


def test_safetensors(weights, tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file(weights, tmp_path / "theirs.safetensors")
    assert_read(tmp_path / "theirs.safetensors", weights)
    data = (tmp_path / "theirs.safetensors").read_bytes()
    with pytest.raises(InputError, match="damaged"):
        read_weights(put(tmp_path, data[:-9], "cut.safetensors"))


def test_onnx(weights, tmp_path):
    onnx = pytest.importorskip("onnx")
    tensors = [onnx.numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = onnx.helper.make_graph([], "net", [], [], tensors)
    data = onnx.helper.make_model(graph).SerializeToString()
    assert_read(put(tmp_path, data, "theirs.onnx"), weights)
    with pytest.raises(InputError, match="damaged, or no ONNX"):
        read_weights(put(tmp_path, data[:-9], "cut.onnx"))
    tensors[0].name = "onnx::Conv_12"
    graph = onnx.helper.make_graph([], "net", [], [], tensors)
    with pytest.raises(InputError, match="names are lost"):
        read_weights(put(tmp_path, onnx.helper.make_model(graph).SerializeToString(), "a.onnx"))
    tensors[0].data_location = onnx.TensorProto.EXTERNAL
    tensors[0].external_data.add(key="location", value="/etc/passwd")
    graph = onnx.helper.make_graph([], "net", [], [], tensors)
    with pytest.raises(InputError, match="in another file"):
        read_weights(put(tmp_path, onnx.helper.make_model(graph).SerializeToString(), "b.onnx"))


def test_packages_that_are_missing_are_named(tmp_path, monkeypatch):
    for package in ("safetensors", "onnx"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    for name, data in (("a.safetensors", struct.pack("<Q", 2) + b"{}"), ("a.onnx", b"\x08\x07")):
        with pytest.raises(MissingExtra, match=r"keras-portrait\[import\]"):
            read_weights(put(tmp_path, data, name))


def test_wrappers_and_checkpoints_around_the_weights(weights, tmp_path):
    wrapped = {f"module.{name}": values for name, values in weights.items()}
    assert_read(put(tmp_path, files.archive_of(wrapped)), weights)

    def checkpoint(entries):
        step = files.text("step") + files.number(12)
        return b"}(" + step + files.text("state_dict") + files.dictionary(entries) + b"u"

    assert_read(put(tmp_path, files.archive_of(weights, checkpoint)), weights)

    def two(entries):
        both = [files.text(name) + files.dictionary(entries) for name in ("netG", "netD")]
        return b"}(" + b"".join(both) + b"u"

    with pytest.raises(InputError, match="of one network.*netD, netG"):
        read_weights(put(tmp_path, files.archive_of(weights, two)))


def test_shared_transposed_and_bfloat16_tensors(tmp_path):
    data = np.arange(12, dtype="<f4")
    stored = files.storage("0", 12)
    halves = files.storage("1", 2, "BFloat16Storage")
    content = files.dictionary(
        {
            "a": files.tensor(stored, (3, 2), (1, 3), start=6),
            "b": files.tensor(stored, (2,), (1,), start=0),
            "c": files.tensor(halves, (2,)),
            "count": files.tensor(files.storage("2", 1, "LongStorage"), ()),
        }
    )
    bits = np.float32([1.5, -2]).view(np.uint32) >> 16
    stored = {"0": data.tobytes(), "1": bits.astype("<u2").tobytes(), "2": b"\1" + bytes(7)}
    path = put(tmp_path, files.archive(files.whole(content), stored))
    expected = {"a": data[6:].reshape(2, 3).T, "b": data[:2], "c": np.float32([1.5, -2])}
    assert_read(path, expected)


def forged(marker: str) -> dict[str, tuple[bytes, str]]:
    """What a forged pickle tries, as opcodes, and what is said; code would write `marker`."""
    code = files.text(f"open({marker!r}, 'w')")
    return {
        "os.system": (files.call("os", "system", files.text(f"touch {marker}")), "os.system"),
        "posix.system": (files.call("posix", "system", files.text(f"touch {marker}")), "posix.sys"),
        "builtins.eval": (files.call("builtins", "eval", code), "builtins.eval"),
        "builtins.exec": (files.call("__builtin__", "exec", code), "exec"),
        "getattr": (files.call("builtins", "getattr", files.named("os", "x")), "builtins.getattr"),
        "a module": (files.named("torch.nn.modules.container", "Sequential"), "r.Sequential"),
        "a dotted name": (files.named("collections", "OrderedDict.fromkeys"), "Dict.fromkeys"),
        "a copyreg extension": (b"\x82\x01", "the operation EXT1"),
        "a huge shape": (files.tensor(files.storage("0", 4), (2**40, 2**40)), "of 4 numbers"),
        "a negative shape": (files.tensor(files.storage("0", 4), (-1, 4)), "without a shape"),
        "strides beyond": (files.tensor(files.storage("0", 4), (2, 2), (9, 1)), "of 4 numbers"),
        "a start beyond": (files.tensor(files.storage("0", 4), (4,), (1,), 3), "of 4 numbers"),
        "no storage": (files.tensor(files.number(3), (1,)), "without a shape"),
        "a wrong reference": (files.row(files.text("module"), files.text("x")) + b"Q", "no stor"),
        "tuples as keys": (b"}N\x85q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"Ns", "no names"),
        "a new object": (files.named("torch", "Size") + b")\x81", "the operation NEWOBJ"),
        "no tensors": (files.number(3), "Received: none"),
    }


def test_many_views_of_one_storage_are_bounded(tmp_path, monkeypatch):
    stored = files.storage("0", 1000)
    content = files.dictionary({f"a{at}": files.tensor(stored, (1000,)) for at in range(30)})
    path = put(tmp_path, files.archive(files.whole(content), {"0": bytes(4000)}))
    assert len(read_weights(path)) == 30
    monkeypatch.setattr("keras_portrait_export.weights.records.MOST_BYTES", 119_999)
    with pytest.raises(InputError, match="at most 119999 bytes in all. Received: 120000"):
        read_weights(path)


def test_a_dictionary_in_many_places_is_looked_into_once(tmp_path):
    nested = b"}"
    for _ in range(40):  # {"a": x, "b": x}, forty times
        nested += b"q\x00}" + files.text("a") + b"h\x00s" + files.text("b") + b"h\x00s"
    path = put(tmp_path, files.archive(files.whole(nested), {}))
    with pytest.raises(InputError, match="Received: none"):
        read_weights(path)


@pytest.mark.parametrize("name", forged(""))
def test_forged_pickles_run_nothing(name, tmp_path):
    marker = tmp_path / "was-run"
    opcodes, expected = forged(str(marker))[name]
    content = files.whole(b"}" + files.text("model.1.weight") + opcodes + b"s")
    path = put(tmp_path, files.archive(content, {"0": bytes(16)}))
    with pytest.raises(InputError, match=expected) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value) and not marker.exists()


def test_a_storage_that_is_cut_short(weights, tmp_path):
    stored = {str(at): values.tobytes() for at, values in enumerate(weights.values())}
    content = files.whole(files.dictionary(files.records(weights)))
    short = files.archive(content, stored | {"1": stored["1"][:-1]})
    with pytest.raises(InputError, match="cut short. Expected: 16 bytes of net/data/1"):
        read_weights(put(tmp_path, short))
    del stored["1"]
    with pytest.raises(InputError, match="cut short.*Received: 0"):
        read_weights(put(tmp_path, files.archive(content, stored)))


def test_older_files_that_are_cut_short(weights, tmp_path):
    data = files.legacy_of(weights)
    for end in (len(data) - 1, len(data) - 40, len(data) // 2, 30):
        with pytest.raises(InputError, match="cut short|damaged"):
            read_weights(put(tmp_path, data[:end]))


def test_older_files_whose_storages_have_no_names(weights, tmp_path):
    data = files.legacy_of(weights)
    keys = pickle.dumps([str(at) for at in range(len(weights))], 2)
    numbers = pickle.dumps(list(range(len(weights))), 2)
    with pytest.raises(InputError, match="its storages are others"):
        read_weights(put(tmp_path, data.replace(keys, numbers)))


def test_a_length_that_lies_asks_for_no_memory(tmp_path):
    for length, expected in ((2**40, "at most 2147483648"), (2**28, "Expected: 1073741824 bytes")):
        content = files.dictionary({"a": files.tensor(files.storage("0", length), (length,))})
        path = put(tmp_path, files.archive(files.whole(content), {"0": bytes(8)}))
        with pytest.raises(InputError, match=expected):
            read_weights(path)


def test_compressed_archives_are_refused(tmp_path):
    data = files.archive(files.whole(b"}"), {"0": bytes(2**20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="not compressed"):
        read_weights(put(tmp_path, data))


def test_arrays_that_lie(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    np.save(folder / "conv.npy", np.zeros(3))
    head = (folder / "conv.npy").read_bytes()
    (folder / "conv.npy").write_bytes(head[:-8])
    with pytest.raises(InputError, match="conv.npy is damaged"):
        read_weights(folder)
    huge = head.replace(b"(3,)", b"(3000000000000,)", 1)
    length = struct.unpack("<H", head[8:10])[0] + len(huge) - len(head)
    (folder / "conv.npy").write_bytes(huge[:8] + struct.pack("<H", length) + huge[10:])
    with pytest.raises(InputError, match="at most"):
        read_weights(folder)
    negative = head.replace(b"(3,)", b"(-1,)", 1)
    length = struct.unpack("<H", head[8:10])[0] + len(negative) - len(head)
    (folder / "conv.npy").write_bytes(negative[:8] + struct.pack("<H", length) + negative[10:])
    with pytest.raises(InputError, match=r"at most.*\(-1,\)"):
        read_weights(folder)
    np.save(folder / "conv.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match="Expected arrays.*object"):
        read_weights(folder)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.pth", b"", "of another kind"),
        ("a.pth", b"<html>not found</html>", "of another kind"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(8), "as .keras"),
        ("a.npz", b"PK\x03\x04" + bytes(40), "damaged, or no .npz"),
        ("a.pth", files.whole(files.number(1)), "of another kind"),
    ],
)
def test_other_files(name, data, expected, tmp_path):
    with pytest.raises(InputError, match=expected):
        read_weights(put(tmp_path, data, name))


def test_a_missing_file_and_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(InputError, match="Expected a folder of .npy"):
        read_weights(tmp_path)


def test_weights_that_are_no_numbers(weights, tmp_path):
    weights["model.1.bias"][2] = np.nan
    with pytest.raises(InputError, match="finite numbers.*model.1.bias"):
        read_weights(put(tmp_path, files.archive_of(weights)))
