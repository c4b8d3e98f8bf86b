"""Varied copies of the 8x8 digits, made the way the data set itself was made.

In: images [n,8,8] with values 0..16 (counts of ink in 4x4 blocks of a 32x32 bitmap).
Out: as many images of the same kind, each bent, turned, slanted and inked differently.

The one decision: a copy goes back to a 32x32 bitmap, is warped there, gets a random amount of ink
by the choice of the threshold (thin pen to thick pen), is fitted to the height of the box, and is
counted in blocks again. So what the net learns from obeys the rules of the data set and of the
demo page's own preprocessing, which plain 8x8 shifts would break.
"""
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

SIDE, CELL = 32, 4


def _warp(bitmap, rng):
    """A random affine map plus a smooth displacement, sampled about the centre."""
    centre = (SIDE - 1) / 2
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64) - centre
    angle = np.deg2rad(rng.normal(0, 7))
    slant = rng.normal(0, 0.16)
    scale_x = np.exp(rng.normal(0.0, 0.16))
    cos, sin = np.cos(angle), np.sin(angle)
    u = (cos * x - sin * y + slant * y) * scale_x
    v = sin * x + cos * y
    reach = rng.uniform(0, 2.2)
    bend = [gaussian_filter(rng.standard_normal((SIDE, SIDE)), 6) for _ in range(2)]
    bend = [b / (np.abs(b).max() + 1e-9) * reach for b in bend]
    return map_coordinates(bitmap, [v + bend[1] + centre, u + bend[0] + centre], order=1)


def _fit(grey, ink, rng):
    """The `ink` darkest pixels, fitted to the full height and centred in width, as a bitmap."""
    level = np.partition(grey.ravel(), -ink)[-ink]
    mask = (grey >= max(level, 1e-6)).astype(np.float64)
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, height = rows[0], rows[-1] - rows[0] + 1
    middle = (cols[0] + cols[-1]) / 2 + rng.normal(0, 0.9)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    v = (y + 0.5) * height / SIDE - 0.5 + top
    u = (x + 0.5 - SIDE / 2) + middle
    return map_coordinates(mask, [v, u], order=1) >= 0.5


def blocks(bitmap):
    """Ink per 4x4 block: the data set's own 8x8 form, 0..16."""
    return bitmap.reshape(8, CELL, 8, CELL).sum((1, 3))


def augment(images, rng):
    out = np.empty_like(images)
    for i, image in enumerate(images):
        grey = np.clip(zoom(image, CELL, order=3, grid_mode=True, mode="grid-constant"), 0, None)
        ink = int(np.clip(rng.normal(300, 45), 170, 430))
        out[i] = blocks(_fit(_warp(grey, rng), ink, rng))
    return out
