"""The scalar functions of compiled loops: their errors in ULP, their special values, and that LLVM vectorises them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scalar_math_witness import (
    BINARY,
    DTYPES,
    NAMES,
    NEAR,
    WITNESS,
    arguments_of,
    call,
    errors_in_double,
    errors_in_single,
    exact,
    loops,
    ulps,
)

from gpugrad.kernels.scalar_math import table

INF, NAN = np.inf, np.nan
COMMON = 2.0
"""ULP of the common functions."""
OTHERS = dict.fromkeys(
    (
        "logaddexp",
        "erfc",
        "sinc",
        "tan",
        "pow",
        "atan2",
        "asin",
        "acos",
        "asinh",
        "acosh",
        "atanh",
        "erfinv",
        "gammaln",
        "digamma",
    ),
    4.0,
)
"""ULP of the rest."""


@pytest.mark.parametrize("name", NAMES)
def test_errors_in_double_precision_are_bounded(name):
    for region, arguments in arguments_of(name, np.float64, 80 if name in BINARY else 200).items():
        error = errors_in_double(name, arguments)
        worst = np.argmax(error)
        assert error[worst] <= OTHERS.get(name.removeprefix(NEAR), COMMON), (
            region,
            [float(x[worst]) for x in arguments],
        )


@pytest.mark.parametrize("name", NAMES)
def test_errors_in_single_precision_are_bounded(name):
    for region, arguments in arguments_of(name, np.float32, 20000).items():
        error = errors_in_single(name, arguments)
        worst = np.argmax(error)
        assert error[worst] <= OTHERS.get(name.removeprefix(NEAR), COMMON), (
            region,
            [float(x[worst]) for x in arguments],
        )


def test_the_double_nearest_to_a_multiple_of_half_pi():
    """Its cosine is that of no other double: 4.7e-19, of which the reduction must have 53 digits more."""
    x = np.array([6381956970095103.0 * 2.0**797])
    high, low = exact("cos", x)
    assert ulps(call("cos", x), high, low)[0] <= COMMON


SPECIAL = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0)],
    "exp2": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (-3.0, 0.125), (10.0, 1024.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log2": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (8.0, 3.0), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log10": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (1000.0, 3.0), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-2.0, NAN), (-INF, NAN)],
    "logaddexp": [
        (-INF, -INF, -INF),
        (INF, INF, INF),
        (-INF, INF, INF),
        (INF, 1.0, INF),
        (-INF, 1.0, 1.0),
        (2.0, -INF, 2.0),
    ],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)],
    "erfc": [(0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "sinc": [(0.0, 1.0), (-0.0, 1.0), (1.0, 0.0), (-2.0, 0.0), (1e30, 0.0), (INF, NAN), (-INF, NAN)],
    "pow": [
        (2.0, 10.0, 1024.0),
        (-2.0, 3.0, -8.0),
        (-2.0, 0.5, NAN),
        (0.0, 0.0, 1.0),
        (-0.0, 3.0, -0.0),
        (-0.0, 2.0, 0.0),
        (0.0, -1.0, INF),
        (-0.0, -1.0, -INF),
        (-0.0, -2.0, INF),
        (-0.0, 0.5, 0.0),
        (INF, 2.0, INF),
        (INF, -2.0, 0.0),
        (-INF, 3.0, -INF),
        (-INF, 2.0, INF),
        (-INF, -3.0, -0.0),
        (-INF, 0.5, INF),
        (2.0, INF, INF),
        (2.0, -INF, 0.0),
        (0.5, INF, 0.0),
        (0.5, -INF, INF),
        (-1.0, INF, 1.0),
        (-1.0, -INF, 1.0),
        (1.0, INF, 1.0),
        (-2.0, INF, INF),
        (-2.0, 1e30, INF),
        (-1.0, 1e30, 1.0),
        (NAN, 1.0, NAN),
        (2.0, NAN, NAN),
        (INF, 0.0, 1.0),
    ],
    "cbrt": [(0.0, 0.0), (-0.0, -0.0), (27.0, 3.0), (-0.125, -0.5), (INF, INF), (-INF, -INF)],
    "hypot": [(3.0, -4.0, 5.0), (0.0, -0.0, 0.0), (-INF, 1.0, INF), (1.0, INF, INF), (NAN, 1.0, NAN), (1.0, NAN, NAN)],
    "atan": [(0.0, 0.0), (-0.0, -0.0), (INF, np.pi / 2), (-INF, -np.pi / 2), (1.0, np.pi / 4)],
    "atan2": [
        (0.0, 0.0, 0.0),
        (-0.0, 0.0, -0.0),
        (0.0, -0.0, np.pi),
        (-0.0, -0.0, -np.pi),
        (0.0, 1.0, 0.0),
        (-0.0, 1.0, -0.0),
        (0.0, -1.0, np.pi),
        (-0.0, -1.0, -np.pi),
        (1.0, 0.0, np.pi / 2),
        (-1.0, -0.0, -np.pi / 2),
        (INF, INF, np.pi / 4),
        (INF, -INF, 3 * np.pi / 4),
        (-INF, INF, -np.pi / 4),
        (-INF, -INF, -3 * np.pi / 4),
        (1.0, INF, 0.0),
        (1.0, -INF, np.pi),
        (-1.0, -INF, -np.pi),
        (INF, 1.0, np.pi / 2),
        (-INF, -1.0, -np.pi / 2),
    ],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (1.0, np.pi / 2), (-1.0, -np.pi / 2), (1.5, NAN), (-INF, NAN)],
    "acos": [(1.0, 0.0), (0.0, np.pi / 2), (-0.0, np.pi / 2), (-1.0, np.pi), (1.5, NAN), (INF, NAN)],
    "asinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF)],
    "acosh": [(1.0, 0.0), (INF, INF), (0.5, NAN), (-3.0, NAN), (-INF, NAN)],
    "atanh": [(0.0, 0.0), (-0.0, -0.0), (1.0, INF), (-1.0, -INF), (1.5, NAN), (INF, NAN)],
    "erfinv": [(0.0, 0.0), (-0.0, -0.0), (1.0, INF), (-1.0, -INF), (1.5, NAN), (-INF, NAN)],
    "gammaln": [(0.0, INF), (-0.0, INF), (-1.0, INF), (-2.0, INF), (1.0, 0.0), (2.0, 0.0), (INF, INF), (-INF, INF)],
    "digamma": [(0.0, -INF), (-0.0, -INF), (-1.0, NAN), (-2.0, NAN), (INF, INF), (-INF, NAN)],
}
"""Arguments, and exactly what the function is there: the sign of zero too. A NaN is NaN always."""
NOT_NAN = {("pow", (NAN, 0.0)): 1.0, ("pow", (1.0, NAN)): 1.0, ("hypot", (INF, NAN)): INF, ("hypot", (NAN, INF)): INF}
"""But for what NumPy has."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_special_values(name, dtype):
    count = 2 if name in BINARY else 1
    rows = [*SPECIAL[name.removeprefix(NEAR)], ((NAN,) * count + (NAN,))]
    rows += [(*xs, out) for (other, xs), out in NOT_NAN.items() if other == name]
    if name in BINARY and name not in ("pow", "hypot"):
        rows += [(NAN, 1.0, NAN), (1.0, NAN, NAN)]
    *arguments, expected = np.array(rows, dtype).T
    got = call(name, *[np.ascontiguousarray(x) for x in arguments])
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got)[expected == 0], np.signbit(expected)[expected == 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_loops_are_vectorised_and_call_nothing(name, dtype):
    loop = loops(name, dtype)
    (signature,) = loop.signatures
    text = loop.inspect_llvm(signature)
    real = "(float|double)" if dtype == np.float32 else "double"  # some take single precision through double
    # the table of the circular functions has gathers, which LLVM thinks too dear on some processors
    gathers = name in table.NEAR and dtype == np.float64
    assert gathers or re.search(rf"(fmul|fadd)[a-z ]*<\d+ x {real}>", text)
    body = text.split("define ")[1].split("\n}")[0]
    called = {m for m in re.findall(r"call[^@\n]*@\"?([\w.]+)", body) if not m.startswith("llvm.")}
    assert called <= {"NRT_incref", "NRT_decref"}
    libm = {"exp", "log", "sin", "cos", "tan", "pow", "fma", "rint", "floor", "sqrt", "ldexp", "fabs", "copysign"}
    names = set(re.findall(r"[a-z]\w+", loop.inspect_asm(signature)))
    assert not names & (libm | {f"{f}f" for f in libm})


def test_each_function_has_a_witness_and_special_values():
    assert WITNESS.keys() >= table.NAMES
    assert SPECIAL.keys() >= table.NAMES
    with pytest.raises(KeyError):
        table.functions("no such function")
