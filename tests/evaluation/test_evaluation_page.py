import base64
import html.parser
import io
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from headless_chromium import Chromium
from invented_evaluation import invented_result, write_pictures
from keras_portrait.errors import MissingExtra
from keras_portrait.evaluation.report import pictures as evaluation_pictures
from keras_portrait.evaluation.report.figures import make_panel, markdown, number
from keras_portrait.evaluation.report.page import write_evaluation
from keras_portrait.evaluation.report.pictures import pack_pictures
from keras_portrait.training import templates as template


class Page(html.parser.HTMLParser):
    """A page's rows of tables as lists of words, its captions, pictures, text and addresses."""

    VOID = ("meta", "link", "img")

    def __init__(self, text):
        super().__init__()
        self.rows, self.captions, self.pictures, self.open = [], [], [], []
        self.addresses, self.names, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.addresses += [attributes[name] for name in ("src", "href") if name in attributes]
        self.names += [attributes["id"]] if "id" in attributes else []
        if tag == "img":
            self.pictures.append((attributes["alt"], attributes["src"]))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append([])
        if tag == "figcaption":
            self.captions.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if set(self.open) & {"td", "th"} and data.strip():
            self.rows[-1][-1].append(data.strip())
        if "figcaption" in self.open:
            self.captions[-1] += data

    def row(self, label):
        """The cells that follow the one that begins with that label."""
        return next(row[1:] for row in self.rows if row and row[0][:1] == [label])


@pytest.fixture
def make(tmp_path):
    """Writes the report on a result; returns the page, its text and the figures."""

    def find(key, index):
        return tmp_path / "pictures" / key / f"{index:04d}.png"

    def write(result, drawn=True, **options):
        if drawn:
            write_pictures(result, find, size=40)
        write_evaluation(tmp_path, result, find, **options)
        text = (tmp_path / "evaluation.html").read_text(encoding="utf-8")
        figures = json.loads(
            (tmp_path / "evaluation.json").read_bytes(), parse_constant=pytest.fail
        )
        return Page(text), text, figures

    write.find = find
    return write


def figure(value, low=None, high=None, goal=None, met=None):
    return {"value": value, "low": low, "high": high, "count": 9, "goal": goal, "met": met}


def set_figures(result, key, *figures):
    """Gives the entries these figures, in their order; None takes one away."""
    for entry, one in zip(result["entries"], figures, strict=True):
        entry["figures"].pop(key, None)
        if one is not None:
            entry["figures"][key] = one


@pytest.fixture
def small():
    """Two sources, a baseline and the noise floor, with two photos."""
    sources = (("portrait", "ink", "preset"), ("mine", "", "run"))
    return invented_result(2, sources, ("XDoG",))


def test_figures_intervals_best_and_goals_stand_in_the_table(make, small):
    missed, met = figure(94.44, 90, 97.5, 95, False), figure(96, 91.25, 99, 95, True)
    set_figures(small, "face_found", missed, met, figure(12, 9, 15, 95, False), figure(50))
    page, _, _ = make(small)
    heads = page.rows[0][1:]
    assert heads[0] == ["Face found again", "%, higher is better", "goal: at least 95\xa0%"]
    assert heads[-1] == ["Stroke width", "px"]
    assert page.row("portrait · ink")[0] == ["94.4", "90.0 to 97.5", "goal missed"]
    assert page.row("mine")[0] == ["96.0", "91.2 to 99.0", "best", "goal met"]
    assert page.row("XDoG")[0] == ["12.0", "9.00 to 15.0", "goal missed"]
    assert page.row("real against real · ink")[0] == ["50.0"]  # neither best nor measured by a goal
    assert [row[0][0] for row in page.rows[1:5]] == [
        *("portrait · ink", "mine", "XDoG", "real against real · ink")
    ]
    assert [row[0][1] for row in page.rows[1:5]] == ["preset", "run", "baseline", "noise floor"]
    assert page.rows[1][0] == ["portrait · ink", "preset", "against ink drawings"]


def test_a_baseline_may_be_the_best_and_the_noise_floor_may_not(make, small):
    set_figures(small, "kid_vgg16", figure(12.5), figure(11.0), figure(3), figure(1))
    page, _, _ = make(small)
    assert page.row("XDoG")[5] == ["3.00", "best"]
    assert page.row("real against real · ink")[5] == ["1.00"]
    assert page.row("mine")[5] == ["11.0"]


def test_equal_figures_share_the_best_and_a_lone_one_is_not_the_best(small):
    set_figures(small, "kid_vgg16", figure(3), figure(3), figure(4), None)
    assert [cell.best for cell in make_panel(small, "kid_vgg16").cells] == [1, 1, 0, 0]
    set_figures(small, "kid_vgg16", figure(3), figure(None), None, None)
    assert not any(cell.best for cell in make_panel(small, "kid_vgg16").cells)
    set_figures(small, "stroke_width", figure(3), figure(2), figure(4), None)
    assert not any(cell.best for cell in make_panel(small, "stroke_width").cells)


def test_only_what_can_be_ranked_has_a_best(small):
    set_figures(small, "lip_excess", figure(3), figure(-2), figure(4), None)
    assert not any(cell.best for cell in make_panel(small, "lip_excess").cells)
    set_figures(small, "fid_vgg16", figure(3), figure(2), figure(4), figure(1))
    assert [cell.best for cell in make_panel(small, "fid_vgg16").cells] == [0, 1, 0, 0]
    small["entries"][2]["figures"]["fid_vgg16"]["count"] = 8
    assert not any(cell.best for cell in make_panel(small, "fid_vgg16").cells)


def test_a_cell_says_why_there_is_no_verdict(make, small):
    why = {"remark": "fewer than 20 women or men"}
    few = figure(3, -1, 7, 0.0) | why
    set_figures(small, "lip_excess", few, few, few, None)
    page, _, _ = make(small)
    assert page.row("mine")[4][-1] == "no verdict: fewer than 20 women or men"


def test_what_was_not_measured_is_a_dash_and_has_no_dot(make, small):
    set_figures(small, "hed_lpips", figure(None), None, figure(0.3, 0.2, 0.4, 0.32, True), None)
    page, _, figures = make(small)
    assert page.row("portrait · ink")[2] == page.row("mine")[2] == ["–"]
    assert [dot.label for dot in make_panel(small, "hed_lpips").dots] == ["XDoG"]
    assert figures["entries"][0]["figures"]["hed_lpips"]["value"] is None


def test_a_measure_that_nothing_has_is_explained_and_has_no_column(make, small):
    set_figures(small, "hed_lpips", figure(None), None, figure(None), None)
    page, _, _ = make(small)
    assert not any(cell[:1] == ["Edges, LPIPS"] for cell in page.rows[0])
    assert len(page.rows[0]) == len(page.rows[1]) == len(small["measures"])
    assert page.text.count("Not measured in this report.") == 1
    assert small["measures"]["hed_lpips"]["explanation"] in page.text


def test_an_entry_that_was_measured_on_fewer_photos_says_so(make, small):
    for one in small["entries"][2]["figures"].values():
        one["count"] = 1
    page, _, _ = make(small)
    assert page.rows[3][0] == ["XDoG", "baseline", "on 1 of the photos", "against all drawings"]


def test_an_entry_with_a_goal_of_its_own_names_it(make, small):
    own, common = figure(9.5, 9, 10, 15.0, True), figure(7, 6, 8, 6.0, False)
    set_figures(small, "mid_gray", own, common, common, None)
    page, _, _ = make(small)
    assert page.row("portrait · ink")[3] == [
        "9.50",
        "9.00 to 10.0",
        "goal met",
        "goal: at most 15\xa0%",
    ]
    assert page.row("mine")[3] == ["7.00", "6.00 to 8.00", "best", "goal missed"]
    places = [dot.goal for dot in make_panel(small, "mid_gray").dots]
    assert places[0] > places[1] == places[2]


def test_places_on_the_axis_are_in_proportion(small):
    set_figures(small, "kid_vgg16", figure(2, 1, 3), figure(4, 4, 5), figure(3, -1, 9), None)
    panel = make_panel(small, "kid_vgg16")
    ticks = {float(text.replace("−", "-")): place for place, text in panel.ticks}
    assert list(ticks) == [0, 5]
    unit = (ticks[5] - ticks[0]) / 5
    for dot, (value, low, high) in zip(panel.dots, ((2, 1, 3), (4, 4, 5), (3, -1, 9)), strict=True):
        for place, expected in ((dot.value, value), (dot.low, low), (dot.high, high)):
            assert place == pytest.approx(ticks[0] + unit * expected, abs=0.02)
            assert 0 < place < 100


def test_one_number_alone_has_an_axis_too(small):
    for value in (0.0, 3.0, -2.0):
        set_figures(small, "kid_vgg16", figure(value), None, None, None)
        [dot] = make_panel(small, "kid_vgg16").dots
        assert dot.value == pytest.approx(50, abs=0.01)


def test_numbers_have_three_digits():
    texts = {0: "0", 0.30512: "0.305", 4.5: "4.50", 94.44: "94.4", 1234.5: "1,234"}
    texts |= {-0.0123: "−0.0123", 2e-7: "2.00e−07", 99.96: "100", 3.2e9: "3.20e+09"}
    assert {value: number(value) for value in texts} == texts


def test_every_measure_is_explained(make, small):
    page, _, _ = make(small)
    for measure in small["measures"].values():
        assert measure["explanation"] in page.text


def test_the_worst_drawings_come_first_beside_their_photos(make, small):
    small["entries"][0]["worst"] = [
        {"photo": "women/0001.png", "index": 1, "score": 0.75, "why": "nose without ink"},
        {"photo": "men/0000.png", "index": 0, "score": 0.5, "why": "gray wash"},
    ]
    page, text, _ = make(small)
    assert page.captions[0] == "1. nose without ink · women/0001.png · score 0.750"
    assert page.captions[1].startswith("2. gray wash")
    alts = [alt for alt, _ in page.pictures]
    first = ["Photo women/0001.png", "Drawing women/0001.png"]
    assert alts[:3] == [*first, "Photo men/0000.png"]
    assert small["score"] in page.text
    # Baselines are folded away, the noise floor drew nothing.
    assert re.findall(r"<summary>(.*?)</summary>", text) == ["XDoG", "2 of 4"]
    shown = read(page.pictures[1][1])
    drawn = np.array(Image.open(make.find("portrait-ink", 1)))
    assert np.abs(shown[..., 0].astype(int) - drawn).mean() < 4


def read(uri):
    head, data = uri.split(",", 1)
    assert head == "data:image/webp;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def test_sheets_show_the_photo_and_every_drawing(make, small):
    page, _, _ = make(small)
    row = [f"{who}, men/0000.png" for who in ("photo", "portrait · ink", "mine", "XDoG")]
    assert [alt for alt, _ in page.pictures][-8:-4] == row
    assert page.captions[-4:] == ["photo", "portrait · ink", "mine", "XDoG"]


def test_without_photos_none_is_in_the_page(make, small):
    page, text, _ = make(small, photos=False)
    # Drawings alone: the two worst and two on the sheet of each of three entries.
    assert len(page.pictures) == 12
    assert not any(alt.lower().startswith("photo") for alt, _ in page.pictures)
    for _, uri in page.pictures:
        picture = read(uri).astype(int)
        assert np.abs(picture - picture[..., :1]).max() < 3


def test_skipped_photos_and_how_it_was_made(make, small):
    page, text, _ = make(small, command="portrait evaluate portrait", versions={"keras": "3.15.1"})
    assert page.row("women/wall.jpg") == [["no face found"]]
    assert "<details open><summary>2 of 4" in text
    assert page.row("command") == [["portrait evaluate portrait"]]
    assert page.row("feature extractor") == [[small["extractor"]]]
    assert page.row("compared at") == [["512 x 512 pixels"]]
    assert page.row("SHA-256 of the photos") == [["ab" * 32]]
    assert page.row("keras") == [["3.15.1"]]
    small["photos"]["skipped"] = [{"file": f"{n}.jpg", "reason": "no face"} for n in range(11)]
    assert "<details><summary>11 of 13" in make(small)[1]
    small["photos"]["skipped"] = []
    assert "left out" not in make(small)[0].text


def test_without_drawings_the_page_says_so(make, small):
    small["drawings"] = None
    for entry in small["entries"]:
        entry["reference"] = None
    page, _, figures = make(small)
    assert "style is not measured" in page.text
    assert page.rows[1][0] == ["portrait · ink", "preset"]
    assert figures["drawings"] is None


def test_the_same_evaluation_gives_the_same_files(make, small, tmp_path):
    names = ("evaluation.html", "evaluation.json")
    make(small, versions={"keras": "3"})
    former = [(tmp_path / name).read_bytes() for name in names]
    make(small | {"seconds": {"drawing": 123.0}}, versions={"keras": "3"})
    assert [(tmp_path / name).read_bytes() for name in names] == former


def test_the_json_holds_everything_but_seconds(make, small):
    _, _, figures = make(small, versions={"keras": "3"})
    expected = {key: value for key, value in small.items() if key != "seconds"}
    assert figures == json.loads(json.dumps(expected)) | {"versions": {"keras": "3"}}


def test_page_needs_no_other_file(make, small):
    page, text, _ = make(small)
    assert "http" not in text and "<script" not in text and "url(" not in text
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    targets = {address[1:] for address in page.addresses if address.startswith("#")}
    assert targets and targets <= set(page.names)
    assert len(page.names) == len(set(page.names))
    assert "width=device-width" in text and "prefers-color-scheme: dark" in text


def test_names_are_escaped(make, small):
    small["entries"][0] |= {"name": "<b>portrait", "style": "<i>ink"}
    small["entries"][0]["worst"][0]["why"] = "<u>bad"
    small["photos"]["skipped"][0]["file"] = "<s>.jpg"
    page, text, _ = make(small, command="<em>")
    assert not re.search(r"<(i|u|s|em)>|<b>portrait", text)
    for name in ("<b>portrait · <i>ink", "<u>bad", "<s>.jpg", "<em>"):
        assert name in page.text


def test_a_missing_picture_does_not_cost_the_page(make, small):
    write_pictures(small, make.find, size=40)
    make.find("portrait-ink", 0).write_bytes(b"no picture")
    make.find("photos", 1).unlink()
    page, text, _ = make(small, drawn=False)
    # The drawing as one of the worst and on the sheet; the photo beside three entries and there.
    assert text.count("This picture cannot be read.") == 2 + 4


def test_pictures_stay_within_the_budget(make):
    result = invented_result(30)
    write_pictures(result, make.find, size=24)

    def packed(budget):
        pictures = pack_pictures(result, make.find, budget=budget)
        rows = [*sum(pictures.worst, []), *pictures.sheet]
        return pictures, sum(len(one.uri) for row in rows for one in row.pictures)

    everything, spent = packed(10_000_000)
    assert everything.every == 1 and len(everything.sheet) == 30
    assert [len(rows) for rows in everything.worst] == [10] * 6 + [0]
    for share, worst in ((0.9, 10), (0.6, 5), (0.3, 2), (0.15, 1)):
        fewer, less = packed(int(share * spent))
        assert less <= share * spent and {len(rows) for rows in fewer.worst[:-1]} == {worst}
        assert [row.photo for row in fewer.sheet] == result["photo_names"][:: fewer.every]
        assert fewer.every > 1
    fewest, _ = packed(0)
    assert fewest.sheet == [] and {len(rows) for rows in fewest.worst[:-1]} == {1}


def test_many_photos_are_evenly_chosen_for_the_sheet(make, monkeypatch):
    monkeypatch.setattr(
        evaluation_pictures, "pack_picture", lambda *_: evaluation_pictures.Picture("x")
    )
    result = invented_result(205)
    pictures = pack_pictures(result, make.find)
    assert pictures.every == 10 and len(pictures.sheet) == 21
    assert "Every 10th of 205 photos is shown." in make(result, drawn=False)[0].text


def test_large_pictures_are_reduced(make, small):
    write_pictures(small, make.find, size=400)
    pictures = pack_pictures(small, make.find)
    assert {one.width for one in pictures.worst[0][0].pictures} == {288}
    assert {one.height for one in pictures.sheet[0].pictures} == {176}


def test_markdown_has_a_line_for_each_measure_that_can_be_better(small):
    set_figures(small, "hed_lpips", figure(0.31), figure(0.325), figure(None), None)
    set_figures(small, "lip_excess", figure(None), None, None, None)
    small["entries"][1]["name"] = "a|b"
    head, rule, *lines = markdown(small).splitlines()
    assert head == "|  | portrait · ink | a\\|b | XDoG | real against real · ink |"
    assert rule == "| --- | ---: | ---: | ---: | ---: |"
    assert len(lines) == 7 and not any("Stroke" in line or "lip" in line for line in lines)
    assert lines[2] == "| Edges, LPIPS ↓ (at most 0.32) | **0.310** | 0.325 | – | – |"
    assert lines[0].startswith("| Face found again, % ↑ (at least 95\xa0%) |")


def test_without_jinja_one_line_says_what_to_install(make, small, monkeypatch):
    template.load_template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=r"The report needs jinja2.*keras-portrait\[train\]"):
        make(small)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_fits_the_screen(make, small, tmp_path, width):
    make(small)
    with Chromium(tmp_path) as browser:
        browser.resize(width, 800)
        browser.open(f"file://{tmp_path}/evaluation.html")
        assert browser.run("document.documentElement.scrollWidth") <= width
        # Every dot lies on its own track.
        outside = """[...document.querySelectorAll('.plot .row')].filter(row => {
            const track = row.getBoundingClientRect();
            return [...row.querySelectorAll('.dot')].some(dot => {
              const place = dot.getBoundingClientRect();
              return place.left < track.left || place.right > track.right
                || place.top < track.top || place.bottom > track.bottom;
            });
          }).length"""
        assert browser.run("document.querySelectorAll('.plot .dot').length") > 20
        assert browser.run(outside) == 0
        assert browser.problems == []
