import subprocess
import sys

import numpy as np
import pytest

from conftest import EXAMPLE
from keras_portrait.errors import SettingError
from keras_portrait.inference import sampler
from keras_portrait.inference.imaging import from_signed, read_image
from keras_portrait.inference.sampler import Sampler, noise_paths, random_noise
from tiny_preset import write_noise_preset

GAP = 4


@pytest.fixture
def avatars(tmp_path):
    """A preset of 16 px whose pictures have one colour: three tenths of its noise."""
    return write_noise_preset(tmp_path / "presets" / "avatars", length=4)


def cells(path, side=16):
    """Rows of the cells of a sheet, checked to fill it."""
    sheet = read_image(path)
    rows, columns = ((length + GAP) // (side + GAP) for length in sheet.shape[:2])
    assert sheet.shape[:2] == tuple(n * (side + GAP) - GAP for n in (rows, columns))
    starts = [[(r * (side + GAP), c * (side + GAP)) for c in range(columns)] for r in range(rows)]
    return [[sheet[y : y + side, x : x + side] for y, x in row] for row in starts]


def colours(path):
    """Colour of each cell, uint8 (rows, columns, 3); every cell has only one."""
    rows = cells(path)
    assert all((cell == cell[0, 0]).all() for row in rows for cell in row)
    return np.array([[cell[0, 0] for cell in row] for row in rows])


def test_a_sheet_of_random_pictures(portrait, avatars, tmp_path):
    target = tmp_path / "new" / "sheet.png"
    assert portrait("sample", avatars, "-o", target) == (0, f"{target}\n", "")
    noise = random_noise(36, 4, seed=0)
    expected = from_signed(np.float32(0.3) * noise[:, :3]).reshape(6, 6, 3)
    assert np.abs(colours(target).astype(int) - expected).max() <= 1
    assert noise.std() == pytest.approx(1, abs=0.1)


def test_columns_come_before_rows_and_a_larger_sheet_begins_alike(portrait, avatars, tmp_path):
    for name, grid in (("wide", "5x2"), ("wider", "5x3")):
        assert portrait("sample", avatars, "--grid", grid, "-o", tmp_path / f"{name}.png")[0] == 0
    wide, wider = colours(tmp_path / "wide.png"), colours(tmp_path / "wider.png")
    assert wide.shape == (2, 5, 3) and wider.shape == (3, 5, 3)
    np.testing.assert_array_equal(wider[:2], wide)


def test_the_seed_decides(portrait, avatars, tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        for kind in ([], ["--interpolate"]):
            path = tmp_path / f"{name}{len(kind)}.png"
            assert portrait("sample", avatars, "--seed", seed, *kind, "-o", path)[0] == 0
    for kind in (0, 1):
        a, b, c = ((tmp_path / f"{name}{kind}.png").read_bytes() for name in "abc")
        assert a == b != c


def test_each_row_leads_from_one_picture_to_another(portrait, avatars, tmp_path):
    target = tmp_path / "sheet.png"
    arguments = ("sample", avatars, "--interpolate", "--grid", "9x2", "-o", target)
    assert portrait(*arguments)[0] == 0
    rows = colours(target).astype(int)
    assert rows.shape == (2, 9, 3)
    ends = from_signed(0.3 * random_noise(4, 4)[:, :3]).reshape(2, 2, 3)
    assert np.abs(rows[:, [0, -1]] - ends).max() <= 1
    steps = np.abs(np.diff(rows, axis=1)).max(axis=(0, 2))
    assert steps.max() < np.abs(rows[:, 0] - rows[:, -1]).max() / 2


def test_the_way_between_two_vectors_keeps_their_norm():
    ways = noise_paths(20, 11, 100, seed=3).reshape(20, 11, 100)
    assert ways.dtype == np.float32
    norms = np.linalg.norm(ways, axis=2)
    low, high = norms[:, [0, -1]].min(axis=1), norms[:, [0, -1]].max(axis=1)
    # A straight line would fall to seven tenths of them.
    assert (norms.min(axis=1) > 0.95 * low).all() and (norms.max(axis=1) < 1.05 * high).all()
    steps = np.linalg.norm(np.diff(ways, axis=1), axis=2)
    assert (steps.max(axis=1) < 1.3 * steps.min(axis=1)).all()
    np.testing.assert_allclose(ways[:, [0, -1]], random_noise(40, 100, 3).reshape(20, 2, 100))


def test_noise_of_one_number_has_no_arc():
    ways = noise_paths(8, 5, 1, seed=0).reshape(8, 5)
    for way in ways:
        np.testing.assert_allclose(way, np.linspace(way[0], way[-1], 5), rtol=1e-5, atol=1e-6)


def test_the_model_file_stands_for_its_preset(portrait, avatars, tmp_path):
    for name, given in (("a", avatars), ("b", avatars / "tiny.tflite")):
        assert portrait("sample", given, "-o", tmp_path / f"{name}.png")[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_noise_of_another_shape_is_refused(avatars):
    make = Sampler(avatars)
    assert make(np.zeros((2, 4))).shape == (2, 16, 16, 3)
    for noise in (np.zeros((2, 5)), np.zeros(4), np.zeros((0, 4))):
        with pytest.raises(SettingError, match=r"Expected noise of shape \(N, 4\)"):
            make(noise)


def test_mistakes_are_one_line_and_leave_nothing_behind(portrait, avatars, tiny_preset, tmp_path):
    out = tmp_path / "out"
    for arguments, text in (
        ((tiny_preset, "-o", out / "a.png"), "draws photos; use `portrait stylize`"),
        (("avatar", "-o", out / "a.png"), "No such preset"),
        (
            (tmp_path, "-o", out / "a.png"),
            "a run folder, which holds generator.keras",
        ),
        ((avatars / "none.keras", "-o", out / "a.png"), "No such preset"),
        ((avatars, "-o", out / "a.gif"), "-o must be a .png or .jpg"),
        ((avatars, "-o", out), "-o must be a .png or .jpg"),
        ((avatars, "--grid", "6", "-o", out / "a.png"), "expected COLUMNSxROWS"),
        ((avatars, "--grid", "0x6", "-o", out / "a.png"), "expected COLUMNSxROWS"),
        ((avatars, "--grid", "9999x9999", "-o", out / "a.png"), "The sheet is too large"),
        ((avatars, "--grid", "1x6", "--interpolate", "-o", out / "a.png"), "2 columns or more"),
        ((avatars, "-o", avatars / "portrait.json" / "a.png"), "Cannot make the folder"),
    ):
        code, stdout, stderr = portrait("sample", *arguments)
        assert (code, stdout) == (2, "") and stderr.count("\n") == 1, stderr
        assert text in stderr and "Received: " in stderr
    assert not out.exists()
    assert portrait("sample", avatars, "--seed", "-1", "-o", out / "a.png")[0] == 2


def test_stylize_and_compare_refer_to_sample(portrait, avatars, tmp_path):
    target = tmp_path / "drawing.png"
    for arguments in (
        ("stylize", EXAMPLE, "--preset", avatars, "-o", target),
        ("compare", EXAMPLE, "--presets", avatars, "-o", target),
    ):
        code, stdout, stderr = portrait(*arguments, preset=None)
        assert (code, stdout) == (2, "") and stderr.count("\n") == 1
        assert "use `portrait sample`" in stderr and not target.exists()


def test_a_run_is_drawn_by_keras(portrait, tmp_path):
    from tiny_runs import NOISE, tiny_net, write_run

    run = write_run(tmp_path / "001-dcgan", "dcgan")
    for name, given in (("a", run), ("b", run / "generator.keras")):
        code, out, err = portrait("sample", given, "--grid", "2x1", "-o", tmp_path / f"{name}.png")
        assert (code, out, err) == (0, f"{tmp_path / name}.png\n", "")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    expected = from_signed(tiny_net("dcgan")(random_noise(2, NOISE), training=False))
    drawn = np.array(cells(tmp_path / "a.png", 64)[0]).astype(int)
    assert expected.std() > 10 and np.abs(drawn - expected).max() <= 1


def test_a_run_of_photos_is_refused(portrait, tmp_path):
    from tiny_runs import write_run

    run = write_run(tmp_path / "001-cyclegan", "cyclegan")
    code, _, err = portrait("sample", run, "-o", tmp_path / "a.png")
    assert code == 2 and "draws photos; use `portrait stylize`" in err and err.count("\n") == 1


def test_presets_need_no_keras_and_runs_say_so(avatars, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "generator.keras").write_bytes(b"never opened")
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('tensorflow', 'keras', 'torch', 'matplotlib')))\n"
        "from keras_portrait.cli import main\n"
        "sys.argv[0] = 'portrait'\n"
        "main()"
    )

    def start(given):
        command = [sys.executable, "-c", code, "sample", str(given), "-o", "sheet.png"]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    done = start(avatars)
    assert (done.returncode, done.stdout, done.stderr) == (0, "sheet.png\n", "")
    done = start(run)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert 'pip install "keras-portrait[train]"' in done.stderr


def test_pictures_are_written_whole_or_not_at_all(portrait, avatars, tmp_path, monkeypatch):
    target = tmp_path / "sheet.png"
    target.write_bytes(b"an earlier sheet")

    def fail(*_):
        raise SettingError("stopped on the way. Received: nothing")

    monkeypatch.setattr(sampler, "from_signed", fail)
    assert portrait("sample", avatars, "-o", target)[0] == 2
    assert target.read_bytes() == b"an earlier sheet"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["sheet.png"]
