"""The inverse of the error function.

With w = -log(1 - x²), erfinv x / x is a polynomial in w for w ≤ 6¼, and in √w beyond, where it is nearly √w itself.
The polynomials are minimax fits by Remez' exchange in 40 digits, of values found by Newton's iteration on erfc.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpugrad.kernels.scalar_math.base import F32, F64, fabs, polynomial, scalar, select, sqrt
from gpugrad.kernels.scalar_math.logarithms import L32, L64, log_of


class Inverse(NamedTuple):
    """Constants of the inverse error function in one precision."""

    border: Any
    """The w between the first and the second polynomial."""
    border_far: Any
    """The √w between the second and the third."""
    middle: Any
    """What is subtracted from √w in the second."""
    middle_far: Any
    centre: Any
    """For 0 ≤ w ≤ 6¼, in powers of w, to 5e-9 (3e-17)."""
    tail: Any
    """For 2½ ≤ √w ≤ 4¼ (4), to 2e-8 (8e-17)."""
    far: Any
    """For 4 ≤ √w ≤ 6⅛, where only doubles are, to 7e-17."""


V32 = Inverse(
    border=np.float32(6.25),
    border_far=np.float32(5.0),
    middle=np.float32(3.375),
    middle_far=np.float32(3.375),
    centre=(
        8.47697433e-12,
        3.77988363e-10,
        -2.11928803e-08,
        3.62312477e-07,
        -2.83048848e-06,
        7.05132288e-06,
        3.78022123e-05,
        -0.000118451891,
        -0.00234120246,
        0.0115513364,
        0.232013419,
        0.886226952,
    ),
    tail=(
        -0.000245151517,
        0.000722755329,
        -0.00112189865,
        0.00161510182,
        -0.0027270494,
        0.00417064596,
        1.00644302,
        3.20962,
    ),
    far=(0.0, 0.0),
)
V64 = Inverse(
    border=np.float64(6.25),
    border_far=np.float64(4.0),
    middle=np.float64(3.25),
    middle_far=np.float64(5.0625),
    centre=(
        3.147386815679835e-21, -2.272259638664538e-19, 7.500775360691008e-18, -1.4860987909459238e-16,
        1.942169707125626e-15, -1.71965297746692e-14, 1.002928122882458e-13, -3.3866629627405474e-13,
        3.527719324797132e-13, 7.888444342123025e-13, 3.926463662383297e-12, 1.7971522497718258e-11,
        -6.129726660340723e-10, 9.200735334302821e-10, 2.2562523640508072e-08, -3.7053170393981026e-08,
        -1.0127432069918088e-06, 2.0200961342007202e-06, 4.661139755760069e-05, -0.00012804328287476318,
        -0.0023351016434589806, 0.011549342038429602, 0.23201366653464908, 0.886226925452758,
    ),
    tail=(
        3.143695338442854e-09, 9.086339140746631e-08, -2.7753220962611833e-07, 1.7980522307463037e-08,
        1.5052308970649687e-06, -4.013608848446265e-06, 2.922027248125485e-06, 1.2475167500057464e-05,
        -4.731775901661691e-05, 6.828489275685847e-05, 2.4031018942171115e-05, -0.0003550375274230498,
        0.0009532893897191161, -0.0016882755553836656, 0.0024914420955630848, -0.0037512085075952586,
        0.005370914553601476, 1.0052589676941597, 3.0838856104922203,
    ),
    far=(
        2.912475006941484e-11, 5.442702041650118e-12, -3.882124779728101e-10, 1.1405281920064808e-09,
        -2.419885367172314e-09, 5.20824037663244e-09, -1.040310804015011e-08, 2.046091683834702e-08,
        -5.22773746897661e-08, 1.9554204183126824e-07, -8.872350183699459e-07, 4.115367121101562e-06,
        -1.8062950369265433e-05, 7.010167348436715e-05, -0.0001967785381690831, -0.00017730336124956847,
        1.0102806778035636, 4.913049587233785,
    ),
)  # fmt: skip


@scalar
def _erfinv(x: Any, c: Any, l: Any, v: Any) -> Any:
    w = -log_of((c.one - x) * (c.one + x), c, l)
    root = sqrt(w)
    tail = polynomial(root - v.middle, v.tail)
    far = polynomial(root - v.middle_far, v.far)
    ratio = select(w <= v.border, polynomial(w, v.centre), select(root < v.border_far, tail, far))
    return x * select(fabs(x) == c.one, c.inf, ratio)


@scalar
def erfinv_f32(x: Any) -> Any:
    """The number whose error function is x, to 4 ULP; ±∞ at ±1, NaN beyond."""
    return _erfinv(x, F32, L32, V32)


@scalar
def erfinv_f64(x: Any) -> Any:
    """The number whose error function is x, to 4 ULP; ±∞ at ±1, NaN beyond."""
    return _erfinv(x, F64, L64, V64)
