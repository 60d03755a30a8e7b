"""Any picture of a digit as what the models are trained on: 8×8 numbers in [0, 1], bright ink on a dark ground.

The steps, each of which the training data went through in some form (they are 32×32 bitmaps of digits scaled to their
height, averaged over 4×4 blocks):

1. grey: colours by their luminance, transparency on white;
2. contrast: the darkest pixel becomes 0, the brightest 1;
3. ink is bright: inverted if the median of the border is above ½, that is, if the background is light;
4. if the ink spans less than ¾ of the height (a digit somewhere on a page), the square around it is cut out;
5. 8×8 by averaging the area that falls on each pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpugrad import errors

Image = np.ndarray[Any, Any]

SIDE = 8
_INK = 0.3
"""Brightness from which a pixel counts as ink when the digit is looked for."""


def read(path: str | Path) -> Image:
    """The image in a file (.npy, or anything that Pillow reads) as 8×8 float32; FormatError if it is not one."""
    path = Path(path)
    if not path.is_file():
        raise errors.FormatError(f"no image at {path}: no such file")
    grey = _from_npy(path) if path.suffix == ".npy" else _from_picture(path)
    return prepared(grey, str(path))


def prepared(grey: Image, name: str) -> Image:
    """Steps 2 to 5: a grey image of any size and range as 8×8 float32 in [0, 1]."""
    if grey.ndim != 2 or min(grey.shape) == 0:
        raise errors.FormatError(
            f"{name}: an array of shape {grey.shape}; expected one image: (height, width), or (height, width, channels) with 1, 3 or 4 channels"
        )
    grey = grey.astype(np.float64)
    low, high = grey.min(), grey.max()
    if not np.isfinite(high - low):
        raise errors.FormatError(f"{name}: the image has pixels that are NaN or infinite; expected finite numbers")
    if low == high:
        raise errors.FormatError(f"{name}: the image is blank (every pixel is {low:g}); expected a digit")
    grey = (grey - low) / (high - low)
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    if np.median(border) > 0.5:
        grey = 1.0 - grey
    return _averaged(_cut_out(grey)).astype(np.float32)


def _cut_out(grey: Image) -> Image:
    """The smallest square around the ink, if it spans less than ¾ of the height."""
    rows = np.flatnonzero((grey > _INK).any(axis=1))
    columns = np.flatnonzero((grey > _INK).any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    if height >= 0.75 * grey.shape[0]:
        return grey
    side = max(height, width)
    square = np.zeros((side, side))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return square


def _averaged(grey: Image) -> Image:
    """8×8 means over areas; the sides need not be multiples of 8."""
    return _weights(grey.shape[0]) @ grey @ _weights(grey.shape[1]).T


def _weights(n: int) -> Image:
    """Row k: which part of each of ``n`` pixels falls on pixel k of 8, as weights that add up to 1."""
    edges = np.arange(SIDE + 1) * (n / SIDE)
    pixel = np.arange(n)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights: Image = np.clip(overlap, 0, None) * (SIDE / n)
    return weights


def _luminance(colours: Image) -> Image:
    """Grey from RGB, by ITU-R BT.601."""
    grey: Image = colours[..., :3] @ np.array([0.299, 0.587, 0.114])
    return grey


def _from_npy(path: Path) -> Image:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise errors.FormatError(f"{path} is not a NumPy file of numbers: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise errors.FormatError(f"{path} holds {getattr(array, 'dtype', type(array).__name__)}; expected real numbers")
    if array.ndim == 3 and array.shape[-1] in (1, 3, 4):
        return array[..., 0] if array.shape[-1] == 1 else _luminance(array)
    return array


def _from_picture(path: Path) -> Image:
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError:
        raise errors.missing_extra("Pillow", "train", f"reading {path.name}") from None
    orient: Callable[..., Any] = PIL.ImageOps.exif_transpose
    try:
        with PIL.Image.open(path) as opened:
            upright = orient(opened)
            if upright.mode[0] in "IF":  # one channel of 16 bits or more, which RGBA would cut off at 255
                return np.asarray(upright, dtype=np.float64)
            colours = np.asarray(upright.convert("RGBA"), dtype=np.float64) / 255
    except PIL.UnidentifiedImageError:
        raise errors.FormatError(f"{path} is not an image that Pillow can read; expected PNG, JPEG, or .npy") from None
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise errors.FormatError(f"{path}: the image is damaged: {error}") from None
    opacity = colours[..., 3:]
    return _luminance(colours[..., :3] * opacity + (1 - opacity))
