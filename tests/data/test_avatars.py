"""`portrait prepare --avatars`: what is kept of every kind of file, twins, resumed, refused."""

import json
import re
import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_portrait.data.edge_promoting import promote_edges
from keras_portrait.data.folder_options import read_options
from keras_portrait.data.manifest import NAME, UNREADABLE, read_manifest
from keras_portrait.data.pictures import load_pictures
from keras_portrait.data.portraits import load_prepared
from keras_portrait.data.prepare import prepare as module
from keras_portrait.data.prepare import preview
from keras_portrait.data.prepare.avatars import avatar_square
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.prepare.sources import find_sources
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import read_image, write_image

SIZE = 32
HELP = Path(__file__).resolve().parents[2] / "docs" / "help" / "portrait.prepare.txt"


def cartoon(number: int, side: int = 40) -> np.ndarray:
    """A square in colours of its own, with an edge in the middle."""
    rng = np.random.default_rng(number)
    picture = np.full((side, side, 3), rng.integers(140, 256, 3), np.uint8)
    picture[side // 4 : side // 2, side // 4 : -side // 4] = rng.integers(0, 90, 3)
    return picture


def write_avatars(folder: Path, names) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, cartoon(number))
    return folder


@pytest.fixture
def avatars(tmp_path):
    """Twelve avatars: two labels of five, and two without a label."""
    names = [f"{label}/{number}.png" for label in ("manga", "toon") for number in range(5)]
    return write_avatars(tmp_path / "avatars", [*names, "a.png", "b.png"])


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Folder with two photos and two drawings of invented faces."""
    folder = tmp_path_factory.mktemp("faces")
    write_drawn_faces(folder, 2, seed=36)
    return folder


def prepare_avatars(avatars, output, **options):
    return prepare(None, None, output, SIZE, avatars=avatars, **options)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_squares_and_manifest(avatars, tmp_path):
    before, output = contents(avatars), tmp_path / "data"
    summary = prepare_avatars(avatars, output, holdout=0.5)
    assert contents(avatars) == before
    rows = read_manifest(output)
    assert rows == summary.rows and len(rows) == summary.kept("avatar") == 12
    assert {row.split for row in rows} == {"train", "test"}
    assert Counter(row.style for row in rows) == {"manga": 5, "toon": 5, None: 2}
    for row in rows:
        assert row.kind == "avatar" and row.file == f"avatars/{row.source}" and row.size == SIZE
        with Image.open(output / row.file) as square:
            assert (square.size, square.mode) == ((SIZE, SIZE), "RGB")
    assert contents(output).keys() == {row.file for row in rows} | {
        NAME,
        "prepare.json",
        "preview.png",
    }
    options = read_options(output)
    assert (options["size"], options["holdout"], options["edge_promote"]) == (SIZE, 0.5, False)


def test_one_broken_file_among_sixty_is_listed_and_the_rest_is_kept(tmp_path, portrait):
    avatars = write_avatars(tmp_path / "avatars", [f"{number:02d}.png" for number in range(60)])
    whole = (avatars / "17.png").read_bytes()
    (avatars / "17.png").write_bytes(whole[: len(whole) // 2])
    arguments = ("prepare", "--avatars", avatars, "-o", tmp_path / "data", "--size", SIZE)
    code, out, err = portrait(*arguments)
    lines = out.splitlines()
    assert code == 2 and lines[0].startswith("avatars: 59 kept (")
    assert lines[1:] == [f"      1  {UNREADABLE}", "         17.png", str(tmp_path / "data")]
    assert err.startswith("17.png: cannot be read (") and err.count("\n") == 1
    (dropped,) = [row for row in read_manifest(tmp_path / "data") if not row.kept]
    assert dropped.source == "17.png" and dropped.reason.startswith(UNREADABLE)
    assert dropped.file is None and not (tmp_path / "data" / "avatars" / "17.png").exists()
    # It is tried again, and nothing else.
    (avatars / "17.png").write_bytes(whole)
    code, out, _ = portrait(*arguments)
    assert code == 0 and out.splitlines()[:2] == [
        "avatars: 60 kept (54 train, 6 test), 0 dropped",
        "59 were done by an earlier run",
    ]


def test_many_broken_files_are_counted(tmp_path, portrait):
    avatars = write_avatars(tmp_path / "avatars", ["good.png"])
    for number in range(7):
        (avatars / f"bad-{number}.png").write_bytes(b"no picture")
    arguments = ("--avatars", avatars, "-o", tmp_path / "data", "--size", SIZE)
    code, out, err = portrait("prepare", *arguments)
    assert code == 2 and err.count("\n") == 7
    assert out.splitlines()[1:8] == [
        f"      7  {UNREADABLE}",
        *(f"         bad-{number}.png" for number in range(5)),
        "         and 2 more, see manifest.jsonl",
    ]


def test_no_picture_at_all_is_an_error(tmp_path, portrait):
    avatars = tmp_path / "avatars"
    avatars.mkdir()
    (avatars / "bad.png").write_bytes(b"no picture")
    code, out, err = portrait("prepare", "--avatars", avatars, "-o", tmp_path / "data")
    assert code == 2 and out.startswith("avatars: 0 kept") and str(tmp_path / "data") not in out
    last = err.splitlines()[-1]
    assert last.startswith("portrait: No picture can be used;") and last.endswith("1 picture")
    assert len(read_manifest(tmp_path / "data")) == 1


def save_formats(folder: Path) -> dict[str, tuple]:
    """Writes a picture of each kind; returns the colour of each, as seen over white."""
    size, red = (SIZE, SIZE), (200, 30, 40)
    Image.new("RGBA", size, (*red, 0)).save(folder / "clear.png")
    Image.new("RGBA", size, (255, 0, 0, 51)).save(folder / "faint.webp", lossless=True)
    Image.new("LA", size, (0, 0)).save(folder / "clear-gray.png")
    palette = Image.new("P", size, 1)
    palette.putpalette([0, 0, 0, *red])
    palette.save(folder / "palette.png")
    palette.save(folder / "clear-palette.png", transparency=1)
    Image.new("L", size, 77).save(folder / "gray.png")
    Image.fromarray(np.full(size, 77 * 257, np.uint16)).save(folder / "gray16.png")
    Image.new("1", size, 1).save(folder / "bits.tif")
    Image.new("CMYK", size, (0, 255, 255, 0)).save(folder / "cmyk.jpg", quality=100)
    frames = [Image.new("RGB", size, colour) for colour in (red, (0, 0, 255))]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moving.png", save_all=True, append_images=frames[1:])
    white, gray = (255,) * 3, (77,) * 3
    return {
        "clear.png": white,
        "faint.webp": (255, 204, 204),
        "clear-gray.png": white,
        "palette.png": red,
        "clear-palette.png": white,
        "gray.png": gray,
        "gray16.png": gray,
        "bits.tif": white,
        "cmyk.jpg": (255, 0, 0),
        "moving.gif": red,
        "moving.png": red,
    }


def test_pictures_of_every_kind(tmp_path):
    (tmp_path / "avatars").mkdir()
    colours = save_formats(tmp_path / "avatars")
    rows = prepare_avatars(tmp_path / "avatars", tmp_path / "data").rows
    assert {row.source: row.reason for row in rows} == dict.fromkeys(colours)
    for row in rows:
        square = read_image(tmp_path / "data" / row.file).astype(int)
        assert np.abs(square - colours[row.source]).max() <= 2, row.source


def test_16_bit_colour(tmp_path):
    cv2 = pytest.importorskip("cv2")
    (tmp_path / "avatars").mkdir()
    deep = np.full((SIZE, SIZE, 3), (10 * 257, 120 * 257, 230 * 257), np.uint16)
    cv2.imwrite(str(tmp_path / "avatars" / "deep.png"), deep[..., ::-1])
    (row,) = prepare_avatars(tmp_path / "avatars", tmp_path / "data").rows
    square = read_image(tmp_path / "data" / row.file)
    assert (square == (10, 120, 230)).all()


def test_the_middle_is_cut_out_and_averaged():
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (64, 100, 3), np.uint8)
    for picture in (wide, np.ascontiguousarray(wide.transpose(1, 0, 2))):
        square = avatar_square(picture, 32).picture
        across = picture.shape[1] == 100
        middle = picture[:, 18:82] if across else picture[18:82]
        means = middle.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
        assert square.shape == (32, 32, 3) and np.abs(square - means).max() <= 0.5


def test_pictures_that_are_too_small():
    assert avatar_square(np.zeros((25, 200, 3), np.uint8), 64).fault is None
    square = avatar_square(np.zeros((24, 200, 3), np.uint8), 64)
    assert square.fault == "picture too small (shorter side 24 px, at least 25)"
    assert square.picture is None


def test_edge_promoted_twins(faces, avatars, tmp_path):
    output = tmp_path / "data"
    rows = prepare(
        faces / "photos", faces / "drawings", output, 64, avatars=avatars, edge_promote=True
    ).rows
    assert Counter(row.kind for row in rows if row.kept) == {
        "photo": 2,
        "drawing": 2,
        "avatar": 12,
    }
    made = {path.relative_to(output).as_posix() for path in (output / "smooth").rglob("*.png")}
    assert made == {f"smooth/{row.file}" for row in rows if row.kind != "photo"}
    for row in rows:
        if row.kind != "photo":
            square, twin = read_image(output / row.file), read_image(output / row.smooth)
            assert (twin == promote_edges(square)).all() and (twin != square).any()


def test_twins_of_drawings_alone(faces, tmp_path):
    output = tmp_path / "data"
    rows = prepare(faces / "photos", faces / "drawings", output, 64, edge_promote=True).rows
    made = {path.relative_to(output).as_posix() for path in (output / "smooth").rglob("*.png")}
    assert made == {row.smooth for row in rows if row.kind == "drawing"} and len(made) == 2
    assert all(name.startswith("smooth/drawings/drawn/") for name in made)


def refuse(*args, **options):
    raise AssertionError("made again")


def test_twins_come_and_go_without_the_squares_being_made_again(avatars, tmp_path, monkeypatch):
    plain, both, output = tmp_path / "plain", tmp_path / "both", tmp_path / "data"
    prepare_avatars(avatars, plain)
    prepare_avatars(avatars, both, edge_promote=True)
    prepare_avatars(avatars, output)
    monkeypatch.setattr(module, "avatar_square", refuse)
    assert prepare_avatars(avatars, output, edge_promote=True).reused == 12
    assert contents(output) == contents(both)
    (output / "smooth" / "avatars" / "a.png").unlink()
    assert prepare_avatars(avatars, output, edge_promote=True).reused == 12
    assert contents(output) == contents(both)
    assert prepare_avatars(avatars, output).reused == 12
    assert contents(output) == contents(plain)


def test_a_second_run_does_nothing_again(avatars, tmp_path, monkeypatch):
    output = tmp_path / "data"
    prepare_avatars(avatars, output, edge_promote=True)
    first = contents(output)
    monkeypatch.setattr(module, "avatar_square", refuse)
    monkeypatch.setattr(module, "promote_edges", refuse)
    assert prepare_avatars(avatars, output, edge_promote=True).reused == 12
    assert contents(output) == first


def test_a_run_that_was_broken_off_goes_on_and_ends_as_if_it_had_not_been(avatars, tmp_path):
    whole, output = tmp_path / "whole", tmp_path / "data"
    prepare_avatars(avatars, whole, edge_promote=True)

    def interrupt(row, number, count):
        if number == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_avatars(avatars, output, edge_promote=True, progress=interrupt)
    # What a killed process and a power cut leave.
    (output / "avatars" / "manga" / ".part-17-9.png").write_bytes(b"half")
    (output / "avatars" / "a.png").write_bytes(b"")
    with (output / NAME).open("a") as file:
        file.write('{"file": "avat')
    assert prepare_avatars(avatars, output, edge_promote=True).reused == 4
    assert contents(output) == contents(whole)


def test_memory_holds_one_picture_at_a_time(avatars, tmp_path, monkeypatch):
    alive, references = [], []

    def watched(path, **options):
        picture = read_image(path, **options)
        alive.append(sum(reference() is not None for reference in references))
        references.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr(module, "read_image", watched)
    prepare_avatars(avatars, tmp_path / "data", edge_promote=True)
    assert len(alive) == 12 and max(alive) == 0


def test_labels_and_names(tmp_path):
    names = ["x.png", "x.jpg", "y.png", "Toon/x.png", "toon/a/x.png", "toon/a-x.png", "y.png/1.png"]
    avatars = tmp_path / "avatars"
    for name in names[:2] + names[3:]:
        (avatars / name).parent.mkdir(parents=True, exist_ok=True)
        (avatars / name).touch()
    (avatars / "y.jpg").touch()
    sources = {source.relative: source for source in find_sources(None, None, avatars)}
    assert {name: source.style for name, source in sources.items()} == {
        "x.png": None,
        "x.jpg": None,
        "y.jpg": None,
        "Toon/x.png": "Toon",
        "toon/a/x.png": "toon",
        "toon/a-x.png": "toon",
        "y.png/1.png": "y.png",
    }
    files = {source.file.casefold() for source in sources.values()}
    assert len(files) == len(sources)
    assert sources["y.png/1.png"].file == "avatars/y.png/1.png"
    assert "avatars/y.png" not in files
    assert all(source.mask is None for source in sources.values())


def sheet_of(monkeypatch, folder, rows) -> list:
    """The pictures that are read for a sheet, in order."""
    read = []
    monkeypatch.setattr(preview, "_read", lambda path: read.append(path) or np.zeros((8, 8, 3)))
    monkeypatch.setattr(preview, "write_image", lambda path, sheet: None)
    monkeypatch.setattr(preview, "grid", lambda cells, columns, fill: None)
    preview.write_preview(folder, rows, edge_promote=False)
    return [path.relative_to(folder).as_posix() for path in read]


def test_the_preview_has_a_row_for_each_of_few_labels(avatars, tmp_path, monkeypatch):
    rows = prepare_avatars(avatars, tmp_path / "data").rows
    sheet = sheet_of(monkeypatch, tmp_path, rows)
    assert [Path(name).parent.name for name in sheet] == ["avatars"] * 2 + ["manga"] * 5 + [
        "toon"
    ] * 5
    monkeypatch.setattr(preview, "LABELS", 2)
    mixed = sheet_of(monkeypatch, tmp_path, rows)
    assert sorted(mixed) == sorted(sheet) and mixed != sheet


def test_the_preview_of_many_avatars_is_a_sample(tmp_path, monkeypatch):
    names = [f"{number}.png" for number in range(preview.AVATARS + 9)]
    rows = prepare_avatars(write_avatars(tmp_path / "avatars", names), tmp_path / "data").rows
    sheet = sheet_of(monkeypatch, tmp_path, rows)
    assert len(set(sheet)) == len(sheet) == preview.AVATARS


@pytest.mark.parametrize("given", [(), ("drawings",)])
def test_too_few_folders(avatars, tmp_path, given):
    photos, drawings = (avatars if name in given else None for name in ("photos", "drawings"))
    with pytest.raises(
        SettingError, match="Expected photos, alone or with.*Received: (none|drawings alone)"
    ):
        prepare(photos, drawings, tmp_path / "data", SIZE)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--avatars", "avatars"], "Received: no -o"),
        (["avatars", "avatars"], "Received: no -o\n"),
        (["avatars"], "Received: no -o\n"),
        (["-o", "data"], "Received: no PHOTOS"),
        (["--avatars", "none", "-o", "data"], "No such folder"),
        (["--avatars", "avatars", "-o", "avatars/data"], "apart from the input folders"),
        (["--check", "data", "--avatars", "avatars"], "Received: --avatars too"),
    ],
)
def test_the_command_refuses_in_one_line(avatars, tmp_path, portrait, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    code, out, err = portrait("prepare", *arguments)
    assert code == 2 and out == "" and err.count("\n") == 1 and text in err
    assert not (tmp_path / "data").exists()


def test_avatars_alone_are_refused_where_photos_and_drawings_are_needed(avatars, tmp_path):
    prepare_avatars(avatars, tmp_path / "data")
    with pytest.raises(InputError, match="expected photos to train on") as raised:
        load_prepared(tmp_path / "data")
    assert_options_exist(str(raised.value))


def test_avatars_beside_photos_and_drawings_do_not_disturb_the_portrait_model(
    faces, avatars, tmp_path
):
    output = tmp_path / "data"
    prepare(faces / "photos", faces / "drawings", output, 64, holdout=0.0, avatars=avatars)
    data = load_prepared(output)
    assert (len(data.photos), len(data.drawings), data.styles) == (2, 2, ["drawn"])


def assert_options_exist(text: str) -> None:
    """Every option and argument that a refusal names is one of the command's."""
    (command,) = re.findall("`portrait prepare([^`]*)`", text)
    known = set(re.findall(r"[\w-]+", HELP.read_text().upper()))
    named = re.findall(r"[\w-]+", command.upper())
    assert named and set(named) <= known


@pytest.mark.parametrize(
    ("with_photos", "with_smooth", "text"),
    [(True, False, "expected photos"), (False, True, "Received: no smooth/avatars/")],
)
def test_refusals_name_options_that_there_are(avatars, tmp_path, with_photos, with_smooth, text):
    prepare_avatars(avatars, tmp_path / "data")
    with pytest.raises(InputError, match=text) as raised:
        load_pictures(tmp_path / "data", with_photos, with_smooth)
    assert_options_exist(str(raised.value))


def test_what_a_line_of_the_manifest_holds(avatars, tmp_path):
    prepare_avatars(avatars, tmp_path / "data")
    row = json.loads((tmp_path / "data" / NAME).read_text().splitlines()[-1])
    del row["stamp"]
    assert row == {
        "file": "avatars/toon/4.png",
        "kind": "avatar",
        "style": "toon",
        "source": "toon/4.png",
        "split": "train",
        "kept": True,
        "reason": None,
        "score": None,
        "landmarks": None,
        "mask": None,
        "scale": None,
        "size": SIZE,
        "style_shares": None,
    }
