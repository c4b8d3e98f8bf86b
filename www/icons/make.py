"""Makes the app's icons from one drawing: a disc whose near side is lit. Needs numpy only.

In: nothing. Out: icon-180.png, icon-192.png, icon-512.png, icon-maskable-512.png beside this file.
The one decision: the picture is a function of the coordinates, drawn four times larger and averaged, so
that no drawing program is part of the build.
"""
import pathlib
import struct
import zlib

import numpy as np

GROUND, NEAR, FAR = (14, 17, 22), (147, 164, 255), (58, 68, 92)
HERE = pathlib.Path(__file__).resolve().parent


def picture(size, reach, rounded):
    """`reach`: radius of the disc; `rounded`: corner radius of the ground; both in parts of the size."""
    n = size * 4
    y, x = (np.mgrid[0:n, 0:n] + 0.5) / n - 0.5
    disc = x**2 + y**2 < reach**2
    near = disc & ((x - reach * 0.83) ** 2 + y**2 > (reach * 1.3) ** 2)
    far = disc & (x**2 + y**2 > (reach * 0.86) ** 2) | near
    corner = np.hypot(np.maximum(np.abs(x) - 0.5 + rounded, 0), np.maximum(np.abs(y) - 0.5 + rounded, 0))
    rgba = np.zeros((n, n, 4))
    rgba[corner <= rounded] = (*GROUND, 255)
    if rounded == 0:
        rgba[:] = (*GROUND, 255)
    rgba[far] = (*FAR, 255)
    rgba[near] = (*NEAR, 255)
    return rgba.reshape(size, 4, size, 4, 4).mean((1, 3)).round().astype(np.uint8)


def png(path, image):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = image.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


for name, size, reach, rounded in (("icon-180", 180, 0.36, 0), ("icon-192", 192, 0.36, 0.22), ("icon-512", 512, 0.36, 0.22),
                                   ("icon-maskable-512", 512, 0.28, 0)):
    png(HERE / f"{name}.png", picture(size, reach, rounded))
