import csv
import html.parser
import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.training import run_page as report
from keras_portrait.training.run_page.curves import panel_svg
from keras_portrait.training.run_page.gallery import make_gallery
from keras_portrait.training.run_page.loss_log import Panel, current_rows, panels, unused

OPTIONS = {
    "format": 1,
    "method": "asymmetric_cycle",
    "styles": ["ink", "pen"],
    "data": "portraits/data",
    "photos": 6,
    "drawings": 4,
    "recipe": {"method": "asymmetric_cycle", "train": {"epochs": 10, "seed": 7}},
}


def row(epoch, phase="asymmetric_cycle", step=None, **values):
    step = 100 * epoch if step is None else step
    return {"phase": phase, "epoch": epoch, "step": step, "seconds": 60.0, **values}


def trained(epochs):
    """A warm start and epochs of every group of losses."""
    rows = [row(1, "warm start", step=50, drawing_l1=0.2)]
    for epoch in range(1, epochs + 1):
        values = {"g_adversarial": 1 / epoch, "strict_cycle": 2.0, "anchor": 0.0}
        values |= {"d_drawing": 0.5, "drawing_accuracy": 0.75, "val_content": 0.3 + epoch}
        rows.append(row(epoch, **values))
    return rows


@pytest.fixture
def make_run(tmp_path):
    def make(rows=(), epochs=(), name="007-pen", options=OPTIONS):
        folder = tmp_path / name
        (folder / "samples").mkdir(parents=True)
        if options is not None:
            (folder / "options.json").write_text(json.dumps(options))
        if rows:
            (folder / "losses.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        for epoch in epochs:
            grid = np.full((40, 60, 3), epoch % 256, np.uint8)
            Image.fromarray(grid).save(folder / "samples" / f"epoch-{epoch:04d}.png")
        return folder

    return make


def page_of(folder):
    return report.write_run_page(folder).read_text(encoding="utf-8")


class Reader(html.parser.HTMLParser):
    """Collects the tags that are open, the words, and every attribute of a page."""

    VOID = {"meta", "link", "img", "wbr"}

    def __init__(self, page):
        super().__init__()
        self.open, self.words, self.attributes = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


# --- losses.jsonl -----------------------------------------------------------------------------


def test_losses_are_read_in_order(make_run):
    rows = trained(3)
    assert report.read_losses(make_run(rows)) == rows


def test_a_last_line_that_was_cut_short_is_left_out(make_run):
    folder = make_run(trained(2))
    whole = (folder / "losses.jsonl").read_bytes()
    for cut in (1, 2, 20, 40):
        (folder / "losses.jsonl").write_bytes(whole[:-1] + b"\n" + whole.splitlines()[-1][:-cut])
        assert report.read_losses(folder) == trained(2)
    (folder / "losses.jsonl").write_bytes(whole + b"\0" * 64)  # what a power cut may leave
    assert report.read_losses(folder) == trained(2)


def test_a_row_appended_to_a_line_that_was_cut_short_is_found(make_run):
    folder = make_run()
    first, second, third = (json.dumps(line) for line in trained(2))
    (folder / "losses.jsonl").write_text(f"{first}\n{second[:30]}{second}\n{third}\n")
    assert report.read_losses(folder) == trained(2)


@pytest.mark.parametrize(
    "line", ["nonsense", "[1]", '{"phase": "x", "epoch": 1, "step": 1}', '{"phase": 1}', "", "\xff"]
)
def test_a_line_in_the_middle_that_is_no_row_is_named(make_run, line):
    folder = make_run()
    last = json.dumps(row(1))
    (folder / "losses.jsonl").write_text(f"{last}\n{line}\n{last}\n", encoding="latin-1")
    with pytest.raises(InputError, match="^Line 2 is no row.*Received: .*losses.jsonl$"):
        report.read_losses(folder)


def test_no_losses_yet_are_no_rows(make_run):
    folder = make_run()
    assert report.read_losses(folder) == []
    (folder / "losses.jsonl").touch()
    assert report.read_losses(folder) == []


def test_losses_that_cannot_be_read(make_run, tmp_path):
    with pytest.raises(InputError, match="No such folder.*Received: .*absent$"):
        report.read_losses(tmp_path / "absent")
    folder = make_run()
    (folder / "losses.jsonl").mkdir()
    with pytest.raises(InputError, match="Cannot read the losses .*Received: .*losses.jsonl$"):
        report.read_losses(folder)


def test_what_a_later_start_did_again_counts_once():
    rows = [row(1), row(2, g_x=1.0), row(3), row(1, "other"), row(2, g_x=2.0)]
    assert current_rows(rows) == [row(1), row(1, "other"), row(2, g_x=2.0)]
    assert current_rows([]) == []


# --- losses.csv -------------------------------------------------------------------------------


def test_table_has_the_union_of_the_columns_and_blanks(make_run):
    rows = [row(1, "warm start", a=0.5), row(1, b=1e-7, a=2), row(2, c=math.nan, b=3.0)]
    path = report.write_csv(make_run(rows))
    assert path.name == "losses.csv"
    assert path.read_text().splitlines() == [
        "phase,epoch,step,seconds,a,b,c",
        "warm start,1,100,60.0,0.5,,",
        "asymmetric_cycle,1,100,60.0,2,1e-07,",
        "asymmetric_cycle,2,200,60.0,,3.0,nan",
    ]


def test_table_keeps_odd_phases_in_their_cells(make_run):
    with report.write_csv(make_run([row(1, 'warm, "slow"\nstart', a=1)])).open(newline="") as file:
        [cells] = csv.DictReader(file)
    assert cells["phase"] == 'warm, "slow"\nstart'


def test_table_without_losses_has_a_header(make_run):
    assert report.write_csv(make_run()).read_text() == "phase,epoch,step,seconds\n"


# --- panels and curves ------------------------------------------------------------------------


def test_panels_follow_the_names_and_the_newest_phase_comes_first():
    found = {panel.title: list(panel.series) for panel in panels(trained(2))}
    assert list(found.items()) == [
        ("Generator losses", ["g_adversarial"]),
        ("Cycle and content losses", ["strict_cycle"]),
        ("Discriminator losses", ["d_drawing"]),
        ("Discriminator accuracy", ["drawing_accuracy"]),
        ("Validation", ["val_content"]),
        ("Warm start: losses", ["drawing_l1"]),
    ]
    assert unused(trained(2)) == ["anchor"]


def test_a_series_has_the_rows_that_hold_it_and_no_bookkeeping():
    rows = [row(1, g_x=1.0, steps=9, loading_share=0.1), row(2, flag=True), row(3, g_x=10**400)]
    [panel] = panels(rows)
    assert panel.series == {"g_x": ([1.0, 3.0], [1.0, math.inf])}
    assert panel.unit == "epoch"


def test_several_rows_of_an_epoch_are_placed_by_their_steps():
    [panel] = panels([row(1, step=50, g_x=1.0), row(1, step=100, g_x=2.0)])
    assert panel.unit == "step"
    assert panel.series["g_x"][0] == [50.0, 100.0]


def ink(path):
    """Number of pixels of the picture that are coloured, as curves are and axes are not."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"), int)
    return int((np.ptp(pixels, axis=-1) > 60).sum())


def test_curves_are_drawn(make_run):
    path = report.write_curves(make_run(trained(12)))
    assert path.name == "losses.png"
    assert ink(path) > 1000


def test_a_single_row_is_drawn_as_dots(make_run):
    axes_and_legend = ink(report.write_curves(make_run([row(1, g_x=math.nan)], name="nan")))
    assert ink(report.write_curves(make_run([row(1, g_x=0.5)], name="one"))) > axes_and_legend


def test_what_is_0_throughout_is_left_out(make_run):
    with_zero = [row(epoch, g_x=1.0, g_y=0.0) for epoch in (1, 2)]
    without = [row(epoch, g_x=1.0) for epoch in (1, 2)]
    pictures = [
        report.write_curves(make_run(rows, name=name)).read_bytes()
        for name, rows in (("with", with_zero), ("without", without))
    ]
    assert pictures[0] == pictures[1]


def test_no_losses_give_a_picture_that_says_so(make_run):
    with Image.open(report.write_curves(make_run())) as picture:
        assert np.asarray(picture.convert("L")).min() < 128


@pytest.mark.parametrize(
    "values",
    [
        [math.nan, math.nan],
        [math.inf, -math.inf],
        [0.0, 1e300],
        [1e-300, 1e300],
        [-5.0, 5.0],
        [1.0, math.nan],
        [3.0, 3.0],
    ],
)
def test_values_of_every_kind_can_be_drawn(make_run, values):
    rows = [
        row(n, g_x=value, val_x=value, x_accuracy=value) for n, value in enumerate(values, start=1)
    ]
    folder = make_run(rows)
    assert report.write_curves(folder).stat().st_size > 1000
    assert "g_x" in page_of(folder)


def test_magnitudes_apart_are_drawn_on_a_logarithmic_scale():
    def scale(*curves):
        series = {str(n): ([1.0, 2.0, 3.0], list(curve)) for n, curve in enumerate(curves)}
        return "log scale" in panel_svg(Panel("t", "Generator losses", "epoch", series))

    assert scale([1, 1, 1], [100, 100, 100])
    assert scale([1000, 2, 1])
    assert not scale([1, 1, 1], [10, 10, 10])
    assert not scale([0, 1, 1], [1, 1, 1])
    assert not scale([0, 0, 1], [100, 100, 100])


def test_names_are_never_taken_for_formulas(make_run):
    broken_formula = r"$\frac{$"
    rows = [row(1, broken_formula, **{broken_formula: 1.0, "_g": 2.0}), row(1, "next", g_x=1.0)]
    folder = make_run(rows)
    assert ink(report.write_curves(folder)) > 100
    assert broken_formula in Reader(page_of(folder)).text


def test_users_matplotlib_settings_stay(make_run):
    import matplotlib

    with matplotlib.rc_context({"font.size": 31.0, "axes.facecolor": "red"}):
        styled = report.write_curves(make_run(trained(2), name="styled")).read_bytes()
        assert matplotlib.rcParams["font.size"] == 31.0
    assert report.write_curves(make_run(trained(2), name="plain")).read_bytes() == styled


# --- index.html -------------------------------------------------------------------------------


def test_page_holds_all_that_is_asked_of_it(make_run):
    folder = make_run(trained(4), epochs=range(5))
    (folder / "samples" / "columns.json").write_text('["photo", "ink & pen"]')
    (folder / "best.json").write_text('{"epoch": 2, "step": 200, "val_content": 0.12345}')
    (folder / "versions.json").write_text('{"keras": "3.15.1"}')
    reader = Reader(page_of(folder))
    assert reader.open == []
    for words in (
        *("007-pen", "asymmetric cycle", "styles: ink, pen", "4 of 10", "400"),
        *("after 50 of warm start", "val_content 0.1235", "photo", "ink & pen"),
        *("g_adversarial", "strict_cycle", "d_drawing", "drawing_accuracy", "drawing_l1"),
        *("0 so far, so not drawn: anchor", "epochs10", "seed7", "keras3.15.1"),
    ):
        assert words in reader.text or words in reader.text.replace(" ", "")
    assert "5 min" in reader.text  # five rows of a minute
    assert "6 min" in reader.text  # six epochs to go
    # First value, newest value, change.
    assert "g_adversarial10.25−75%" in reader.text.replace(" ", "")
    assert "drawing_accuracy0.750.75+0.00" in reader.text.replace(" ", "")


def test_newest_epoch_comes_first(make_run):
    page = page_of(make_run(trained(3), epochs=range(4)))
    places = [page.index(f"{name}</") for name in ("Epoch 3", "Epoch 2", "Epoch 1")]
    assert places == sorted(places)
    assert places[-1] < page.index("After the warm start</")


def test_what_was_before_the_first_epoch_is_named(make_run):
    assert "<h2>After the warm start" in page_of(make_run(trained(1)[:1], [0], name="warm"))
    assert "<h2>Before the first step" in page_of(make_run([row(1, g_x=1.0)], [0], name="cold"))


def test_time_that_loading_took_is_told(make_run):
    rows = [row(epoch, g_x=1.0, loading_share=0.004 * epoch) for epoch in (1, 2)]
    assert "0.6% of it loading data" in page_of(make_run(rows))


def test_page_needs_no_other_file(make_run):
    page = page_of(make_run(trained(3), epochs=range(4)))
    assert "http://" not in page and "https://" not in page
    assert "<script" not in page and "url(" not in page.replace("url(#", "")
    places = [
        value
        for _, name, value in Reader(page).attributes
        if name in ("src", "href", "xlink:href", "srcset")
    ]
    assert places and all(place.startswith(("#", "data:")) for place in places)


def test_every_inner_address_leads_somewhere_and_no_name_is_given_twice(make_run):
    attributes = Reader(page_of(make_run(trained(3), epochs=range(4)))).attributes
    names = [value for _, name, value in attributes if name == "id"]
    assert len(names) == len(set(names))
    targets = {v[1:] for _, name, v in attributes if name.endswith("href") and v.startswith("#")}
    clips = {value[5:-1] for _, name, value in attributes if name == "clip-path"}
    assert targets | clips <= set(names)


def test_pictures_are_described(make_run):
    attributes = Reader(page_of(make_run(trained(3), epochs=range(4)))).attributes
    described = [value for tag, name, value in attributes if (tag, name) == ("img", "alt")]
    assert len(described) == 4 and all(described)
    assert sum(name == "aria-label" and "Curves" in value for _, name, value in attributes) == 5


def test_names_are_escaped(make_run):
    options = OPTIONS | {"styles": ["<i>ink"], "recipe": {"a<b": {"c": "<script>"}}}
    rows = [row(epoch, "<u>phase", **{"g_<s>": 1.0 / epoch}) for epoch in (1, 2)]
    folder = make_run(rows, epochs=[0], name="<b>run&", options=options)
    (folder / "samples" / "columns.json").write_text('["<em>photo"]')
    page = page_of(folder)
    assert not re.search(r"<(b|i|u|s|em|script)>", page)
    text = Reader(page).text
    for name in ("<b>run&", "<i>ink", "A<b", "<script>", "<u>phase", "g_<s>", "<em>photo"):
        assert name in text


def test_an_empty_run_has_a_page_with_remarks(make_run):
    text = Reader(page_of(make_run())).text
    assert "No losses yet" in text and "No sample pictures yet" in text
    assert "epochs10" in text.replace(" ", "")


def test_a_run_without_options_has_a_page_with_a_remark(make_run):
    text = Reader(page_of(make_run(trained(2), epochs=[0], options=None))).text
    assert "no options.json" in text and "strict_cycle" in text


def test_one_row_is_a_table_without_curves(make_run):
    page = page_of(make_run(trained(1)))
    assert 'class="curve"' not in page and "g_adversarial" in Reader(page).text


def test_losses_that_stopped_to_be_numbers_are_named(make_run):
    rows = [row(1, g_x=1.0, g_y=math.nan), row(2, g_x=math.nan, g_y=1.0), row(3, g_x=math.inf)]
    text = Reader(page_of(make_run(rows))).text
    assert "No finite number since epoch 2: g_x." in text


def test_a_broken_picture_does_not_cost_the_page(make_run):
    folder = make_run(trained(2), epochs=[0, 1])
    (folder / "samples" / "epoch-0002.png").write_bytes(b"no picture")
    (folder / "samples" / "epoch-0000.png").write_bytes(b"")
    (folder / "samples" / "epoch-01.5.png").write_bytes(b"")
    (folder / "samples" / "columns.json").write_text("{")
    page = page_of(folder)
    assert page.count("This picture cannot be read.") == 2
    assert page.count("data:image/webp") == 1


def test_a_page_is_made_anew_when_a_picture_changes(make_run):
    folder = make_run(trained(1), epochs=[0])
    former = page_of(folder)
    Image.fromarray(np.zeros((41, 60, 3), np.uint8)).save(folder / "samples" / "epoch-0000.png")
    assert page_of(folder) != former


def test_page_of_the_folder_one_is_in(make_run, monkeypatch):
    monkeypatch.chdir(make_run(trained(1)))
    assert "<h1>007-pen</h1>" in page_of(".")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names must be valid text")
def test_a_folder_name_of_stray_bytes(make_run):
    folder = make_run(trained(1), name=os.fsdecode(b"run-\xff"))
    assert "<h1>run-?</h1>" in page_of(folder)


@pytest.mark.parametrize("name", ["options.json", "best.json", "versions.json"])
@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_broken_file_is_named_and_the_former_page_stays(make_run, name, text):
    folder = make_run(trained(1))
    former = page_of(folder)
    (folder / name).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=f"{name}: expected .*Received: "):
        report.write_run_page(folder)
    assert (folder / "index.html").read_text(encoding="utf-8") == former


def test_odd_options_still_make_a_page(make_run):
    for number, recipe in enumerate((None, [1], {"train": None}, {"train": {"epochs": "many"}})):
        options = {"method": None, "styles": None, "recipe": recipe, "deep": {"a": {"b": None}}}
        assert "g_adversarial" in page_of(make_run(trained(2), name=f"{number}", options=options))


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(InputError, match="Expected the folder of a run. Received: "):
        report.write_run_page(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to(make_run):
    folder = make_run(trained(1))
    for write, name in (
        (report.write_csv, "losses.csv"),
        (report.write_curves, "losses.png"),
        (report.write_run_page, "index.html"),
    ):
        (folder / name).mkdir()
        with pytest.raises(InputError, match=f"Cannot write .*Received: .*{name}$"):
            write(folder)
    names = {"losses.csv", "losses.png", "index.html", "losses.jsonl", "options.json", "samples"}
    assert {path.name for path in folder.iterdir()} == names


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_package_is_named_with_the_line_that_brings_it(make_run, package):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from keras_portrait import errors\n"
        "from keras_portrait.training import run_page\n"
        f"try: run_page.write_run_page({str(make_run(trained(2)))!r})\n"
        f"except errors.{MissingExtra.__name__} as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert package in done.stdout and 'pip install "keras-portrait[train]"' in done.stdout


def test_importing_the_package_is_light():
    code = "import keras_portrait.training.run_page, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "keras_portrait.training.run_page.curves" in loaded.split()
    assert not {"matplotlib", "jinja2", "keras", "tensorflow"} & set(loaded.split())


# --- many grids -------------------------------------------------------------------------------


def test_few_grids_are_all_shown(make_run):
    gallery = make_gallery(make_run(epochs=range(12)))
    assert gallery.newest.epoch == 11
    assert [sample.epoch for sample in gallery.earlier] == list(range(10, -1, -1))
    assert (gallery.count, gallery.every) == (11, 1)


def test_many_grids_are_thinned_evenly_and_the_best_stays(make_run):
    gallery = make_gallery(make_run(epochs=range(102)), also=33)
    assert (gallery.count, gallery.every) == (101, 5)
    assert [sample.epoch for sample in gallery.earlier] == sorted([*range(0, 101, 5), 33])[::-1]


def test_grids_are_ordered_by_their_number(make_run):
    gallery = make_gallery(make_run(epochs=[2, 10_000, 9_999]))
    assert [gallery.newest.epoch, *(sample.epoch for sample in gallery.earlier)] == [
        10_000,
        9999,
        2,
    ]


def test_a_small_budget_thins_further_and_the_newest_stays(make_run):
    folder = make_run(epochs=range(12))
    one = len(make_gallery(folder).newest.uri)
    assert len(make_gallery(folder, budget=4 * one).earlier) == 3  # epochs 0, 5, 10
    assert make_gallery(folder, budget=4 * one).every == 5
    nothing_fits = make_gallery(folder, budget=one)
    assert nothing_fits.newest.epoch == 11 and nothing_fits.earlier == []


def test_large_grids_are_reduced(make_run):
    folder = make_run()
    for epoch in (0, 1):
        wide = np.zeros((100, 3200, 3), np.uint8)
        Image.fromarray(wide).save(folder / "samples" / f"epoch-{epoch:04d}.png")
    gallery = make_gallery(folder)
    assert (gallery.newest.width, gallery.newest.height) == (1600, 50)
    assert (gallery.earlier[0].width, gallery.earlier[0].height) == (640, 20)


def test_a_page_of_400_large_grids_stays_under_12_megabytes(make_run):
    folder = make_run(trained(2))
    noise = np.random.default_rng(0).integers(0, 256, (1100, 1600, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "samples" / "epoch-0000.png", compress_level=1)
    for epoch in range(1, 401):
        os.link(folder / "samples" / "epoch-0000.png", folder / f"samples/epoch-{epoch:04d}.png")
    path = report.write_run_page(folder)
    assert 3_000_000 < path.stat().st_size < 12_000_000
    text = Reader(path.read_text(encoding="utf-8")).text
    assert re.search(r"Every \d+th of 400 grids is shown", text)
