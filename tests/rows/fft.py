"""Rows of Fourier transforms: even and odd numbers of points, cut and filled up, in every normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import fft as f
from rows.linalg import _complex, _normal

HALVES = {"float16": "there is no complex dtype to match", "bfloat16": "there is no complex dtype to match"}


def _case(name: str, args: Any, what: str = "", **options: Any) -> Case:
    ours, theirs = getattr(f, name), getattr(np.fft, name)
    text = ", ".join(f"{k}={v}" for k, v in options.items())
    return Case(
        f"{name} {what} {text}".replace("  ", " ").strip(),
        lambda x: ours(x, **options),
        args,
        lambda x: theirs(x, **options),
        without=HALVES,
    )


CASES = [
    _case("fft", _normal((3, 4))),
    _case("fft", _complex((5,)), "complex odd"),
    _case("fft", _complex((3, 4)), "complex", n=6, axis=0, norm="ortho"),
    _case("fft", _complex((2, 5)), "cut", n=3, norm="forward"),
    _case("ifft", _complex((2, 4))),
    _case("ifft", _normal((2, 3)), "real", n=5, norm="forward"),
    _case("ifft", _complex((4, 3)), "axis", axis=-2, norm="ortho"),
    _case("rfft", _normal((2, 6))),
    _case("rfft", _normal((5,)), "odd"),
    _case("rfft", _normal((3, 2)), n=5, axis=0, norm="ortho"),
    _case("rfft", _normal((6,)), "cut", n=4, norm="forward"),
    _case("rfft", _normal((2, 1)), "one"),
    _case("irfft", _complex((2, 4))),
    _case("irfft", _complex((3,)), "odd", n=5),
    _case("irfft", _complex((3, 2)), n=8, axis=0, norm="ortho"),
    _case("irfft", _normal((4,)), "real cut", n=4, norm="forward"),
    _case("hfft", _complex((2, 4))),
    _case("hfft", _complex((4,)), "odd", n=7, norm="ortho"),
    _case("ihfft", _normal((2, 6)), norm="forward"),
    _case("ihfft", _normal((5,)), "odd"),
    _case("fft2", _complex((2, 3, 4))),
    _case("ifft2", _complex((3, 4)), s=(2, 5), norm="ortho"),
    _case("rfft2", _normal((2, 3, 4))),
    _case("irfft2", _complex((3, 4)), norm="forward"),
    _case("fftn", _complex((2, 3, 2))),
    _case("fftn", _normal((2, 3, 2)), "some axes", axes=(0, -1), norm="ortho"),
    _case("ifftn", _complex((2, 3, 2)), axes=(1,)),
    _case("rfftn", _normal((2, 3, 4))),
    _case("rfftn", _normal((3, 2)), s=(3, 4), axes=(1, 0), norm="ortho"),
    _case("irfftn", _complex((2, 3, 3))),
    _case("irfftn", _complex((3, 2)), s=(3, 5), axes=(1, 0)),
    _case("fftshift", _normal((3, 4))),
    _case("fftshift", _complex((3, 4)), axes=1),
    _case("ifftshift", _normal((3, 5))),
    _case("ifftshift", _normal((3, 5)), axes=(0,)),
]
