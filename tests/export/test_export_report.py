import base64
import html.parser
import io
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.inference.imaging import to_signed
from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait_export.benchmark.fidelity import FidelityReport, Pictures, Score
from keras_portrait_export.benchmark.speed import Speed, ThreadSpeed
from keras_portrait_export.report import page as report
from keras_portrait_export.report.page import ReportEntry, measure_preset, write_report
from keras_portrait_export.report.statistics import ModelStatistics
from keras_portrait_export.verify import Sample

SIZE = 32


def pictures(seed, off=0, photos=True):
    face = draw_face(seed, SIZE)
    drawing = np.clip(face.drawing[..., None], 10, 245)
    return Pictures(f"face-{seed}.png", face.photo if photos else None, drawing, drawing - off)


def entry(mode="dynamic", off=3, names=("one", "two", "three"), photos=True, **metadata):
    count = len(names)
    psnr = Score(41.26, 38.14, tuple(np.linspace(44, 38.14, count).tolist()))
    shown = tuple(pictures(seed, off, photos) for seed in range(count))
    return ReportEntry(
        metadata=PresetMetadata(
            **{
                "name": "mine",
                "method": "asymmetric_cycle",
                "file": "generator.tflite",
                "size": SIZE,
                "mode": mode,
                "styles": ("ink", "pen"),
                **metadata,
            }
        ),
        path=Path("elsewhere") / "generator.tflite",
        statistics=ModelStatistics(
            *(1_282_064, 6_430_654_464, 7_000_000_000, 1_189_873),
            *({"CONV_2D": 19}, {mode: 6_430}, "0" * 64),
        ),
        fidelity=FidelityReport(
            names=tuple(names),
            psnr=psnr,
            ssim=Score(0.98765, 0.95, (0.99,) * count),
            lpips=Score(0.0123, 0.05, (0.01,) * count),
            line_f1=Score(0.97, 0.9, (0.95,) * count),
            max_error=0.123,
            worst_index=count - 1,
            worst=replace(shown[-1], name=names[-1]),
            examples=shown,
        ),
        speed=Speed(
            12.3, 45.6, (ThreadSpeed(1, 81.71, 90.2, 1), ThreadSpeed(2, 66.6, 72.4, 1)), 30
        ),
    )


class Page(html.parser.HTMLParser):
    """Rows of a page's tables as lists of text, its pictures, and whether its tags fit."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.rows, self.pictures, self.open, self.addresses = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.addresses += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag == "img":
            self.pictures.append((attributes["alt"], decode(attributes["src"])))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if set(self.open) & {"td", "th"}:
            self.rows[-1][-1] += data.strip()


def decode(uri):
    head, data = uri.split(",", 1)
    assert head in ("data:image/png;base64", "data:image/webp;base64")
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def written(folder, entries):
    write_report(folder, entries)
    text = (folder / "report.html").read_text(encoding="utf-8")
    figures = json.loads((folder / "report.json").read_bytes(), parse_constant=pytest.fail)
    return Page(text), text, figures


def test_all_figures_stand_in_the_json(tmp_path):
    _, _, figures = written(tmp_path, [entry("fp32"), entry("dynamic")])
    assert figures["format"] == 1
    assert figures["machine"]["cores"] >= 1 and figures["machine"]["processor"]
    first, second = figures["artefacts"]
    assert (first["contract"]["mode"], second["contract"]["mode"]) == ("fp32", "dynamic")
    assert first["file"] == "generator.tflite"
    assert first["statistics"]["macs"] == 6_430_654_464
    assert first["statistics"]["macs_at_output"] == 7_000_000_000
    assert first["statistics"]["operators"] == {"CONV_2D": 19}
    assert first["fidelity"]["psnr"] == {"mean": 41.26, "worst": 38.14, "each": [44, 41.07, 38.14]}
    assert first["fidelity"]["worst_input"] == "three"
    assert first["fidelity"]["inputs"] == ["one", "two", "three"]
    assert [call["threads"] for call in first["speed"]["calls"]] == [1, 2]
    assert "data:" not in json.dumps(figures)


def test_the_page_has_a_column_for_each_artefact(tmp_path):
    fast = replace(entry("int8"), speed=Speed(1, 2, (ThreadSpeed(1, 5.5, 6.25, 1),), 30))
    page, text, _ = written(tmp_path, [entry("dynamic"), fast])
    rows = {row[0]: row[1:] for row in page.rows if row}
    assert page.rows[0][1:] == [
        "minedynamic · 32\xa0px · ink, pen",
        "mineint8 · 32\xa0px · ink, pen",
    ]
    assert rows["Size, kB"] == ["1,282"] * 2
    assert rows["MMAC"] == ["6,430.7"] * 2
    assert rows["MMAC, transposed convolutions at output size"] == ["7,000.0"] * 2
    assert rows["Parameters, thousands"] == ["1,189.9"] * 2
    assert rows["Computes in"] == ["dynamic", "int8"]
    assert rows["Median, 1 thread, ms"] == ["81.7", "5.50"]
    assert rows["95 % under, 2 threads, ms"] == ["72.4", "–"]
    assert rows["PSNR, dB, mean"] == ["41.3"] * 2
    assert rows["PSNR, dB, worst"] == ["38.1"] * 2
    assert rows["SSIM, mean"] == ["0.9877"] * 2
    assert rows["LPIPS, worst"] == ["0.0500"] * 2
    assert rows["Line F1, worst"] == ["0.9000"] * 2
    assert rows["Largest error, of 2"] == ["0.12"] * 2
    # One page, nothing to fetch.
    assert all(address.startswith("data:") for address in page.addresses)
    assert "http" not in text
    assert "width=device-width" in text and "prefers-color-scheme: dark" in text


def test_the_worst_picture_stands_beside_keras(tmp_path):
    page, text, _ = written(tmp_path, [entry(off=3)])
    assert "Input three: PSNR 38.1, SSIM 0.9900, LPIPS 0.0100, Line F1 0.9500" in text
    shown = dict(page.pictures[:4])
    captions = ("photo", "Keras, float", "exported", f"difference × {report.AMPLIFICATION}")
    assert list(shown) == [f"{caption}, input three" for caption in captions]
    photo, expected, received, difference = shown.values()
    worst = pictures(2, 3)
    assert np.abs(photo.astype(int) - worst.photo).mean() < 6  # WebP
    np.testing.assert_array_equal(expected, worst.expected[..., 0])
    np.testing.assert_array_equal(received, worst.received[..., 0])
    assert (difference == 255 - 3 * report.AMPLIFICATION).all()


def test_artefacts_of_one_generator_share_a_sheet(tmp_path):
    page, text, _ = written(tmp_path, [entry("fp32", 0), entry("dynamic", 3)])
    assert text.count('class="card wide sheet"') == 1
    sheet = page.pictures[2 * 4 :]
    assert len(sheet) == 3 * 4
    heads = ["photo", "Keras, float", "mine · fp32 · 32\xa0px · ink, pen"]
    heads += ["mine · dynamic · 32\xa0px · ink, pen"]
    for row in range(3):
        own = sheet[4 * row : 4 * row + 4]
        assert [alt for alt, _ in own] == [f"{head}, input face-{row}.png" for head in heads]
        np.testing.assert_array_equal(own[1][1], own[2][1])
        assert (own[2][1].astype(int) - own[3][1] == 3).all()


def test_other_pictures_of_keras_get_a_sheet_of_their_own(tmp_path):
    other = entry("dynamic")
    turned = tuple(replace(one, expected=255 - one.expected) for one in other.fidelity.examples)
    other = replace(other, fidelity=replace(other.fidelity, examples=turned))
    _, text, _ = written(tmp_path, [entry("fp32"), other])
    assert text.count('class="card wide sheet"') == 2


def test_a_generator_of_noise_has_no_photos(tmp_path):
    noise = {"inputs": ("noise",), "noise": 4, "styles": (), "method": "dcgan"}
    page, _, _ = written(tmp_path, [entry(photos=False, **noise)])
    assert len(page.pictures) == 3 + 3 * 2
    assert not any(alt.startswith("photo") for alt, _ in page.pictures)


def test_equal_pictures_and_broken_numbers_stay_json(tmp_path):
    equal, broken = entry(), entry()
    scores = {
        "psnr": Score(math.inf, math.inf, (math.inf,) * 3),
        "ssim": Score(math.nan, math.nan, (math.nan,) * 3),
    }
    equal = replace(equal, fidelity=replace(equal.fidelity, **scores))
    page, _, figures = written(tmp_path, [equal, broken])
    assert figures["artefacts"][0]["fidelity"]["psnr"]["worst"] == "Infinity"
    assert float(figures["artefacts"][0]["fidelity"]["psnr"]["each"][0]) == math.inf
    assert figures["artefacts"][0]["fidelity"]["ssim"]["mean"] is None
    rows = {row[0]: row[1:] for row in page.rows if row}
    assert rows["PSNR, dB, mean"] == ["∞ (equal)", "41.3"]
    assert rows["SSIM, mean"] == ["–", "0.9877"]


def test_names_cannot_break_the_page(tmp_path):
    name = '<script>alert("&")</script>'
    page, text, figures = written(tmp_path, [entry(name=name, names=("<b>", '"', "\udcff"))])
    assert "<script" not in text
    assert any(name in cell for row in page.rows for cell in row)
    assert figures["artefacts"][0]["contract"]["name"] == name


def test_a_file_below_the_report_is_named_from_there(tmp_path):
    below = replace(entry(), path=tmp_path / "int8" / "generator.tflite")
    _, text, figures = written(tmp_path, [below])
    assert figures["artefacts"][0]["file"] == "int8/generator.tflite"
    assert str(tmp_path) not in text + json.dumps(figures)


def test_a_preset_is_measured_in_all_respects(tiny_preset, tmp_path):
    photo = to_signed(draw_face(0, 64).photo)[None]
    inputs = {"image": photo, "style": np.float32([[1, 0]])}
    sample = Sample("drawn", inputs, photo.mean(axis=-1, keepdims=True) + np.float32(0.02))
    found = measure_preset(tiny_preset, [sample])
    assert (found.metadata.name, found.path) == ("tiny", tiny_preset / "tiny.tflite")
    assert found.statistics.macs == 64 * 64 * 3 + 2
    assert found.fidelity.psnr.worst == pytest.approx(40, abs=0.01)
    assert [call.threads for call in found.speed.calls] == [1, 2]
    _, _, figures = written(tmp_path / "report", [found])
    assert figures["artefacts"][0]["contract"]["sha256"] == found.metadata.sha256


def test_what_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="Received: none"):
        write_report(tmp_path, [])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot make the folder"):
        write_report(tmp_path / "file", [entry()])
    report.load_template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match="jinja2"):
        write_report(tmp_path / "new", [entry()])
    assert not (tmp_path / "new").exists()


def test_an_older_report_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    written(tmp_path, [entry("fp32")])
    before = (tmp_path / "report.html").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(InputError, match="full"):
        write_report(tmp_path, [entry("dynamic")])
    assert (tmp_path / "report.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
