"""The scalar functions of compiled loops: their errors in ULP, their special values, and that LLVM vectorises them."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from gpugrad.kernels.scalar_math import table
from scalar_math_witness import BINARY, WITNESS, exact, inside, regions, ulps

INF, NAN = np.inf, np.nan
NEAR = "near "
"""Before the name of a primitive: its quicker function, for arguments near 0."""
NAMES = [*sorted(table.NAMES), *(NEAR + name for name in sorted(table.NEAR))]
DTYPES = (np.float32, np.float64)
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
GAMMAS = ("gammaln", "digamma")


@cache
def loops(name, dtype):
    """The compiled loop, as the compiler prints it."""
    import numba

    look_up = table.near_functions if name.startswith(NEAR) else table.functions
    f = look_up(name.removeprefix(NEAR))[DTYPES.index(dtype)]
    array = numba.from_dtype(np.dtype(dtype))[::1]
    if name in BINARY:

        def loop(out, x, y):
            for i in range(out.size):
                out[i] = f(x[i], y[i])

    else:

        def loop(out, x):
            for i in range(out.size):
                out[i] = f(x[i])

    arguments = (array,) * (3 if name in BINARY else 2)
    return numba.njit(arguments, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")(loop)


def call(name, *arguments):
    out = np.empty_like(arguments[0])
    loops(name, out.dtype.type)(out, *arguments)
    return out


def arguments_of(name, dtype, count):
    """Samples of the domain; of two arguments, pairs of one region, as many of near numbers, and the signs a power takes."""
    rng = np.random.default_rng(7)
    bound = table.NEAR[name.removeprefix(NEAR)] if name.startswith(NEAR) else INF
    xs = [inside(name, x[np.abs(x) <= bound]) for x in regions(dtype, count, rng).values()]
    if name in GAMMAS:
        xs = [x[(x > 0.0) | (x != np.floor(x))] for x in xs]  # the poles are special values
    if name not in BINARY:
        return (np.concatenate(xs),)
    ys = list(regions(dtype, count, rng).values())
    with np.errstate(over="ignore"):
        near = [(x * rng.uniform(0.5, 2.0, count)).astype(dtype) for x in xs]
    x, y = np.concatenate(xs + xs), np.concatenate(ys + near)
    fits = np.isfinite(y)
    return (np.abs(x[fits]), y[fits]) if name == "pow" else (x[fits], y[fits])


def scale_of(name, arguments, high):
    """A sum that cancels is measured by what it is a sum of."""
    if name in GAMMAS:
        reflected = call(name, np.where(arguments[0] < 0.0, 1.0 - arguments[0], arguments[0]))
        return np.maximum(np.maximum(np.abs(high), np.abs(reflected)), np.where(arguments[0] < 0.0, 1.0, 0.0))
    return np.maximum(np.abs(np.maximum(*arguments)), np.abs(high)) if name == "logaddexp" else None


@pytest.mark.parametrize("name", NAMES)
def test_errors_in_double_precision_are_bounded(name):
    arguments = arguments_of(name, np.float64, 80 if name in BINARY else 200)
    high, low = exact(name.removeprefix(NEAR), *arguments)
    error = ulps(call(name, *arguments), high, low, scale_of(name, arguments, high))
    worst = np.argmax(error)
    assert error[worst] <= OTHERS.get(name.removeprefix(NEAR), COMMON), [float(x[worst]) for x in arguments]


@pytest.mark.parametrize("name", NAMES)
def test_errors_in_single_precision_are_bounded(name):
    arguments = arguments_of(name, np.float32, 20000)
    doubles = [x.astype(np.float64) for x in arguments]
    high = call(name.removeprefix(NEAR), *doubles)
    error = ulps(call(name, *arguments), high, 0.0, scale_of(name, doubles, high))
    worst = np.argmax(error)
    assert error[worst] <= OTHERS.get(name.removeprefix(NEAR), COMMON), [float(x[worst]) for x in arguments]


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
    assert re.search(rf"(fmul|fadd)[a-z ]*<\d+ x {real}>", text)
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
