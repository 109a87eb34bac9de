"""Shards: packed once, read in any order at bounded memory, refused where they are damaged."""

import gc
import hashlib
import io
import json
import pickle
import shutil
import tarfile
import tracemalloc
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest

from keras_portrait.data.manifest import SMOOTH, Row, read_manifest, row_fields, write_rows
from keras_portrait.data.pictures import PictureBatches, load_pictures
from keras_portrait.data.portraits import PortraitBatches, load_prepared
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.shards import format as shards_format
from keras_portrait.data.shards import order as shards_order
from keras_portrait.data.shards import writer as shards_writer
from keras_portrait.data.shards.format import LIST_NAME, ShardList, index_name, pack_sample
from keras_portrait.data.shards.order import WINDOW, WindowedOrder
from keras_portrait.data.shards.reader import ShardFolder, ShardRows
from keras_portrait.data.shards.writer import FOLDER, Sample, pack_shards, write_shard
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.alignment import ALIGNMENT
from keras_portrait.inference.imaging import encode_image, read_image, write_image
from keras_portrait.recipe import DataSettings, PictureSettings
from keras_portrait.storage import LocalStore

FIXED = PictureSettings(size=64, batch=2, scale=1.0, flip=False)


def write_avatars(folder, count):
    folder.mkdir()
    for number in range(count):
        picture = np.full((64, 64, 3), 10 * number, np.uint8)
        picture[:32] = 255
        write_image(folder / f"{number}.png", picture)
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A prepared folder of 64 px: photos, drawings in two styles, avatars, twins, and shards."""
    folder = tmp_path_factory.mktemp("faces")
    write_drawn_faces(folder, 6)
    drawings = sorted((folder / "drawings").rglob("*.png"))
    for number, path in enumerate(drawings):
        place = folder / "styles" / ("pen", "ink/men", "ink/women")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        shutil.move(path, place / path.name)
    prepare(
        folder / "photos",
        folder / "styles",
        folder / "data",
        size=64,
        holdout=0.0,
        avatars=write_avatars(folder / "avatars", 9),
        edge_promote=True,
        shards=3,
    )
    return folder / "data"


@pytest.fixture
def copied(faces, tmp_path):
    """A copy of its shards alone."""
    return shutil.copytree(faces / FOLDER, tmp_path / "shards")


def avatar_row(number, **fields):
    name = f"avatars/{number}.png"
    row = Row(name, "avatar", None, name, "train", True, None, None, None, None, 32, "")
    return replace(row, **fields)


def write_shards(folder, counts, row=avatar_row, picture=b"no picture", **listed):
    """Writes shards of samples that are numbered through."""
    folder.mkdir()
    shards, number = [], 0
    for place, count in enumerate(counts):
        samples = (Sample(row(n), {"png": picture}) for n in range(number, number + count))
        shards.append(write_shard(folder, f"avatar-train-{place:05d}.tar", samples))
        number += count
    made = ShardList(
        **{"side": 32, "smooth": False, "styles": [], "groups": [], **listed}, shards=shards
    )
    (folder / LIST_NAME).write_bytes(made.encode())
    return folder


def contents(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def as_counter(arrays):
    return Counter(array.tobytes() for array in arrays)


# What is packed


def test_a_shard_is_a_tar_file_that_the_standard_library_reads(faces):
    rows = {row.file: row for row in read_manifest(faces)}
    listed = json.loads((faces / FOLDER / LIST_NAME).read_bytes())
    assert (listed["format"], listed["side"], listed["smooth"]) == (2, 64, True)
    assert listed["alignment"] == ALIGNMENT
    assert listed["styles"] == ["ink", "pen"]
    seen = []
    for shard in listed["shards"]:
        data = (faces / FOLDER / shard["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == shard["sha256"] and len(data) == shard["bytes"]
        index = json.loads((faces / FOLDER / index_name(shard["name"])).read_bytes())
        assert index["shard"]["sha256"] == shard["sha256"]
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar}
            begins = [m.offset for m in tar.getmembers() if m.name.endswith(".json")]
        assert begins == index["offsets"]
        for key in sorted({name.split(".")[0] for name in members}):
            row = json.loads(members[f"{key}.json"])
            assert row == json.loads(json.dumps(row_fields(rows[row["file"]])))
            assert (row["kind"], row["split"]) == (shard["kind"], shard["split"])
            assert members[f"{key}.png"] == (faces / row["file"]).read_bytes()
            if row["mask"]:
                assert members[f"{key}.mask.png"] == (faces / row["mask"]).read_bytes()
            if row["kind"] != "photo":
                twin = faces / SMOOTH / row["file"]
                assert members[f"{key}.smooth.png"] == twin.read_bytes()
            seen.append(row["file"])
    assert sorted(seen) == sorted(row.file for row in rows.values() if row.kept)


def test_a_second_run_packs_what_has_changed(tmp_path):
    avatars, data = write_avatars(tmp_path / "avatars", 12), tmp_path / "data"

    def run(**options):
        prepare(None, None, data, 32, 0.0, avatars=avatars, **options)
        return contents(data / FOLDER) if (data / FOLDER).exists() else {}

    first = run(shards=4)
    again = run(shards=4)
    assert {n: t for n, t in first.items() if n != LIST_NAME} == {
        n: t for n, t in again.items() if n != LIST_NAME
    }
    write_image(avatars / "more.png", np.full((64, 64, 3), 7, np.uint8))
    changed = {name for name, time in run(shards=4).items() if again.get(name) != time}
    assert len([name for name in changed if name.endswith(".tar")]) == 1
    rows = ShardFolder(data / FOLDER).rows("avatar", held=False)
    assert sum(shard.records for shard in rows.shards) == len(rows) == 13
    fewer = run(shards=1)
    assert sorted(fewer) == ["avatar-train-00000.json", "avatar-train-00000.tar", LIST_NAME]
    (data / FOLDER / "mine.txt").write_text("kept")
    assert list(run()) == ["mine.txt"]


def test_packing_that_is_broken_off_goes_on(tmp_path, monkeypatch):
    avatars, data = write_avatars(tmp_path / "avatars", 12), tmp_path / "data"
    written, write = [], shards_writer.write_shard

    def break_off(folder, name, samples, contents):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(name)
        return write(folder, name, samples, contents)

    with monkeypatch.context() as patch:
        patch.setattr(shards_writer, "write_shard", break_off)
        with pytest.raises(KeyboardInterrupt):
            prepare(None, None, data, 32, 0.0, avatars=avatars, shards=4)
    with pytest.raises(InputError, match="No shards.json there. Expected a whole folder"):
        load_pictures(data / FOLDER, with_photos=False)
    before = contents(data / FOLDER)
    prepare(None, None, data, 32, 0.0, avatars=avatars, shards=4)
    after = contents(data / FOLDER)
    assert before == {name: after[name] for name in before}
    assert len(load_pictures(data / FOLDER, with_photos=False).pictures) == 12


@pytest.mark.parametrize("count", [0, -1, 100_001])
def test_numbers_of_shards_that_cannot_be_made(tmp_path, count):
    with pytest.raises(SettingError, match=f"from 1 to 100000. Received: {count}"):
        prepare(None, None, tmp_path / "data", avatars=tmp_path, shards=count)
    assert not (tmp_path / "data").exists()


def test_a_dry_run_packs_nothing(tmp_path):
    avatars = write_avatars(tmp_path / "avatars", 2)
    prepare(None, None, tmp_path / "data", 32, 0.0, avatars=avatars, shards=1, dry_run=True)
    assert not (tmp_path / "data").exists()


def test_a_picture_that_is_gone_is_named(faces, tmp_path):
    data = shutil.copytree(faces, tmp_path / "data")
    (data / "avatars" / "3.png").unlink()
    with pytest.raises(InputError, match=r"Cannot read the picture .*avatars/3\.png"):
        pack_shards(data, read_manifest(data), 3, smooth=True)


@pytest.mark.parametrize("shares", [{"ink": 0.5, "pen": "0.5"}, {"ink": None}, [0.5, 0.5], 1])
def test_shares_of_styles_that_are_none_are_named(tmp_path, shares):
    row = replace(avatar_row(0, kind="drawing"), style_shares=shares)
    with pytest.raises(InputError, match=r"manifest\.jsonl: .*Received: .* for avatars/0\.png"):
        pack_shards(tmp_path, [row], 1, smooth=False)


# What is read


def test_a_pass_over_shards_holds_what_the_loose_pictures_hold(faces):
    seen = []
    for place in (faces, faces / FOLDER):
        data = load_pictures(place, with_photos=True, with_smooth=True)
        sets = {"a": ("", data.photos), "b": ("", data.pictures), "e": (SMOOTH, data.pictures)}
        settings = replace(FIXED, batch=1)
        batches = PictureBatches(data, settings, 3, sets, landmarks="a")
        assert [len(rows) for rows in data.sets] == [6, 9, 0, 0]
        photos = [batches.batch(step) for step in range(6)]
        assert len(as_counter(batch["a"] for batch in photos)) == 6
        joined = [np.concatenate([b["a"].ravel(), b["landmarks"].ravel()]) for b in photos]
        others = [batches.batch(step) for step in range(9)]
        seen.append([as_counter(joined), *(as_counter(b[n] for b in others) for n in "be")])
    assert seen[0] == seen[1]


def test_portraits_in_shards_are_the_loose_ones(faces):
    loose, packed = load_prepared(faces), load_prepared(faces / FOLDER)
    assert packed.styles == loose.styles == ["ink", "pen"]
    settings = DataSettings(64, 1, scale=1.0, flip=False)
    found = []
    for data in (loose, packed):
        batches = PortraitBatches(data, settings, 1, lines=True)
        assert [[len(group) for group in style] for style in batches.groups] == [[2, 2], [2]]
        made = [batches.batch(step) for step in range(6)]
        names = ["photo", *(name for name in made[0] if name.startswith("photo_"))]
        assert as_counter(batch["photo"] for batch in made).total() == 6
        photos = as_counter(np.concatenate([b[n] for n in names], -1) for b in made)
        names = ["drawing", "style", *(n for n in made[0] if n.startswith("drawing_"))]
        many = [batches.batch(step) for step in range(60)]
        drawings = {b"".join(batch[name].tobytes() for name in names) for batch in many}
        assert len(drawings) == 6
        found.append((photos, drawings))
    assert found[0] == found[1]


def test_a_batch_is_a_function_of_seed_and_step(faces):
    def batches(seed=5):
        return PortraitBatches(load_prepared(faces / FOLDER), DataSettings(64, 2), seed)

    first = batches()
    late = first.batch(7)
    first.batch(0)
    others = [first.batch(7), batches().batch(7), pickle.loads(pickle.dumps(first)).batch(7)]
    for other in others:
        for name, array in late.items():
            np.testing.assert_array_equal(array, other[name])
    assert np.any(batches(6).batch(7)["photo"] != late["photo"])


def parts_of(places, counts):
    """A pass, cut wherever all shards that were begun are at their end; the shards of each part."""
    left, begun, parts = list(counts), set(), []
    for shard, _ in places:
        begun.add(shard)
        left[shard] -= 1
        if not any(left[each] for each in begun):
            parts.append(begun)
            begun = set()
    return parts


def test_the_order_holds_each_sample_once_a_pass_and_few_shards_at_a_time():
    counts = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4]
    order, total = WindowedOrder(counts), sum(counts)
    places = [order.place(3, number, 1) for number in range(3 * total)]
    assert all(0 <= sample < counts[shard] for shard, sample in places)
    passes = [places[turn * total : (turn + 1) * total] for turn in range(3)]
    for one in passes:
        assert len(set(one)) == total
        sizes = [len(part) for part in parts_of(one, counts)]
        assert sum(sizes) == len(counts) and WINDOW / 2 < max(sizes) <= WINDOW
    assert passes[0] != passes[1] != passes[2]
    assert places != [order.place(4, number, 1) for number in range(3 * total)]
    assert places != [order.place(3, number, 2) for number in range(3 * total)]
    assert places[50] == WindowedOrder(counts).place(3, 50, 1)


def test_a_pass_opens_every_shard_once(tmp_path):
    rows = ShardFolder(write_shards(tmp_path / "s", [5] * 40)).rows("avatar", held=False)
    names = Counter(rows.shuffled(0, number, 1).file for number in range(200))
    assert len(names) == 200 and set(names.values()) == {1}
    assert rows.reads == 40


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(shards_order, "WINDOW", 2)

    def kept(shards):
        """What a pass leaves in memory and takes at the most, in bytes."""
        folder = write_shards(tmp_path / str(shards), [100] * shards)
        listed = ShardFolder(folder).list
        tracemalloc.start()
        try:
            rows = ShardRows(LocalStore(folder), listed, listed.shards, most_open=4)
            files = {rows.shuffled(0, number, 1).file for number in range(len(rows))}
            assert len(files) == 100 * shards
            del files
            gc.collect()
            return tracemalloc.get_traced_memory()[0], rows
        finally:
            tracemalloc.stop()

    kept(4)  # what is imported and cached at first
    (few, rows), (many, _) = kept(8), kept(32)
    samples = 24 * 100
    assert (many - few) / samples < 4  # one list entry would take 8 bytes
    index = shards_format.read_index(LocalStore(tmp_path / "8"), rows.shards[0], 0)
    assert sum(array.nbytes for array in vars(index).values()) == 16 * 100


def test_rows_are_a_sequence(faces):
    rows = ShardFolder(faces / FOLDER).rows("avatar", held=False)
    files = [row.file for row in rows]
    assert sorted(files) == [f"avatars/{number}.png" for number in range(9)]
    assert rows[-1].file == files[-1]
    with pytest.raises(IndexError):
        rows[9]
    picture = rows[4].read(faces, rows[4].file)
    np.testing.assert_array_equal(picture, read_image(faces / files[4]))


# What is refused


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def read_all(folder):
    return [row.read(folder, row.file) for row in load_pictures(folder, False).pictures]


@pytest.mark.parametrize("name", ["avatar-train-00001.tar", "avatar-train-00001.json"])
def test_a_damaged_shard_or_index_is_named(copied, name):
    damage(copied / name)
    with pytest.raises(InputError, match=f"not the one that shards.json names.*{name}"):
        read_all(copied)


def test_an_index_that_points_out_of_its_shard_is_refused(tmp_path):
    folder = write_shards(tmp_path / "shards", [3])
    listed = json.loads((folder / LIST_NAME).read_bytes())
    [shard] = listed["shards"]
    path = folder / index_name(shard["name"])
    index = json.loads(path.read_bytes())
    for offset in (shard["bytes"], 2**64 - index["lengths"][1], 2**64, -1):
        path.write_text(json.dumps({**index, "offsets": [0, offset, 0]}))
        shard["index_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        (folder / LIST_NAME).write_text(json.dumps(listed))
        with pytest.raises(InputError, match="no index of its shard"):
            ShardFolder(folder).rows("avatar", held=False)[1]


def test_a_missing_or_short_shard_is_named_before_anything_is_read(copied):
    path = copied / "avatar-train-00001.tar"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"Expected a shard of \d+ bytes. Received: \d+ bytes, "):
        load_pictures(copied, False)
    path.unlink()
    with pytest.raises(InputError, match=r"Received: no such file, .*avatar-train-00001\.tar"):
        load_pictures(copied, False)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": 3}, "another format. Expected 1 or 2;.*Received: 3"),
        ({"alignment": 3}, "no list of shards"),
        ({"alignment": True}, "no list of shards"),
        ({"shards": [{"name": "../../secret.tar"}]}, "no list of shards"),
        ({"side": "64"}, "no list of shards"),
        ({"groups": [["unknown", ""]]}, "no list of shards"),
        ({"groups": 3}, "no list of shards"),
        ({"groups": []}, "no list of shards"),
    ],
)
def test_a_false_list_is_refused(copied, change, text):
    listed = json.loads((copied / LIST_NAME).read_bytes())
    (copied / LIST_NAME).write_text(json.dumps(listed | change))
    with pytest.raises(InputError, match=text):
        load_pictures(copied, False)


@pytest.mark.parametrize("field, value", [("name", "../../x.tar"), ("records", 0), ("bytes", "9")])
def test_a_false_shard_in_the_list_is_refused(copied, field, value):
    listed = json.loads((copied / LIST_NAME).read_bytes())
    listed["shards"][0][field] = value
    (copied / LIST_NAME).write_text(json.dumps(listed))
    with pytest.raises(InputError, match="no list of shards"):
        load_pictures(copied, False)


@pytest.mark.parametrize("data", [b"", b"[]", b"[" * 100_000, b"\xff"])
def test_what_is_no_list_is_refused(copied, data):
    (copied / LIST_NAME).write_bytes(data)
    with pytest.raises(InputError, match=r"Not JSON of a folder of shards.*shards\.json"):
        load_pictures(copied, False)


def member(name, kind=tarfile.REGTYPE, size=0, data=b""):
    header = tarfile.TarInfo(name)
    header.type, header.size, header.linkname = (
        kind,
        size,
        "/etc/passwd" * (kind != tarfile.REGTYPE),
    )
    return header.tobuf(tarfile.USTAR_FORMAT) + data


@pytest.mark.parametrize(
    "sample",
    [
        member("key.png", tarfile.SYMTYPE),
        member("key.png", tarfile.LNKTYPE),
        member("key.png", tarfile.CHRTYPE),
        member("key.png", tarfile.DIRTYPE),
        member("key.png", tarfile.GNUTYPE_SPARSE),
        member("../../key.png"),
        member("/key.png"),
        member("key.exe"),
        member("key.png", size=10**9),
        member("key.png") + member("key.png"),
        member("key.json") + member("other.png"),
        member("key.png") + bytes(512),
        b"no tar at all" * 100,
        pack_sample("key", {"png": b"x"}),
        pack_sample("key", {"json": b"{}", "png": b"x"}),
        pack_sample("key", {"json": b"[" * 100_000, "png": b"x"}),
        pack_sample("key", {"json": json.dumps(asdict(avatar_row(0, kind="photo"))).encode()}),
        pack_sample("key", {"json": json.dumps(asdict(avatar_row(0, size="3"))).encode()}),
        pack_sample("key", {"json": json.dumps(asdict(avatar_row(0, landmarks=[[1]]))).encode()}),
    ],
)
def test_a_sample_that_is_none_is_refused(tmp_path, monkeypatch, sample):
    monkeypatch.setattr(shards_writer, "pack_sample", lambda key, parts: sample)
    rows = ShardFolder(write_shards(tmp_path / "s", [2])).rows("avatar", held=False)
    with pytest.raises(InputError, match=r"avatar-train-00000\.tar.*Received: ") as caught:
        rows[1]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"file": "../../evil.png"},
        {"file": "/evil.png"},
        {"mask": "../evil.png"},
        {"file": ""},
        {"kept": False, "file": None},
        {"style": ["pen"]},
    ],
)
def test_no_row_leads_out_or_is_of_another_form(tmp_path, fields):
    folder = write_shards(tmp_path / "s", [1], lambda number: avatar_row(number, **fields))
    with pytest.raises(InputError, match="expected samples with their rows"):
        ShardFolder(folder).rows("avatar", held=False)[0]


def test_a_broken_picture_is_named_with_its_shard(tmp_path):
    folder = write_shards(tmp_path / "s", [1])
    with pytest.raises(InputError, match=r"avatars/0\.png in .*avatar-train-00000\.tar"):
        read_all(folder)
    row = load_pictures(folder, False).pictures[0]
    with pytest.raises(InputError, match=r"every picture of a sample. Received: no masks/x\.png"):
        row.read(folder, "masks/x.png")


def test_shards_that_lack_what_is_needed_are_refused(tmp_path, faces):
    picture = encode_image(np.zeros((32, 32, 3), np.uint8))
    folder = write_shards(tmp_path / "s", [2], picture=picture)
    with pytest.raises(InputError, match="--edge-promote --shards N` makes what is missing"):
        load_pictures(folder, with_photos=False, with_smooth=True)
    with pytest.raises(InputError, match="expected photos to train on"):
        load_pictures(folder, with_photos=True)
    with pytest.raises(InputError, match="expected photos to train on"):
        load_prepared(folder)
    data = shutil.copytree(faces, tmp_path / "data")
    rows = [
        replace(row, style=None) if row.kind == "drawing" and "men" in row.source else row
        for row in read_manifest(data)
    ]
    write_rows(data, [replace(r, style="pen") if r.style == "ink" else r for r in rows])
    pack_shards(data, read_manifest(data), 2, smooth=True)
    load_prepared(data / FOLDER)  # one style: every drawing has it
    write_rows(data, rows[:-9] + [replace(rows[-10], kind="drawing", style="ink")])
    pack_shards(data, read_manifest(data), 2, smooth=False)
    with pytest.raises(InputError, match="when every drawing had a style. Received: 4 untagged"):
        load_prepared(data / FOLDER)
