import struct
import zlib

import numpy as np
import pytest

from keras_portrait.data.prepare.five_points import MOST_BYTES, looks_like_points, read_five_points
from keras_portrait.data.prepare.matlab_file import MatlabFault, read_array
from keras_portrait.errors import InputError
from matlab_files import POINTS, element, matlab, matrix, text


@pytest.fixture
def write(tmp_path):
    def write(data, name="x_facial5point.mat"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize(
    "data",
    [
        matlab(matrix()),
        matlab(matrix(), packed=True),
        matlab(matrix(order=">"), order=">"),
        matlab(matrix("before", np.zeros((90, 90))), matrix(), packed=True),
        matlab(matrix(kind=7, stored=(7, "f4"))),
    ],
)
def test_arrays_are_read_as_matlab_saves_them(write, data):
    # MATLAB counts pixels from 1.
    np.testing.assert_array_equal(read_five_points(write(data)), POINTS - 1)


def test_whole_numbers_lie_there_as_integers(write):
    whole = np.rint(POINTS)
    data = matlab(matrix(values=whole, stored=(2, "u1")))
    np.testing.assert_array_equal(read_five_points(write(data)), whole - 1)


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes_is_read(tmp_path, compressed):
    savemat = pytest.importorskip("scipy.io").savemat
    path = tmp_path / "x.mat"
    arrays = {"a": 3.0, "facial5point": POINTS.astype(np.float32), "note": "text"}
    savemat(path, arrays, do_compression=compressed)
    np.testing.assert_array_equal(read_five_points(path), POINTS - 1)
    assert read_array(path.read_bytes(), "a").shape == (1, 1)
    with pytest.raises(MatlabFault, match="something else than real numbers"):
        read_array(path.read_bytes(), "note")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no MATLAB file of level 5"),
        (b"\x00" * 400, "no MATLAB file of level 5"),
        (b"MATLAB 7.3 MAT-file".ljust(200), "version 7.3, which `save -v7` makes readable"),
        (matlab(), "no facial5point but nothing"),
        (matlab(matrix("points"), matrix("b" * 99)), "no facial5point but points, " + "b" * 64),
        (matlab(matrix(values=POINTS.T)), "5 x 2 numbers in facial5point. Received: 2 x 5"),
        (matlab(matrix(values=np.zeros((5, 2, 2)))), "Received: 5 x 2 x 2"),
        (matlab(matrix(flags=0x800)), "something else than real numbers"),
        (matlab(matrix(kind=4, stored=(4, "u2"))), "something else than real numbers"),
        (matlab(matrix())[:-8], "damaged bytes"),
        (matlab(matrix(values=np.zeros((0, 7)))), "damaged bytes"),
        (matlab(matrix(values=np.float64(3))), "damaged bytes"),
        (matlab(matrix(), packed=True)[:-9], "damaged bytes"),
        (matlab(matrix("facial5point", np.zeros((120, 120))), packed=True), "damaged bytes"),
        (matlab(matrix(values=np.where(POINTS == 31, np.nan, POINTS))), "finite numbers. .* nan"),
        (matlab(matrix(values=np.where(POINTS == 31, -np.inf, POINTS))), "Received: -inf"),
        (matlab(element(14, element(6, bytes(4)))), "damaged bytes"),
        (bytes(MOST_BYTES + 1), "More than 65536 bytes"),
    ],
)
def test_other_files_are_refused_in_one_line(write, data, told):
    with pytest.raises(InputError, match=told) as raised:
        read_five_points(write(data))
    assert "\n" not in str(raised.value) and "x_facial5point.mat" in str(raised.value)


def test_sides_below_zero_and_countless_axes_are_damage():
    head = element(6, struct.pack("<II", 6, 0))
    for sides in ([-5, -2], [5, 2] + [1] * 60):
        shape = element(5, np.array(sides, "<i4").tobytes())
        body = head + shape + element(1, b"facial5point") + element(9, POINTS.tobytes())
        with pytest.raises(MatlabFault, match="damaged bytes"):
            read_array(matlab(element(14, body)), "facial5point")


def test_a_bomb_is_not_unpacked(write):
    # 64 KiB that would be 60 MiB: only the beginning is looked at.
    bomb = zlib.compress(bytes(60 * 2**20), 9)[: MOST_BYTES - 200]
    data = matlab() + struct.pack("<II", 15, len(bomb)) + bomb
    with pytest.raises(InputError, match="no facial5point but nothing"):
        read_five_points(write(data))


def test_damaged_files_are_read_or_refused(write):
    rng = np.random.default_rng(7)
    bases = [matlab(matrix(), packed=packed) for packed in (False, True)]
    read = 0
    for number in range(200):
        data = bytearray(bases[number % 2])
        for _ in range(rng.integers(1, 5)):
            place = rng.integers(len(data))
            data[place : place + 4] = rng.integers(0, 256, rng.integers(0, 5), np.uint8).tobytes()
        try:
            assert read_five_points(write(bytes(data))).shape == (5, 2)
            read += 1
        except InputError as error:
            assert "\n" not in str(error)
    assert 0 < read < 200


def test_texts_have_a_point_in_each_line(write):
    np.testing.assert_array_equal(read_five_points(write(text(POINTS), "x.txt")), POINTS - 1)
    lines = b"\xef\xbb\xbf" + text(POINTS).replace(b" ", b",\t").replace(b"\n", b"\r\n\r\n")
    np.testing.assert_array_equal(read_five_points(write(lines, "x.txt")), POINTS - 1)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (text(POINTS[:4]), "expected five lines, x and y of a point in each. Received: 4"),
        (text(POINTS) + b"1 2\n", "Received: 6"),
        (text(POINTS).replace(b"30.0 ", b"30.0 7 "), "x and y in line 2. Received: 30.0 7 20.25"),
        (text(POINTS).replace(b"30.0", b"left"), "line 2. Received: left 20.25"),
        (text(POINTS).replace(b"30.0", b"nan"), "five points of finite numbers. Received: nan"),
        (b"\xff\xfe1 2", "expected a text in UTF-8"),
        (b"", "Received: 0"),
    ],
)
def test_other_texts_are_refused_in_one_line(write, data, told):
    with pytest.raises(InputError, match=told) as raised:
        read_five_points(write(data, "x_facial5point.txt"))
    assert "\n" not in str(raised.value)


def test_captions_are_told_from_points(write, tmp_path):
    assert looks_like_points(write(text(POINTS), "x.txt"))
    assert looks_like_points(write(b"nan 3\n", "x.txt"))
    for caption in (b"a photo of a woman", b"2", b"1 2 3", b"", b"\xff\xd8"):
        assert not looks_like_points(write(caption, "x.txt"))
    assert not looks_like_points(tmp_path / "none.txt")
