"""The error function and its complement.

Near 0, erf x / x is a polynomial in x². Beyond, x erfc(x) e^(x²) is one in t = (x - 5) / (x + 3), which takes the half
line to an interval. erfc takes x² in two parts, since e^(-x²) magnifies its rounding. Both polynomials are minimax
fits by Remez' exchange in 50 digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpugrad.kernels.scalar_math.base import (
    F32,
    F64,
    copysign,
    fabs,
    polynomial,
    product_error,
    rounded_product,
    scalar,
    select,
)
from gpugrad.kernels.scalar_math.exponentials import E32, E64, exp_halved, exp_of_sum


class Erf(NamedTuple):
    """Constants of the error functions in one precision."""

    five: Any
    border: Any
    """Below it erfc x is 1 - erf x, which is ¼ or more."""
    erf_is_one: Any
    """From here on erf x is 1."""
    erfc_is_zero: Any
    """From here on erfc x is 0."""
    near: Any
    """erf x / x - 1 in powers of x² for |x| ≤ 1, to 1.2e-9 (1.3e-19)."""
    far: Any
    """x erfc(x) e^(x²) in powers of (x - 5) / (x + 3) for 0.8 ≤ x ≤ 10.6 (28), to 2e-8 (1.4e-17), relatively."""


G32 = Erf(
    five=np.float32(5.0),
    border=np.float32(0.8),
    erf_is_one=np.float32(4.0),
    erfc_is_zero=np.float32(10.5),
    near=(7.88909529e-05, -0.000802083407, 0.00518953474, -0.0268544443, 0.112836003, -0.37612626, 0.128379166),
    far=(
        0.000121811769,
        0.00040959203,
        -0.00191930996,
        0.00647286978,
        -0.0157939401,
        0.0291883834,
        -0.0399518646,
        0.0323254578,
        0.553523183,
    ),
)
G64 = Erf(
    five=np.float64(5.0),
    border=np.float64(0.8),
    erf_is_one=np.float64(6.0),
    erfc_is_zero=np.float64(28.0),
    near=(
        5.960712014166694e-11, -1.1374970766332976e-09, 1.4660332383167168e-08, -1.6350396726974587e-07,
        1.646100852091039e-06, -1.4925595774544614e-05, 0.00012055331133038531, -0.0008548326981427313,
        0.0052239776248284514, -0.026866170645077875, 0.11283791670954885, -0.3761263890318375, 0.1283791670955126,
    ),
    far=(
                -1.6890274784411064e-11, 1.436018077517997e-10, 9.541452334594423e-10, -3.353394419027248e-10,
        -9.21020573870631e-09, 2.266836500926001e-09, 7.985022138374145e-08, -7.142848588399893e-08,
        -6.96232651518269e-07, 1.638095312535033e-06, 4.724636724571936e-06, -2.9682552450933007e-05,
        2.533889627110305e-05, 0.00032022235070445126, -0.001927563118842125, 0.0064991817941710255,
        -0.015785901749554857, 0.02918620209538539, -0.0399525828175219, 0.03232551127149655, 0.5535231886653431,
    ),
)  # fmt: skip


@scalar
def _scaled_tail(a: Any, c: Any, g: Any) -> Any:
    """erfc(a) e^(a²) for a of 0.8 or more."""
    return polynomial((a - g.five) / (a + c.three), g.far) / a


@scalar
def _erf(x: Any, c: Any, e: Any, g: Any) -> Any:
    a = fabs(x)
    near = x + x * polynomial(x * x, g.near)
    far = select(a > g.erf_is_one, g.erf_is_one, select(a < c.one, c.one, a))
    tail = exp_halved(-far * far, c.zero, c, e) * _scaled_tail(far, c, g)
    return select(a < c.one, near, copysign(c.one - tail, x))


@scalar
def _erfc(x: Any, c: Any, e: Any, g: Any) -> Any:
    a = fabs(x)
    near = c.one - (x + x * polynomial(x * x, g.near))
    far = select(a > g.erfc_is_zero, g.erfc_is_zero, select(a < g.border, g.border, a))
    square = rounded_product(far, far)
    tail = exp_of_sum(-square, -product_error(far, far, square), _scaled_tail(far, c, g), c, e)
    return select(a < g.border, near, select(x < c.zero, c.two - tail, tail))


@scalar
def erf_f32(x: Any) -> Any:
    """The error function, to 2 ULP."""
    return _erf(x, F32, E32, G32)


@scalar
def erf_f64(x: Any) -> Any:
    """The error function, to 2 ULP."""
    return _erf(x, F64, E64, G64)


@scalar
def erfc_f32(x: Any) -> Any:
    """1 - erf(x), to 4 ULP, however small."""
    return _erfc(x, F32, E32, G32)


@scalar
def erfc_f64(x: Any) -> Any:
    """1 - erf(x), to 4 ULP, however small."""
    return _erfc(x, F64, E64, G64)
