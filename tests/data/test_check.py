import json
import shutil
import weakref

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare import check as module
from keras_portrait.data.prepare import duplicates
from keras_portrait.data.prepare.check import check_prepared
from keras_portrait.data.prepare.duplicates import HASH_BITS, SquareIndex, nearest, picture_hash
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.shards.writer import pack_shards
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import encode_image, read_image, write_image

SIZE = 128


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared folder with four photos and four drawings, a test picture of each among them."""
    folder = tmp_path_factory.mktemp("prepared")
    # With this seed no two of the invented faces are alike.
    write_drawn_faces(folder, 4, seed=36)
    prepare(folder / "photos", folder / "drawings", folder / "data", SIZE, holdout=0.5)
    return folder / "data"


@pytest.fixture
def data(prepared, tmp_path, monkeypatch):
    """A copy of it, to be spoiled at will; four drawings are enough for a style."""
    monkeypatch.setattr(module, "FEW_DRAWINGS", 4)
    return shutil.copytree(prepared, tmp_path / "data")


def rows_of(data) -> list[dict]:
    return [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()]


def write_rows(data, rows) -> None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (data / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines))


def change(data, index: int, **values) -> dict:
    """Changes a row; photos come first. Returns the row as it was."""
    rows = rows_of(data)
    before = dict(rows[index])
    rows[index] |= values
    write_rows(data, rows)
    return before


def findings(data) -> dict[str, tuple]:
    """What is wrong and the files concerned."""
    return {finding.what: finding.files for finding in check_prepared(data)}


def contents(folder) -> dict:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_nothing_is_wrong_and_nothing_is_changed(data):
    before, seen = contents(data), []
    assert check_prepared(data, progress=lambda *call: seen.append(call)) == []
    assert contents(data) == before
    assert seen == [(row, number, 8) for number, row in enumerate(read_manifest(data), start=1)]


def test_a_manifest_that_is_not_there(tmp_path):
    (tmp_path / "photos").mkdir()
    (finding,) = check_prepared(tmp_path)
    assert finding.serious and "no manifest.jsonl" in finding.what and finding.remedy
    (tmp_path / "manifest.jsonl").mkdir()
    assert check_prepared(tmp_path)[0].serious


def test_shards_are_refused(data, portrait):
    pack_shards(data, read_manifest(data), 1, smooth=False)
    code, out, err = portrait("prepare", "--check", data / "shards")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "--check needs the loose pictures" in err and f"shards, {data / 'shards'}" in err


@pytest.mark.parametrize("name", ["missing", "file"])
def test_no_such_folder(tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=f"No such folder.*Received: .*{name}"):
        check_prepared(tmp_path / name)


def test_an_empty_manifest_says_that_nothing_is_there(tmp_path):
    (tmp_path / "manifest.jsonl").touch()
    found = check_prepared(tmp_path)
    assert [finding.serious for finding in found] == [True, True, False, False]
    assert all("split" in finding.what for finding in found)


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "",
        "5",
        '{"a": 1}',
        {"kind": "film"},
        {"split": "later"},
        {"size": "128"},
        {"file": None},
        {"file": ""},
        {"mask": 7},
        {"file": "../elsewhere.png"},
        {"file": "/elsewhere.png"},
        {"style": ["a"]},
        {"kept": 1},
    ],
)
@pytest.mark.parametrize("place", [2, 7])
def test_broken_lines_are_numbered(data, line, place):
    rows = rows_of(data)
    rows[place] = rows[place] | line if isinstance(line, dict) else line
    write_rows(data, rows)
    found = findings(data)
    assert found["lines of manifest.jsonl that are no rows"] == (f"line {place + 1}",)
    # Whether the files of that line are left over cannot be known.
    assert not any("does not name" in what for what in found)


def test_lines_that_are_no_text(data):
    with (data / "manifest.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\n" + b"[" * 100_000)
    assert findings(data)["lines of manifest.jsonl that are no rows"] == ("line 9", "line 10")


def test_missing_files(data):
    row = rows_of(data)[0]
    (data / row["file"]).unlink()
    (data / row["mask"]).unlink()
    (data / row["mask"]).mkdir()
    found = findings(data)
    assert found == {"pictures missing": (row["file"],), "masks missing": (row["mask"],)}


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[: len(whole) // 2]])
def test_damaged_files(data, damage):
    names = (rows_of(data)[5]["mask"], rows_of(data)[5]["file"])
    for name in names:
        (data / name).write_bytes(damage((data / name).read_bytes()))
    assert findings(data) == {"pictures or masks that cannot be read": names}


def test_wrong_sizes(data):
    rows = rows_of(data)
    for name in (rows[1]["file"], rows[2]["mask"]):
        picture = read_image(data / name)
        write_image(data / name, picture[:, :-4])
    assert findings(data) == {
        "pictures or masks of another size than their row says": (rows[1]["file"], rows[2]["mask"])
    }


def test_mixed_sizes(data):
    row = change(data, 3, size=64)
    for name in (row["file"], row["mask"]):
        write_image(data / name, read_image(data / name)[::2, ::2])
    assert findings(data) == {"pictures of another size than most": (row["file"],)}


def test_wrong_channels(data):
    rows = rows_of(data)
    empty, gray, black = (rows[index]["mask"] for index in (0, 1, 4))
    mask = read_image(data / empty)
    mask[..., 1] = 0
    write_image(data / empty, mask)
    write_image(data / gray, read_image(data / gray).max(axis=2))
    write_image(data / black, np.zeros((SIZE, SIZE), np.uint8))
    drawing = rows[5]["file"]
    picture = read_image(data / drawing)
    picture[..., 0] = 255
    write_image(data / drawing, picture)
    assert findings(data) == {
        "masks without eyes, nose or lips": (empty, black),
        "masks in gray instead of RGB": (gray,),
        "drawings in colour instead of gray": (drawing,),
    }


def copied(data, row: dict, name: str, picture: np.ndarray, **values) -> dict:
    """Adds a picture with the mask of another; returns its row."""
    folder = row["file"].rsplit("/", 1)[0]
    new = row | {"file": f"{folder}/{name}.png", "mask": f"masks/{folder}/{name}.png"} | values
    write_image(data / new["file"], picture)
    shutil.copy(data / row["mask"], data / new["mask"])
    write_rows(data, [*rows_of(data), new])
    return new


def saved_again(picture: np.ndarray) -> np.ndarray:
    """Smaller, a little turned, lighter, and through a strong JPEG compression."""
    turn = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), 1.0, 1.01)
    picture = cv2.warpAffine(picture, turn, (SIZE, SIZE), borderValue=(255, 255, 255))
    small = cv2.resize(picture, (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
    light = np.rint(255 - 0.9 * (255.0 - small)).astype(np.uint8)
    return cv2.resize(read_image(encode_jpeg(light)), (SIZE, SIZE))


def encode_jpeg(picture: np.ndarray) -> bytes:
    return encode_image(picture, ".jpg")


@pytest.mark.parametrize("kind", ["photo", "drawing"])
def test_duplicates_between_the_splits_are_serious(data, kind):
    row = next(row for row in rows_of(data) if (row["kind"], row["split"]) == (kind, "train"))
    picture = read_image(data / row["file"])
    same = copied(data, row, "same", picture, split="test")["file"]
    # Saved by another program the file differs, the picture does not.
    Image.open(data / same).save(data / same, compress_level=1)
    again = saved_again(picture)
    if kind == "drawing":
        again = again[..., 0]
    near = copied(data, row, "near", again, split="test")["file"]
    found = check_prepared(data)
    serious = {finding.what: finding.files for finding in found if finding.serious}
    assert serious == {
        "test pictures that are training pictures too": (f"{same} = {row['file']}",),
        "test pictures nearly the same as a training picture": (f"{near} = {row['file']}",),
    }
    (remark,) = [finding for finding in found if not finding.serious]
    assert remark.what == "pictures nearly the same as another of their split"
    assert remark.files == (f"{near} = {same}",)


def test_duplicates_within_a_split_are_a_remark(data):
    row = next(row for row in rows_of(data) if row["kind"] == "photo")
    picture = read_image(data / row["file"])
    same = [copied(data, row, f"same-{number}", picture)["file"] for number in range(3)]
    near = copied(data, row, "near", saved_again(picture))["file"]
    found = check_prepared(data)
    assert not any(finding.serious for finding in found)
    assert {finding.what: finding.files for finding in found} == {
        "pictures that are there twice in one split": tuple(f"{n} = {row['file']}" for n in same),
        "pictures nearly the same as another of their split": (f"{near} = {row['file']}",),
    }


def test_photos_and_drawings_are_not_compared():
    index, picture = SquareIndex(), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    index.add("photos/a.png", "photo", "train", picture)
    index.add("drawings/a.png", "drawing", "test", picture)
    assert not any(index.duplicates().values())


def test_nearest_finds_what_a_plain_search_finds(monkeypatch):
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (40, HASH_BITS // 8), np.uint8)
    hashes[[9, 21, 39]] = hashes[[2, 20, 2]]
    hashes[39, 0] ^= 0b111
    among = rng.integers(0, 256, (30, HASH_BITS // 8), np.uint8)
    among[29] = hashes[5]
    distance = np.unpackbits(hashes[:, None] ^ among, axis=2).sum(axis=2)
    for most in (0, 240, HASH_BITS):
        expected = np.where(distance.min(axis=1) <= most, distance.argmin(axis=1), -1)
        assert (nearest(hashes, most, among) == expected).all()
    before = nearest(hashes, 8)
    assert before[[9, 21, 39]].tolist() == [2, 20, 2] and (before >= 0).sum() == 3
    none = hashes[:0]
    assert nearest(none, 8).size == nearest(none, 8, among).size == 0
    assert (nearest(hashes, 8, none) == -1).all()


def test_the_hash_holds_at_other_sizes():
    rng = np.random.default_rng(0)
    large = cv2.resize(rng.integers(0, 256, (12, 12, 3), np.uint8), (512, 512))
    bits = [
        np.unpackbits(picture_hash(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)))
        for size in (512, 256, 64, 32)
    ]
    assert all(len(hash_bits) == HASH_BITS for hash_bits in bits)
    assert max((hash_bits != bits[0]).sum() for hash_bits in bits) <= 32


def test_drawings_without_a_face(data):
    row = rows_of(data)[6]
    picture = np.full((SIZE, SIZE), 255, np.uint8)
    picture[30:90:6] = 0
    write_image(data / row["file"], picture)
    (finding,) = check_prepared(data)
    assert not finding.serious and finding.what == "drawings in whose square no face is found"
    assert finding.files == (row["file"],)


def test_drawings_that_were_dropped_without_a_face(data):
    row = rows_of(data)[6]
    none = {"file": None, "mask": None, "kept": False, "score": None, "landmarks": None}
    dropped = [
        row | none | {"source": f"drawn/{number}.png", "reason": "no face found"}
        for number in range(2)
    ]
    other = row | none | {"source": "drawn/x.png", "reason": "too tonal"}
    write_rows(data, [*rows_of(data), *dropped, other])
    (finding,) = check_prepared(data)
    assert not finding.serious and finding.files == ("drawn/0.png", "drawn/1.png")
    assert finding.what == "drawings left out because no face was found"


def tag(data, *styles) -> list[str]:
    """Changes the styles of the drawings, the first ones first; returns the names of the files."""
    rows = rows_of(data)
    for row, style in zip(rows[4:], styles, strict=False):
        row["style"] = style
    write_rows(data, rows)
    return [row["file"] for row in rows[4:]]


@pytest.mark.parametrize("styles", [("ink", None, "pen", ""), (None, None, None, None)])
def test_drawings_without_a_style(data, monkeypatch, styles):
    monkeypatch.setattr(module, "FEW_DRAWINGS", 1)
    names = tag(data, *styles)
    found = {finding.what: finding for finding in check_prepared(data)}
    finding = found["drawings without a style"]
    untagged = [name for name, style in zip(names, styles, strict=True) if not style]
    assert finding.serious and finding.files == tuple(untagged)


def test_drawings_without_a_style_count_to_the_only_one(data):
    names = tag(data, None, None)
    (finding,) = check_prepared(data)
    assert not finding.serious and finding.what.startswith("drawings without a style; they count")
    assert finding.files == tuple(names[:2])


def test_shares_of_styles_are_as_good_as_a_style(data, monkeypatch):
    monkeypatch.setattr(module, "FEW_DRAWINGS", 2)
    tag(data, "ink", None, "pen", None)
    rows = rows_of(data)
    for place, shares in ((5, {"ink": 0.9, "pen": 0.1}), (7, {"ink": 0.4, "pen": 0.6})):
        rows[place] |= {"style_shares": shares}
    write_rows(data, [row | {"split": "train"} for row in rows])
    assert all("in the test split" in what for what in findings(data))
    rows[7]["style_shares"] = {"ink": 1.0}
    write_rows(data, rows)
    assert any(what.startswith('few drawings of the style "pen": 1') for what in findings(data))


@pytest.mark.parametrize("shares", [5, ["ink"], {"ink": "all"}])
def test_shares_that_are_none(data, shares):
    change(data, 6, style_shares=shares)
    assert findings(data)["lines of manifest.jsonl that are no rows"] == ("line 7",)


def test_few_drawings_of_a_style(data, monkeypatch):
    monkeypatch.setattr(module, "FEW_DRAWINGS", 5)
    (finding,) = check_prepared(data)
    assert not finding.serious and finding.what.startswith('few drawings of the style "drawn": 4')


def test_empty_splits(data):
    rows = rows_of(data)
    write_rows(data, [row | {"split": "train"} for row in rows])
    found = check_prepared(data)
    assert [finding.what.split(":")[0] for finding in found] == [
        "no photos in the test split",
        "no drawings in the test split",
    ]
    assert not any(finding.serious for finding in found)
    write_rows(data, [row | {"split": "test"} for row in rows])
    assert [finding.what.split(":")[0] for finding in check_prepared(data)] == [
        "no photos in the train split",
        "no drawings in the train split",
        'no drawings of the style "drawn" in the train split',
    ]


def test_files_that_no_line_names(data):
    (data / "photos" / "mine.jpg").write_text("mine")
    (data / "masks" / "photos" / ".part-17-0000.png").write_text("cut")
    (data / "photos" / ".DS_Store").write_text("of the system")
    (data / "notes.txt").write_text("elsewhere")
    rows = rows_of(data)
    write_rows(data, rows[:3] + rows[4:])
    (finding,) = check_prepared(data)
    left = {"photos/mine.jpg", "masks/photos/.part-17-0000.png", rows[3]["file"], rows[3]["mask"]}
    assert set(finding.files) == left and not finding.serious


def test_a_picture_named_twice(data):
    row = rows_of(data)[0]
    write_rows(data, [*rows_of(data), row])
    assert findings(data) == {
        "pictures named by more than one line of manifest.jsonl": (row["file"],)
    }


def test_what_is_named_as_the_remedy_mends(prepared, data):
    rows = rows_of(data)
    inputs = prepared.parent / "photos", prepared.parent / "drawings"
    whole = {path.relative_to(data): path.read_bytes() for path in data.rglob("*.png")}
    (data / rows[0]["file"]).unlink()
    (data / rows[1]["mask"]).unlink()
    write_image(data / rows[2]["file"], np.zeros((9, 9), np.uint8))
    (data / rows[4]["mask"]).write_bytes(b"broken")
    rows[5] = "no row"
    write_rows(data, rows)
    for finding in check_prepared(data):
        if finding.remedy.startswith("delete these files"):
            for name in finding.files:
                (data / name).unlink()
    write_rows(data, rows[:5] + rows[6:])
    prepare(*inputs, data, SIZE, holdout=0.5)
    assert check_prepared(data) == []
    assert {path.relative_to(data): path.read_bytes() for path in data.rglob("*.png")} == whole


def test_memory_holds_one_picture_at_a_time(data, monkeypatch):
    alive, references = [], []

    def watched(path):
        picture = read_image(path)
        alive.append(sum(reference() is not None for reference in references))
        references.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr(module, "read_image", watched)
    check_prepared(data)
    assert len(alive) == 16 and max(alive) == 0


def test_the_command_has_nothing_to_mend(data, portrait):
    code, out, err = portrait("prepare", "--check", data)
    assert (code, err) == (0, "")
    assert out == f"{data}: 4 photos, 4 drawings in 1 style, nothing to mend\n"


def test_the_command_makes_remarks(data, portrait):
    for number in range(7):
        (data / "photos" / f"mine-{number}.png").write_text("mine")
    code, out, _ = portrait("prepare", "--check", data)
    lines = out.splitlines()
    assert code == 0 and len(lines) == 9
    assert lines[0] == "remark: files that manifest.jsonl does not name: 7"
    assert lines[1] == "    photos/mine-0.png" and lines[6] == "    and 2 more"
    assert lines[7].startswith("  mend: delete them")
    assert lines[8] == f"{data}: 4 photos, 4 drawings in 1 style, 1 remark"


def test_the_command_ends_with_1_where_it_is_serious(data, portrait):
    row = rows_of(data)[0]
    (data / row["file"]).unlink()
    (data / "photos" / "line\nbreak\x1b[2J.png").write_text("odd")
    code, out, err = portrait("prepare", "--check", data)
    assert code == 1 and err == ""
    lines = out.splitlines()
    assert lines[:2] == ["serious: pictures missing: 1", f"    {row['file']}"]
    assert "    photos/line?break?[2J.png" in lines
    assert lines[-1] == f"{data}: 1 serious, 1 remark"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--check", "missing"], "No such folder"),
        (["--check", "data", "photos"], "Received: PHOTOS too"),
        (["--check", "data", "photos", "drawings", "-o", "x"], "PHOTOS, DRAWINGS, -o too"),
        ([], "Received: no PHOTOS, no DRAWINGS, no -o"),
        (["-o", "x"], "Received: no PHOTOS, no DRAWINGS, no --avatars"),
        (["photos", "drawings"], "Received: no -o"),
    ],
)
def test_user_errors(portrait, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    code, out, err = portrait("prepare", *arguments)
    assert code == 2 and out == ""
    assert len(err.splitlines()) == 1 and text in err and "Received: " in err


@pytest.fixture
def avatar_data(tmp_path):
    """A prepared folder of twelve avatars with their twins, half of them test pictures."""
    rng = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "avatars" / ("manga", "toon")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((8, 8, 1))).astype("u1"))
    options = {"avatars": tmp_path / "avatars", "holdout": 0.5, "edge_promote": True}
    prepare(None, None, tmp_path / "data", 32, **options)
    return tmp_path / "data"


def test_nothing_is_wrong_with_avatars(avatar_data, portrait):
    before = contents(avatar_data)
    code, out, err = portrait("prepare", "--check", avatar_data)
    assert (code, err) == (0, "") and contents(avatar_data) == before
    assert out == f"{avatar_data}: 12 avatars in 2 labels, nothing to mend\n"


def test_avatars_and_twins_that_are_missing_or_damaged(avatar_data):
    rows = [row["file"] for row in rows_of(avatar_data)]
    twins = [f"smooth/{file}" for file in rows]
    (avatar_data / rows[0]).unlink()
    (avatar_data / twins[1]).unlink()
    (avatar_data / twins[2]).write_bytes(b"broken")
    write_image(avatar_data / twins[3], np.zeros((8, 8, 3), np.uint8))
    shutil.copy(avatar_data / twins[4], avatar_data / "smooth" / "avatars" / "mine.png")
    found = {finding.what: finding for finding in check_prepared(avatar_data)}
    assert {what: finding.files for what, finding in found.items()} == {
        "pictures missing": (rows[0],),
        "edge-promoted twins missing": (twins[1],),
        "pictures or masks that cannot be read": (twins[2],),
        "pictures or masks of another size than their row says": (twins[3],),
        "files that manifest.jsonl does not name": ("smooth/avatars/mine.png",),
    }
    assert "--edge-promote" in found["edge-promoted twins missing"].remedy


def test_twins_are_not_missed_where_none_were_asked_for(avatar_data):
    inputs = avatar_data.parent / "avatars"
    shutil.copytree(avatar_data / "smooth", avatar_data.parent / "smooth")
    prepare(None, None, avatar_data, 32, holdout=0.5, avatars=inputs)
    assert check_prepared(avatar_data) == []
    shutil.copytree(avatar_data.parent / "smooth", avatar_data / "smooth", dirs_exist_ok=True)
    (finding,) = check_prepared(avatar_data)
    assert "does not name" in finding.what and len(finding.files) == 12


def test_equal_avatars_are_found_and_alike_ones_are_not_looked_for(avatar_data, monkeypatch):
    """There may be 100,000 of them: only what takes a time in proportion to their number."""
    rows = rows_of(avatar_data)
    train, test = ([row for row in rows if row["split"] == split] for split in ("train", "test"))
    shutil.copy(avatar_data / train[0]["file"], avatar_data / test[0]["file"])
    shutil.copy(avatar_data / train[1]["file"], avatar_data / train[2]["file"])
    alike = read_image(avatar_data / train[3]["file"])
    alike[0, 0] ^= 1
    write_image(avatar_data / test[1]["file"], alike)
    compared = []
    monkeypatch.setattr(duplicates, "picture_hash", compared.append)
    found = check_prepared(avatar_data)
    assert {finding.what: (finding.serious, finding.files) for finding in found} == {
        "test pictures that are training pictures too": (
            True,
            (f"{test[0]['file']} = {train[0]['file']}",),
        ),
        "pictures that are there twice in one split": (
            False,
            (f"{train[2]['file']} = {train[1]['file']}",),
        ),
    }
    assert compared == []


@pytest.mark.parametrize(
    "change_to", [{"mask": "masks/avatars/x.png"}, {"file": None}, {"style": 3}]
)
def test_broken_lines_of_avatars(avatar_data, change_to):
    change(avatar_data, 4, **change_to)
    assert findings(avatar_data)["lines of manifest.jsonl that are no rows"] == ("line 5",)


def test_splits_without_avatars(avatar_data):
    rows = rows_of(avatar_data)
    write_rows(avatar_data, [row | {"split": "test"} for row in rows])
    (finding,) = check_prepared(avatar_data)
    assert finding.serious and finding.what.startswith("no avatars in the train split")
