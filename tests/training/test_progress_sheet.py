"""The progress sheet: which epochs, which rows, and what cannot be read."""

import json

import numpy as np
import pytest

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import grid, read_image, write_image
from keras_portrait.training.callbacks import SampleGrid
from keras_portrait.training.run_page import write_progress_sheet
from keras_portrait.training.run_page.progress_sheet import newest_grid

SIDE, STEP, HEADER = 16, 20, 20
NOTHING, PHOTOS = [""] * 6, ["photo", "cartoon", "other"]


def cell(epoch, row, column):
    """A picture that tells where it was: red the epoch, green the row, blue the column."""
    return np.full((SIDE, SIDE, 3), (epoch, 10 * row, 10 * column), np.uint8)


def write_grid(folder, epoch, captions, rows, first=1):
    cells = [
        cell(epoch if column >= first else 0, row, column)
        for row in range(rows)
        for column in range(len(captions))
    ]
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    write_image(folder / "samples" / f"epoch-{epoch:04d}.png", grid(cells, len(captions)))
    (folder / "samples" / "columns.json").write_text(json.dumps(captions))


def write_grids(folder, epochs, captions=NOTHING, rows=6):
    for epoch in epochs:
        write_grid(folder, epoch, captions, rows, first=1 if captions[0] else 0)


def cells_of(path):
    """The colour of each cell of the sheet, (rows, columns, 3)."""
    sheet = read_image(path)
    rows, columns = (sheet.shape[0] - HEADER + 4) // STEP, (sheet.shape[1] + 4) // STEP
    assert sheet.shape == (HEADER + rows * STEP - 4, columns * STEP - 4, 3)
    middle = sheet[HEADER + SIDE // 2 :: STEP, SIDE // 2 :: STEP]
    for column in range(columns):  # every column has its title
        assert sheet[:HEADER, column * STEP : column * STEP + SIDE].min() < 128
    return middle


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 25, 100])
def test_at_most_ten_epochs_evenly_with_the_first_and_the_last(tmp_path, count):
    write_grids(tmp_path, range(count + 1))
    found = cells_of(write_progress_sheet(tmp_path))
    epochs = found[0, :, 0].astype(int)
    assert len(epochs) == min(count, 10) and epochs[-1] == count
    # What was there before the first step is no epoch.
    assert epochs[0] == 1
    assert np.ptp(np.diff(epochs)) <= 1 if count > 1 else True


def test_rows_are_the_same_noise_in_every_epoch(tmp_path):
    write_grids(tmp_path, range(1, 4))
    found = cells_of(write_progress_sheet(tmp_path))
    # The first row of a grid, one below the other.
    for row in range(6):
        for column, epoch in enumerate((1, 2, 3)):
            assert found[row, column].tolist() == [epoch, 0, 10 * row]
    assert found.shape == (6, 3, 3)


@pytest.mark.parametrize(("rows", "shown"), [(2, 2), (9, 6)])
def test_what_has_inputs_stands_beside_them(tmp_path, rows, shown):
    write_grids(tmp_path, (1, 7), PHOTOS, rows)
    found = cells_of(write_progress_sheet(tmp_path))
    assert found.shape == (shown, 3, 3)
    for row in range(shown):
        assert found[row].tolist() == [[0, 10 * row, 0], [1, 10 * row, 10], [7, 10 * row, 10]]


def test_the_newest_grid_has_the_captions_of_its_columns(tmp_path):
    write_grids(tmp_path, (0, 1, 2), captions=PHOTOS, rows=3)
    sheet, plain = newest_grid(tmp_path), read_image(tmp_path / "samples" / "epoch-0002.png")
    np.testing.assert_array_equal(sheet[HEADER:], plain)
    for column in range(3):
        assert sheet[:HEADER, column * STEP : column * STEP + SIDE].min() < 128
    # Pictures out of nothing have no captions.
    write_grids(tmp_path / "noise", (1,))
    np.testing.assert_array_equal(
        newest_grid(tmp_path / "noise"),
        read_image(tmp_path / "noise" / "samples" / "epoch-0001.png"),
    )
    assert newest_grid(tmp_path / "nowhere") is None


def test_nothing_to_show_is_no_sheet(tmp_path):
    assert write_progress_sheet(tmp_path) is None
    write_grids(tmp_path, [0])
    (tmp_path / "samples" / "epoch-1.txt").touch()
    (tmp_path / "samples" / "epoch-new.png").touch()
    assert write_progress_sheet(tmp_path) is None
    assert not (tmp_path / "progress.png").exists()


@pytest.mark.parametrize(
    ("broken", "how"),
    [*((epoch, how) for epoch in (1, 2, 3) for how in ("cut short", "empty")), (2, "another size")],
)
def test_grids_that_do_not_fit_are_left_out(tmp_path, broken, how):
    write_grids(tmp_path, range(1, 4), PHOTOS, 2)
    path = tmp_path / "samples" / f"epoch-{broken:04d}.png"
    if how == "another size":
        write_grid(tmp_path, broken, PHOTOS[:2], 2)
        (tmp_path / "samples" / "columns.json").write_text(json.dumps(PHOTOS))
    else:
        path.write_bytes(path.read_bytes()[:60] if how == "cut short" else b"")
    found = cells_of(write_progress_sheet(tmp_path))
    assert found[0, 1:, 0].tolist() == [epoch for epoch in (1, 2, 3) if epoch != broken]
    for epoch in (1, 2, 3):
        (tmp_path / "samples" / f"epoch-{epoch:04d}.png").write_bytes(b"x")
    assert write_progress_sheet(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", "7", None])
def test_captions_that_cannot_be_read_are_one_line(tmp_path, text):
    write_grids(tmp_path, [1])
    path = tmp_path / "samples" / "columns.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match="columns.json: expected captions.* Received: ") as error:
        write_progress_sheet(tmp_path)
    assert "\n" not in str(error.value)


class Shade:
    """A model whose pictures get lighter with the epochs."""

    def __init__(self, alone=False):
        self.level, self.alone = 0.0, alone

    def visuals(self, batch):
        photos = batch["a"]
        drawn = np.full((len(photos), SIDE, SIDE, 1), self.level, np.float32)
        return {"drawn": drawn} if self.alone else {"photo": photos, "drawn": drawn}


def epochs_of(callback, model, count):
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(count):
        model.level = (epoch + 1) / 10
        callback.on_epoch_end(epoch)


def test_samples_and_sheet_after_every_epoch(tmp_path):
    photos = np.linspace(-1, 1, 3 * SIDE * SIDE * 3).reshape(3, SIDE, SIDE, 3).astype(np.float32)
    epochs_of(SampleGrid(tmp_path, {"a": photos}), Shade(), 2)
    assert json.loads((tmp_path / "samples" / "columns.json").read_text()) == ["photo", "drawn"]
    found = cells_of(tmp_path / "progress.png")
    assert found.shape == (3, 3, 3)
    assert found[:, 1].tolist() == [[round(1.1 * 127.5)] * 3] * 3
    assert found[:, 2].tolist() == [[round(1.2 * 127.5)] * 3] * 3
    assert len(set(found[:, 0, 0].tolist())) == 3
    # The grid from before the first step is not made again by a later start.
    before = (tmp_path / "samples" / "epoch-0000.png").read_bytes()
    epochs_of(SampleGrid(tmp_path, {"a": photos}), Shade(), 0)
    assert (tmp_path / "samples" / "epoch-0000.png").read_bytes() == before


@pytest.mark.parametrize(("count", "columns", "rows"), [(36, 6, 6), (5, 3, 2), (1, 1, 1)])
def test_pictures_out_of_nothing_fill_a_square(tmp_path, count, columns, rows):
    noise = np.zeros((count, SIDE, SIDE, 3), np.float32)
    epochs_of(SampleGrid(tmp_path, {"a": noise}), Shade(alone=True), 1)
    shape = (rows * STEP - 4, columns * STEP - 4, 3)
    assert read_image(tmp_path / "samples" / "epoch-0001.png").shape == shape
    assert json.loads((tmp_path / "samples" / "columns.json").read_text()) == [""] * columns
    assert cells_of(tmp_path / "progress.png").shape == (columns, 1, 3)


def test_a_sheet_that_cannot_be_made_does_not_end_the_training(tmp_path, capsys):
    (tmp_path / "progress.png").mkdir()
    photos = np.zeros((1, SIDE, SIDE, 3), np.float32)
    epochs_of(SampleGrid(tmp_path, {"a": photos}), Shade(), 2)
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2
    assert all(line.startswith("The progress sheet is not up to date: ") for line in error)
    assert (tmp_path / "samples" / "epoch-0002.png").is_file()
    (tmp_path / "progress.png").rmdir()
    (tmp_path / "samples" / "epoch-0001.png").write_bytes(b"broken")
    epochs_of(SampleGrid(tmp_path, {"a": photos}), Shade(), 1)
    assert capsys.readouterr().err == "" and (tmp_path / "progress.png").is_file()
