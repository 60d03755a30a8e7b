"""The meaning of every hand-written kernel, in terms of an array namespace ``xp``: slow, complete, obvious."""

from __future__ import annotations

from typing import Any


def cbrt(xp: Any, x: Any) -> Any:
    """The real cube root, by one Newton step from the power, which keeps the sign and the last digits."""
    magnitude = xp.abs(x)
    r = magnitude ** (1.0 / 3.0)
    regular = (r > 0) & xp.isfinite(r)
    safe = xp.where(regular, r, 1.0)
    r = xp.where(regular, safe - (safe - magnitude / (safe * safe)) / 3.0, r)
    return xp.where(x < 0, -r, r)


# ---- the error function: two polynomials, fitted by Chebyshev interpolation in 60 digits -----------------------------

_NEAR = (
    0.12837916709551256, -0.37612638903183543, 0.11283791670945006, -0.02686617064323777, 0.0052239776071164225,
    -0.0008548325975389692, 0.00012055294904839707, -1.492473690741966e-05, 1.6447424703317362e-06,
    -1.6208483801871705e-07, 1.3720064546777686e-08, -7.795898827002142e-10,
)  # fmt: skip
"""erf(x) / x - 1 for |x| ≤ 1, in powers of x², to 6e-18."""
_FAR = (
    0.5535231886653431, 0.03232551127149657, -0.039952582817523126, 0.029186202095383872, -0.0157859017495012,
    0.006499181794219181, -0.001927563119741463, 0.0003202223499268197, 2.5338903805229507e-05,
    -2.9682545421136727e-05, 4.724601519173165e-06, 1.6380581672332e-06, -6.961379962954127e-07,
    -7.13118809389358e-08, 7.971045966931421e-08, 2.0533416764866603e-09, -9.121270640275334e-09,
    -1.2511564604856037e-10, 9.671819387070502e-10, 5.764800131948175e-11, -4.870378477273865e-11,
)  # fmt: skip
"""x · erfc(x) · e^(x²) for 1 ≤ x ≤ 28, in powers of (x - 5) / (x + 3), to 1e-17."""


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """Horner's scheme."""
    out = coefficients[-1] * x + coefficients[-2]
    for c in reversed(coefficients[:-2]):
        out = out * x + c
    return out


def scaled_tail(a: Any) -> Any:
    """erfc(a) · e^(a²) for a of 1 or more."""
    return _polynomial(_FAR, (a - 5.0) / (a + 3.0)) / a


def erf(xp: Any, x: Any) -> Any:
    """The error function, to 1.3 ULP."""
    a = xp.abs(x)
    near = xp.where(a < 1.0, x, xp.zeros_like(x))
    far = xp.where(a < 1.0, xp.ones_like(a), xp.minimum(a, xp.full_like(a, 6.5)))
    tail = 1.0 - xp.exp(-far * far) * scaled_tail(far)
    return xp.where(a < 1.0, near + near * _polynomial(_NEAR, near * near), xp.where(x < 0, -tail, tail))


def erfc(xp: Any, x: Any) -> Any:
    """1 - erf(x) to 4.3 ULP, however small: e^(-x²) is taken in two factors, of which the first is exact."""
    a = xp.abs(x)
    near = xp.where(a < 1.0, x, xp.zeros_like(x))
    far = xp.where(a < 1.0, xp.ones_like(a), xp.minimum(a, xp.full_like(a, 28.0)))
    head = xp.round(far * 16.0) / 16.0
    tail = xp.exp(-head * head) * (xp.exp((head - far) * (head + far)) * scaled_tail(far))
    near = (1.0 - near) - near * _polynomial(_NEAR, near * near)
    return xp.where(a < 1.0, near, xp.where(x < 0, 2.0 - tail, tail))
