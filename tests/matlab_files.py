"""Writes MATLAB files of level 5 and texts of five points, right ones and wrong ones."""

import struct
import zlib

import numpy as np

POINTS = np.array([[10.5, 20], [30, 20.25], [20, 31], [12, 40], [28, 41.125]])


def element(kind, data, order="<"):
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(name="facial5point", values=POINTS, kind=6, flags=0, stored=(9, "f8"), order="<"):
    """An array as `save` writes it, `kind` its class, `stored` the type of its numbers."""
    values = np.asarray(values)
    head = element(6, struct.pack(f"{order}II", flags | kind, 0), order)
    head += element(5, np.array(values.shape, f"{order}i4").tobytes(), order)
    head += element(1, name.encode(), order)
    numbers = element(stored[0], values.astype(order + stored[1]).tobytes(order="F"), order)
    return element(14, head + numbers, order)


def matlab(*elements, order="<", packed=False):
    mark = {"<": b"IM", ">": b"MI"}[order]
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x0100) + mark
    if packed:
        shut = [zlib.compress(each) for each in elements]
        elements = [struct.pack(f"{order}II", 15, len(each)) + each for each in shut]
    return head + b"".join(elements)


def text(points):
    return "".join(f"{x} {y}\n" for x, y in points).encode()
