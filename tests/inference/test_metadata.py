import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from keras_portrait.errors import InputError
from keras_portrait.inference.geometry import face_template
from keras_portrait.inference.metadata import (
    FILE_NAME,
    PresetMetadata,
    read_metadata,
    read_network,
    split_model,
    write_metadata,
)
from tiny_preset import write_colour_preset, write_noise_preset, write_tiny_preset


def edit(folder, **changes):
    path = folder / FILE_NAME
    row = json.loads(path.read_text())
    row.update(changes)
    path.write_text(json.dumps({key: value for key, value in row.items() if value is not None}))


def test_round_trip(tiny_preset):
    metadata = read_metadata(tiny_preset)
    assert metadata.styles == ("thin", "bold") and metadata.inputs == ("image", "style")
    assert write_metadata(tiny_preset, metadata) == metadata
    assert read_metadata(tiny_preset) == metadata


def test_file_states_what_a_reader_needs(tiny_preset):
    row = json.loads((tiny_preset / FILE_NAME).read_text())
    assert row["format"] == 2 and row["size"] == 64
    assert row["value_range"] == [-1, 1] and row["colour_order"] == "RGB"
    for point, expected in zip(row["template"], face_template(64), strict=True):
        assert point == pytest.approx(expected, abs=1e-3)
    # What is drawn is told where it is no face.
    assert {field.name for field in dataclasses.fields(PresetMetadata)} - set(row) == {"framing"}


def test_a_file_from_before_noise_and_colour_is_read(tiny_preset):
    edit(tiny_preset, noise=None, channels=None)
    metadata = read_metadata(tiny_preset)
    assert (metadata.noise, metadata.channels) == (0, 1)


def test_a_file_of_the_first_format_means_the_first_alignment(tmp_path):
    preset = write_tiny_preset(tmp_path / "tiny", alignment=2)
    assert read_metadata(preset).alignment == 2
    assert read_metadata(preset / "tiny.tflite").alignment == 2
    edit(preset, format=1)
    assert read_metadata(preset).alignment == 1
    edit(preset, format=1, alignment=None)
    assert read_metadata(preset).alignment == 1
    edit(preset, format=2)
    with pytest.raises(InputError, match="lacks 'alignment'"):
        read_metadata(preset)


def test_noise_and_colour(tmp_path):
    metadata = read_metadata(write_noise_preset(tmp_path / "noise", length=4))
    assert (metadata.inputs, metadata.noise, metadata.channels) == (("noise",), 4, 3)
    assert metadata.styles == ()
    # There is no face to align.
    assert "template" not in json.loads((tmp_path / "noise" / FILE_NAME).read_text())
    metadata = read_metadata(write_colour_preset(tmp_path / "colour"))
    assert (metadata.inputs, metadata.noise, metadata.channels) == (("image",), 0, 3)
    assert "template" in json.loads((tmp_path / "colour" / FILE_NAME).read_text())
    edit(tmp_path / "noise", noise=0)
    with pytest.raises(InputError, match="noise must be"):
        read_metadata(tmp_path / "noise")


def test_altered_model_is_refused(tiny_preset):
    model = tiny_preset / "tiny.tflite"
    data = bytearray(model.read_bytes())
    data[100] ^= 1
    model.write_bytes(data)
    for given in (tiny_preset, model):
        with pytest.raises(InputError, match="sha256 differs.*tiny.tflite"):
            read_metadata(given)


def test_the_model_file_alone_is_enough(tiny_preset, tmp_path):
    metadata = read_metadata(tiny_preset)
    alone = tmp_path / "alone" / "renamed.tflite"
    alone.parent.mkdir()
    alone.write_bytes((tiny_preset / "tiny.tflite").read_bytes())
    assert read_metadata(alone) == metadata
    # Another metadata beside it is not meant.
    edit(tiny_preset, description="edited by hand")
    assert read_metadata(tiny_preset).description == "edited by hand"
    assert read_metadata(tiny_preset / "tiny.tflite") == metadata


def test_a_model_file_without_a_contract_needs_one_beside_it(tiny_preset):
    metadata = read_metadata(tiny_preset)
    model, _ = split_model((tiny_preset / "tiny.tflite").read_bytes())
    (tiny_preset / "tiny.tflite").write_bytes(model)
    assert read_metadata(tiny_preset) == read_metadata(tiny_preset / "tiny.tflite") == metadata
    (tiny_preset / "other.tflite").write_bytes(model)
    with pytest.raises(InputError, match="Expected: tiny.tflite. Received: .*other.tflite"):
        read_metadata(tiny_preset / "other.tflite")


def test_what_is_appended_is_not_part_of_the_model(tiny_preset):
    file = tiny_preset / "tiny.tflite"
    metadata, model = read_metadata(tiny_preset), split_model(file.read_bytes())[0]
    assert read_network(tiny_preset) == ""
    assert write_metadata(tiny_preset, metadata, network='{"a": 1}') == metadata
    # Written again, the network stays and nothing piles up.
    size = file.stat().st_size
    write_metadata(tiny_preset, metadata)
    assert file.stat().st_size == size
    assert split_model(file.read_bytes())[0] == model
    assert read_network(tiny_preset) == read_network(file) == '{"a": 1}'


def test_a_network_that_an_earlier_version_appended_is_read(tiny_preset):
    file = tiny_preset / "tiny.tflite"
    model, texts = split_model(file.read_bytes())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("portrait.json", texts["portrait.json"])
        writer.writestr("network.json", '{"a": 1}')
    file.write_bytes(model + archive.getvalue())
    assert read_metadata(file) == read_metadata(tiny_preset)
    assert read_network(file) == '{"a": 1}'


def test_a_damaged_file_is_one_line(tiny_preset):
    file = tiny_preset / "tiny.tflite"
    data = file.read_bytes()
    metadata, start = read_metadata(tiny_preset), len(split_model(data)[0])
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(start, len(data))] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        try:
            assert read_metadata(file).sha256 == metadata.sha256
        except InputError as error:
            assert "\n" not in str(error)


def test_a_cut_off_file_is_refused(tiny_preset):
    file = tiny_preset / "tiny.tflite"
    for kept in (-1, -30, 200):
        cut = tiny_preset / "cut.tflite"
        cut.write_bytes(file.read_bytes()[:kept])
        with pytest.raises(InputError, match="Received: .*cut.tflite"):
            read_metadata(cut)


def test_missing_files_are_named(tiny_preset):
    (tiny_preset / "tiny.tflite").unlink()
    with pytest.raises(InputError, match="missing. Received: .*tiny.tflite"):
        read_metadata(tiny_preset)
    (tiny_preset / FILE_NAME).unlink()
    with pytest.raises(InputError, match="a folder that holds portrait.json. Received: .*tiny$"):
        read_metadata(tiny_preset)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": 4}, "formats 1 to 3. Received: format 4"),
        ({"size": None}, "lacks 'size'"),
        ({"size": "64"}, "size does not fit. Received: '64'"),
        ({"size": True}, "size does not fit. Received: True"),
        ({"size": 0}, "size must be from 16 to 4096. Received: 0"),
        ({"styles": []}, "styles must be one or more names"),
        ({"styles": ["a", "a"]}, "styles must be one or more"),
        ({"styles": 3}, "styles must be a list"),
        ({"styles": "ab"}, "styles must be a list"),
        ({"styles": [1]}, "styles does not fit"),
        ({"inputs": ["photo"]}, "inputs must be"),
        ({"inputs": ["noise"], "noise": 9}, "styles must be empty where the input is noise"),
        ({"inputs": ["noise"], "styles": []}, "noise must be a length above 0 for noise"),
        ({"noise": 9}, "noise must be .* otherwise 0. Received: 9"),
        ({"noise": "9"}, "noise does not fit"),
        ({"channels": 2}, "channels must be 1 or 3. Received: 2"),
        ({"channels": True}, "channels does not fit"),
        ({"framing": "half"}, "framing must be face or whole. Received: 'half'"),
        ({"name": "a\x1b[2J"}, "name does not fit"),
        ({"description": "two\nlines"}, "description does not fit"),
        ({"styles": ["thin", "bold\x07"]}, "styles does not fit"),
        ({"alignment": 3}, "alignment must be 1 or 2. Received: 3"),
        ({"alignment": True}, "alignment does not fit. Received: True"),
        ({"inputs": ["image"]}, "has one style"),
        ({"file": "../tiny.tflite"}, "without folders"),
        ({"file": ".."}, "without folders"),
        ({"file": ""}, "without folders"),
        ({"colour_order": "BGR"}, "needs colour_order 'RGB'. Received: 'BGR'"),
        ({"value_range": [0, 1]}, r"needs value_range \[-1.0, 1.0\]. Received: \[0, 1\]"),
        ({"template": [[1, 2]] * 5}, "needs template"),
        ({"template": "none"}, "needs template"),
    ],
)
def test_a_field_that_does_not_fit_is_named(tiny_preset, changes, text):
    edit(tiny_preset, **changes)
    with pytest.raises(InputError, match=text) as caught:
        read_metadata(tiny_preset)
    assert "\n" not in str(caught.value) and FILE_NAME in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", '{"format": 1}'])
def test_broken_json_is_one_line(tiny_preset, text):
    (tiny_preset / FILE_NAME).write_text(text)
    with pytest.raises(InputError, match="metadata|format") as caught:
        read_metadata(tiny_preset)
    assert "\n" not in str(caught.value)


def test_unknown_fields_are_left_alone(tiny_preset):
    edit(tiny_preset, trained_on="a rainy day")
    assert read_metadata(tiny_preset).name == "tiny"


def test_writing_needs_the_model_and_fields_that_fit(tiny_preset, tmp_path):
    metadata = read_metadata(tiny_preset)
    with pytest.raises(InputError, match="missing"):
        write_metadata(tmp_path, metadata)
    with pytest.raises(InputError, match="size must be"):
        write_metadata(tiny_preset, dataclasses.replace(metadata, size=8))
