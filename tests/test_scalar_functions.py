"""Scalar functions as operations on arrays: beside the scalar function itself, element by element."""

from __future__ import annotations

import inspect
import linecache
import math
import pickle
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from random_scalar_functions import random_function

import gpugrad as gg
from gpugrad import errors

SLOPE = 0.25
COEFFICIENTS = (0.5, -1.0, 0.25, 2.0)
TEXT = "text"
ARRAY = np.ones(3)
STEPS = 3


# ---- functions, and points at which to compare ----------------------------------------------------------------------------


def arithmetic(x: float, y: float) -> float:
    """Operators."""
    a = x * y - x / (2.0 + y) + x**2 - (-y)
    a += +x
    b: float = a % 3.0
    b //= 0.5
    a, b = b + 0.5 * a, a
    return a - b * SLOPE + math.pi + True


def functions(x: float, y: float) -> float:
    s = math.sin(x) + math.cos(y) * math.tan(x * 0.3) + math.asin(x * 0.2) - math.acos(y * 0.2) + math.atan(x)
    s += math.sinh(x) + math.cosh(y) + math.tanh(x * y) + math.asinh(x) + math.acosh(2.0 + y * y) + math.atanh(0.1 * x)
    s += math.exp(x) + math.exp2(y) + math.expm1(x) + math.log(3.5 + x) + math.log(4.0 + y, 2) + math.log2(4 + y)
    s += math.log10(4 + x) + math.log1p(x * x) + math.sqrt(4 + x) + math.cbrt(5 + y) + math.erf(x) + math.erfc(y)
    s += math.gamma(5.0 + x) + math.lgamma(4.5 + y) + math.hypot(x, y) + math.atan2(x, y) + math.fmod(x, 0.7)
    s += math.copysign(x, y) + math.fabs(x) + math.floor(x) + math.ceil(y) + math.trunc(x) + math.degrees(x) * 0.01
    s += math.radians(y) + math.pow(4.0 + x, y) + pow(x, 3) + abs(y) + min(x, y, 0.5) + max(x, y) + round(x)
    return s + round(y, 1) + float(x > y) + math.sqrt(2.0) + 2.0**math.e


def branches(x: float, y: float) -> float:
    if x > 1.0:
        return math.log(x) * y
    if x > y:
        z = x * y
        if y < -1.0:
            return z - 1.0
        z += 2.0
    else:
        z = math.exp(x)
    w = z * z if 0.0 < z <= 3.0 else -z
    return w + x


def conditions(x: float, y: float) -> float:
    inside = -1.0 < x < 1.0 and not y > 0.5
    outside = x > 1.0 or y < -1.0 or x == y
    count = (x > 0.0) + (y > 0.0) + inside
    return count + (x if inside else y) + (2 if outside else 1) * (x > y) + (x or 1.0) + (x and y)


def loops(x: float, y: float) -> float:
    total = 0.0
    for k in range(1, 2 * STEPS, 2):
        for j in range(k):
            if j != 1:
                total += x**k / (j + 1)
            if total > 6.0:
                return total * COEFFICIENTS[0]
    p = 0.0
    for c in COEFFICIENTS:
        p = p * y + c
    return p + total


def module_helper(t: float, scale: float = 2.0) -> float:
    if t > 0.0:
        return math.sqrt(t) * scale
    return t


decorated = gg.elementwise(module_helper)


def helpers(x: float, y: float) -> float:
    def local(t: float) -> float:
        if t < y:
            return t * y
        return y

    return local(x) + module_helper(y) + decorated(x, scale=3.0) + (module_helper(x, 1.0) if x > 0 else local(y))


def signs(x: float, y: float) -> float:
    s = 1 if x > 0 else -1
    flag = False
    if y > 0:
        flag = True
    return s * math.sqrt(abs(x)) + (y if flag else 0) + (s if flag else 0.5)


TWO = [arithmetic, functions, branches, conditions, loops, helpers, signs]
SMOOTH_STEPS = {arithmetic, functions, conditions}  # which also step, so away from steps


def points(n: int = 40) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    return rng.uniform(-2.0, 2.0, (n, 1)), rng.uniform(-2.0, 2.0, (1, n))


@pytest.mark.parametrize("f", TWO, ids=lambda f: f.__name__)
def test_values_are_those_of_the_function(f: Callable[..., float]) -> None:
    x, y = points()
    got = gg.elementwise(f)(x, y)
    assert got.shape == (40, 40)
    np.testing.assert_allclose(got.numpy(), np.vectorize(f, otypes=[float])(x, y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", TWO, ids=lambda f: f.__name__)
def test_derivatives(f: Callable[..., float]) -> None:
    x, y = (v.ravel()[:5] for v in points())
    gg.testing.check_grads(gg.elementwise(f), (gg.tensor(x), gg.tensor(y)), order=2)


@pytest.mark.parametrize("f", TWO, ids=lambda f: f.__name__)
def test_vmap_and_jit(f: Callable[..., float]) -> None:
    g = gg.elementwise(f)
    x, y = points(6)
    x = np.broadcast_to(x, (6, 6)).copy()
    want = g(x, y).numpy()
    np.testing.assert_allclose(gg.vmap(g, (0, None))(x, y[0]).numpy(), want, rtol=1e-13)
    np.testing.assert_allclose(gg.vmap(gg.vmap(g), (None, 0))(x[:, 0], np.tile(y, (4, 1))).numpy()[0], g(x[:, 0], y[0]).numpy(), rtol=1e-13)  # fmt: skip
    np.testing.assert_allclose(gg.jit(g)(x, y).numpy(), want, rtol=1e-11, atol=1e-12)
    slope = gg.grad(lambda x: gg.sum(g(x, y)))
    np.testing.assert_allclose(gg.jit(slope)(x).numpy(), slope(x).numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("f", TWO, ids=lambda f: f.__name__)
def test_float32_stays(f: Callable[..., float]) -> None:
    x, y = (v.astype(np.float32) for v in points(7))
    got = gg.elementwise(f)(x, y)
    assert got.dtype == np.float32
    wide = np.vectorize(f, otypes=[float])(x.astype(float), y.astype(float))
    if f not in SMOOTH_STEPS:
        np.testing.assert_allclose(got.numpy(), wide, rtol=2e-4, atol=1e-4)


def test_it_fuses() -> None:
    x, _ = points(6)
    x = np.broadcast_to(x, (6, 6)).copy()
    sources = gg.jit(gg.elementwise(branches)).sources(x, x)
    assert len(sources) == 1


def test_backends() -> None:
    x, y = points(6)
    want = gg.elementwise(branches)(x, y).numpy()
    with gg.use_backend("reference"):
        np.testing.assert_allclose(gg.elementwise(branches)(x, y).numpy(), want, rtol=1e-13)
    there = gg.elementwise(branches)(gg.asarray(x, device="strict"), gg.asarray(y, device="strict"))
    assert there.device == "strict"
    np.testing.assert_allclose(there.to("cpu").numpy(), want, rtol=1e-13)


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_random_functions(first: int) -> None:
    """Values in float64 and under vmap, and that both modes agree, on whatever can be written."""
    for seed in range(first, first + 50):
        f = random_function(seed)
        rng = np.random.default_rng(seed)
        x, y = rng.uniform(-2.0, 2.0, (2, 20))
        x[:3], y[:3] = (0.0, -1.0, 1.0), (1.0, 0.0, 1.0)
        want = np.array([float(f(float(a), float(b))) for a, b in zip(x, y, strict=True)])
        g = gg.elementwise(f)
        with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", errors.GradientWarning)
            out = g(x, y)
            large = np.abs(want) > 1e50
            np.testing.assert_allclose(
                np.where(large, 0, out.numpy()), np.where(large, 0, want), 1e-9, 1e-9, err_msg=str(seed)
            )
            np.testing.assert_array_equal(gg.vmap(g)(x, y).numpy(), out.numpy())
            if out.dtype == np.float64 and not large.any():
                dx, dy = gg.grad(lambda x, y, g=g: gg.sum(g(x, y)), argnums=(0, 1))(x, y)
                _, along = gg.jvp(g, (x, y), (np.ones(20), np.ones(20)))
                np.testing.assert_allclose(
                    (dx + dy).numpy(), along.numpy(), 1e-7, 1e-7 * max(1.0, np.abs(along.numpy()).max())
                )


@pytest.mark.parametrize("seed", [3, 14, 27])
def test_random_functions_compiled(seed: int) -> None:
    g = gg.elementwise(random_function(seed))
    x, y = np.random.default_rng(seed).uniform(-2.0, 2.0, (2, 20))
    np.testing.assert_allclose(gg.jit(g)(x, y).numpy(), g(x, y).numpy(), 1e-9, 1e-9)


# ---- the side that is not taken --------------------------------------------------------------------------------------------


def root(x: float) -> float:
    return math.sqrt(x) if x > 0.0 else 0.0


def root_by_if(x: float) -> float:
    if x > 0.0:
        y = math.sqrt(x)
    else:
        y = 0.0
    return y


def root_by_return(x: float) -> float:
    if not x > 0.0:
        return 0.0
    return math.sqrt(x)


def root_after_a_return_of_some(x: float) -> float:
    if x <= 1.0:
        if x <= 0.0:
            return 0.0
        y = 1.0
    else:
        y = 2.0
    return y * math.sqrt(x)


def root_in_a_loop(x: float) -> float:
    total = 0.0
    for k in range(3):
        if x <= 0.0:
            return total
        total += math.sqrt(x) * k
    return total


def root_far(x: float) -> float:
    return math.acosh(x + 1.0) * math.log(x) / (x * x) if x > 0.0 else 0.0


def root_nested(x: float) -> float:
    if math.isfinite(x):
        if x > 0.0:
            return x**0.5 + 1.0 / x + math.log(x) ** 2 + math.exp(1.0 / x)
        return 0.0
    return 0.0


def root_by_and(x: float) -> float:
    return 1.0 if x > 0.0 and math.sqrt(x) > 1e9 else 0.0 * (x > 0.0)


def overflow(x: float) -> float:
    return x * x * x * math.exp(x) if abs(x) < 1.0 else 0.0


def difference(x: float) -> float:
    return (x - x) * math.sin(x) + x * x if x == x and abs(x) < 1e3 and x > 0.0 else 0.0


def infinite_factor(x: float) -> float:
    return 0.0 if x <= 0.0 else x * math.inf * 0.0 if x > 1e300 else x * 1.0


def iterated(x: float) -> float:
    y = 0.0
    if 0.0 < x < 1.0:
        y = 64.0 * (x - 0.25)  # 0 at the point where it is taken, 16 at the harmless number
        for _ in range(12):
            y = y * y
        y = math.sqrt(1.0 + y)
    return y


SILENT = [
    root,
    root_by_if,
    root_by_return,
    root_after_a_return_of_some,
    root_in_a_loop,
    root_far,
    root_nested,
    overflow,
    difference,
    iterated,
]
NOT_TAKEN = [0.0, -0.0, -1.0, -1e200, -math.inf]


@pytest.mark.parametrize("f", SILENT, ids=lambda f: f.__name__)
def test_nothing_comes_from_the_side_that_is_not_taken(f: Callable[[float], float]) -> None:
    """Warnings are errors here."""
    not_taken = [1e200, -1e200, math.inf, -math.inf, 3.0, -2.0] if f is overflow else NOT_TAKEN
    x = np.array([*not_taken, 0.25])
    g = gg.elementwise(f)
    assert g(x).tolist() == pytest.approx([0.0] * len(not_taken) + [f(0.25)])
    zeros = [0.0] * len(not_taken)
    for df in (gg.grad(lambda x: gg.sum(g(x))), lambda x: gg.jvp(g, (x,), (np.ones_like(x),))[1]):
        assert df(x).tolist()[:-1] == zeros
        second = gg.grad(lambda x, df=df: gg.sum(df(x)))(x)
        assert second.tolist()[:-1] == zeros
        assert math.isfinite(second.tolist()[-1])
    t = gg.tensor(x, requires_grad=True)
    g(t).sum().backward()
    assert t.grad.tolist()[:-1] == zeros
    with np.errstate(all="ignore"):
        assert gg.jit(gg.grad(lambda x: gg.sum(g(x))))(x).tolist()[:-1] == zeros


def test_nan_is_compared_as_python_compares_it() -> None:
    x = np.array([math.nan, 1.0])
    for f in (root, root_by_if, root_by_return):
        assert gg.elementwise(f)(x).tolist() == [0.0, 1.0]
        assert gg.grad(lambda x, f=f: gg.sum(gg.elementwise(f)(x)))(x).tolist() == [0.0, 0.5]


def test_conditions_are_computed_on_harmless_numbers_too() -> None:
    assert gg.elementwise(root_by_and)(np.array(NOT_TAKEN)).tolist() == [0.0] * 5


def test_an_infinite_factor_of_the_other_side() -> None:
    g = gg.elementwise(infinite_factor)
    with np.errstate(invalid="ignore"):  # 0 · ∞ in the derivative of the product, which is then cut off
        assert gg.grad(lambda x: gg.sum(g(x)))(np.array([-1.0, 2.0])).tolist() == [0.0, 1.0]


# ---- as a function -----------------------------------------------------------------------------------------------------------


@gg.elementwise
def leaky(x: float, slope: float = SLOPE, *, shift: float = 0.0) -> float:
    """A leaky rectifier."""
    return (x if x > 0.0 else slope * x) + shift


def test_name_docstring_signature() -> None:
    assert (leaky.__name__, leaky.__doc__, leaky.__module__) == ("leaky", "A leaky rectifier.", __name__)
    assert str(inspect.signature(leaky)).startswith("(x: 'float', slope: 'float' = 0.25, *, shift")
    assert pickle.loads(pickle.dumps(leaky)) is leaky
    assert gg.elementwise(leaky) is leaky
    assert inspect.isfunction(leaky)


def test_arguments() -> None:
    x = np.array([-2.0, 2.0])
    assert leaky(x).tolist() == [-0.5, 2.0]
    assert leaky(x, 0.5).tolist() == [-1.0, 2.0]
    assert leaky(slope=0.5, x=x, shift=1.0).tolist() == [0.0, 3.0]
    assert leaky([-2.0, 2.0], np.array([[0.5], [1.0]])).tolist() == [[-1.0, 2.0], [-2.0, 2.0]]
    assert gg.grad(lambda s: gg.sum(leaky(x, s)))(0.5).tolist() == -2.0
    assert gg.grad(lambda b: gg.sum(leaky(x, shift=b)))(0.5).tolist() == 2.0
    with pytest.raises(TypeError, match="missing"):
        leaky()
    with pytest.raises(errors.ShapeError, match="broadcast"):
        leaky(np.ones(2), np.ones(3))


def test_numbers_give_a_tensor() -> None:
    out = leaky(-2.0)
    assert isinstance(out, gg.Tensor)
    assert out.shape == ()
    assert out.dtype == np.float64
    assert out.tolist() == -0.5
    assert leaky(-2).tolist() == -0.5


def test_a_python_number_beside_an_array_is_weak_and_may_leave_its_domain() -> None:
    f = gg.elementwise(lambda x, n: x * math.sqrt(n) + 1.0 / n)
    x = np.ones(2, np.float32)
    assert f(x, 4.0).dtype == np.float32
    with np.errstate(all="ignore"):
        assert np.isnan(f(x, -1.0).numpy()).all()
        assert np.isnan(gg.elementwise(lambda x, n: x * n**0.5)(x, -1.0).numpy()).all()
        assert np.isinf(f(x, 0.0).numpy()).all()


def test_truth_values_count() -> None:
    x = np.array([-1.0, 0.5, 2.0], np.float32)
    for f in (
        lambda x: math.atan(x > 0),
        lambda x: ((x > 0) + (x > 1)) * x - (x > 1),
        lambda x: x * ((x > 1) if x > 0 else 2),
        lambda x: abs(-(x > 0)) * 1.5,
        lambda x: float(x > 0) * x,
    ):
        out = gg.elementwise(f)(x)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out.numpy(), [f(float(v)) for v in x], rtol=1e-6)
    for f in (lambda x: (x > 0) & (x < 1), lambda x: ((x > 0) | 2) + 0.0, lambda x: ((x > 0) << 2) * 1.0):
        assert gg.elementwise(f)(x).tolist() == [f(float(v)) for v in x]


def test_integers() -> None:
    f = gg.elementwise(lambda n, m: (n // m + n % m) ** 2 | 1 if n > 1 else -n)
    n = np.arange(5)
    got = f(n, 2)
    assert got.dtype == n.dtype
    assert got.tolist() == [(k // 2 + k % 2) ** 2 | 1 if k > 1 else -k for k in range(5)]
    half = gg.elementwise(lambda n: n / 2 if n > 2 else 0)(n)
    assert half.dtype == np.float64
    assert half.tolist() == [0.0, 0.0, 0.0, 1.5, 2.0]


def test_results_that_do_not_depend_on_the_arguments_have_their_shape() -> None:
    x = np.ones((2, 1), np.float32)
    for f, kind, want in (
        (lambda x, y: 1.5, np.float32, 1.5),
        (lambda x, y: True, np.bool_, True),
        (lambda x, y: y, np.float32, 1.0),
        (lambda x, y: 1.0 if x > 0 else 2.0, np.float32, 1.0),
        (lambda x, y: x > 0, np.bool_, True),
    ):
        out = gg.elementwise(f)(x, np.ones(3, np.float32))
        assert out.shape == (2, 3)
        assert out.dtype == kind
        assert out.tolist() == [[want] * 3] * 2


def test_the_result_is_another_tensor() -> None:
    x = gg.tensor([1.0, 2.0])
    y = gg.elementwise(lambda x: x)(x)
    y[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


def test_closures_are_read_when_it_runs() -> None:
    scale = 2.0
    f = gg.elementwise(lambda x: x * scale)
    assert f([1.0]).tolist() == [2.0]
    scale = 3.0
    assert f([1.0]).tolist() == [3.0]

    def make(n: int, flag: bool) -> Any:
        @gg.elementwise
        def power(x: float) -> float:
            y = 1.0
            for _ in range(n):
                y = y * x
            if flag:
                return y
            return -y

        return power

    assert [make(n, n > 2)([2.0]).tolist() for n in (0, 2, 3)] == [[-1.0], [-4.0], [8.0]]


def test_a_number_that_changes_what_was_certain() -> None:
    n = 2

    @gg.elementwise  # noqa: RET503
    def f(x: float) -> float:
        for k in range(n):
            return x + k

    assert f([1.0]).tolist() == [1.0]
    n = 0
    with pytest.raises(errors.UnsupportedError, match="without a return"):
        f([1.0])


def test_lambdas_on_one_line_are_told_apart() -> None:
    f, g = gg.elementwise(lambda x: x + 1.0), gg.elementwise(lambda x: x * 3.0)
    assert f([2.0]).tolist() == [3.0]
    assert g([2.0]).tolist() == [6.0]
    pair = gg.elementwise(lambda x: x if x > 0 else 1.0), gg.elementwise(lambda x: (x > 1 and x) or -x)
    assert [f([-2.0]).tolist() for f in pair] == [[1.0], [2.0]]
    split = [gg.elementwise(lambda x: 1.0), gg.elementwise(lambda x: 2.0)]
    assert [f([-2.0]).tolist() for f in split] == [[1.0], [2.0]]


def test_lambdas_that_cannot_be_told_apart() -> None:
    """Code without places, as of ``python -X no_debug_ranges``."""
    pair = [lambda x: x, lambda x: x * 2.0]
    one, other = (types.FunctionType(f.__code__.replace(co_linetable=b""), globals()) for f in pair)
    for f in (one, other):
        with pytest.raises(errors.UnsupportedError, match="cannot be told apart"):
            gg.elementwise(f)


def test_infinity_and_nan_as_python_writes_them() -> None:
    f = gg.elementwise(lambda x: float("inf") if x > 1.0 else float("-inf") if x > 0.0 else float("nan"))
    assert str(f([2.0, 0.5, -1.0]).tolist()) == "[inf, -inf, nan]"


def test_elementwise_functions_of_gg() -> None:
    f = gg.elementwise(lambda x: gg.sigmoid(x) if x > 0.0 else gg.special.erfinv(0.5 + x))
    x = np.array([-0.25, 1.0])
    np.testing.assert_allclose(f(x).numpy(), [gg.special.erfinv(0.25).item(), gg.sigmoid(1.0).item()])


def test_lines_in_a_graph_are_the_users() -> None:
    text = str(gg.jit(leaky).graph(np.ones(2)))
    assert "test_scalar_functions.py" in text
    assert "scalar_functions/" not in text.replace("test_scalar_functions", "")


def test_half_precision_and_complex() -> None:
    x = gg.tensor([-1.0, 0.25]).astype("float16")
    out = gg.elementwise(root)(x)
    assert out.dtype == np.float16
    assert out.tolist() == [0.0, 0.5]
    z = gg.elementwise(lambda z: z * z + 1j)(np.array([1.0 + 1.0j]))
    assert z.tolist() == [3.0j]


# ---- what is refused ----------------------------------------------------------------------------------------------------------


def _while(x):  # type: ignore[no-untyped-def]
    while x > 1.0:
        x = x / 2.0
    return x


def _break(x):
    for _ in range(3):
        if x > 1.0:
            break
    return x


def _continue(x):
    for _ in range(3):
        continue
    return x


def _unknown(x):
    return print(x)


def _numpy(x):
    return np.arcsin(x)


def _try(x):
    try:
        return 1.0 / x
    except ZeroDivisionError:
        return 0.0


def _string(x):
    return x + "a"


def _global_string(x):
    return x + TEXT


def _format(x):
    return f"{x}"


def _recursion(x):
    return x * _recursion(x - 1.0) if x > 0.0 else 1.0


def _mutual(x):
    return _mutual_other(x)


def _mutual_other(x):
    return _mutual(x)


def _local_recursion(x):
    def g(t):
        return g(t)

    return g(x)


def _mutation(x):
    COEFFICIENTS[0] = x
    return x


def _mutation_in_place(x):
    COEFFICIENTS[0] += x
    return x


def _mutation_annotated(x):
    math.pi: float = x
    return x


def _attribute(x):
    math.pi = x
    return x


def _global(x):
    global SLOPE
    SLOPE = x
    return x


def _nonlocal(x):
    def g(t):
        nonlocal x
        x = t
        return t

    return g(x)


def _array(x):
    return x + ARRAY


def _method(x):
    return x.sum()


def _element(x):
    return x[0]


def _index(x):
    return COEFFICIENTS[x]


def _range(x, n):
    for _ in range(n):
        x = x * x
    return x


def _long(x):
    for _ in range(10**9):
        x = x * x
    return x


def _list_loop(x):
    for y in [x, x]:
        x = y
    return x


def _no_return(x):  # noqa: RET503
    if x > 0.0:
        return x


def _bare_return(x):
    return


def _tuple(x):
    return x, x


def _unassigned(x):
    if x > 0.0:
        y = 1.0
    return y


def _undefined(x):
    return x + defined_nowhere  # noqa: F821


def _walrus(x):
    return (y := x) + y


def _assert(x):
    assert x > 0.0
    return x


def _raise(x):
    if x > 0.0:
        return x
    raise ValueError


def _import(x):
    import math as m

    return m.pi * x


def _with(x):
    with open("f"):
        return x


def _match(x):
    match x:
        case 1:
            return 2.0
    return x


def _is(x):
    return 1.0 if x is None else 2.0


def _statement(x):
    x * 2.0
    return x


def _star(x):
    return max(*COEFFICIENTS, x)


def _keyword(x):
    return round(x, ndigits=2)


def _count(x):
    return math.sin(x, x)


def _places(x):
    return round(x, x)


def _varargs(*xs):
    return 1.0


def _matmul(x):
    return x @ x


def _comprehension(x):
    return sum([x for _ in range(3)])


def _lambda(x):
    g = lambda t: t
    return g(x)


def _helper_in_trouble(x):
    return _try(x)


def _unpacking(x):
    a, b = x
    return a + b


def _default(x):
    def g(t, n=2):
        return t * n

    return g(x)


def _text_default(x, how="fast"):
    return x


def _for_else(x):
    for _ in range(2):
        x = x + 1.0
    else:
        x = x * 2.0
    return x


REFUSED = {
    _while: ("while", 1, "range(n)"), _break: ("break", 3, "y = step(y)"), _continue: ("continue", 2, "under an if"),
    _unknown: ("print", 1, "functions of math"), _numpy: ("np.arcsin", 1, "math.asin"), _try: ("try", 1, "if before"),
    _string: ("a text", 1, "numbers"), _global_string: ("TEXT is of type str", 1, "close over numbers"),
    _format: ("a text", 1, "numbers"), _recursion: ("calls itself", 1, "loop"), _mutual: ("calls itself", 5, "loop"),
    _local_recursion: ("calls itself", 2, "loop"), _mutation: ("assignment to COEFFICIENTS[0]", 1, "name of the function's own"),
    _mutation_in_place: ("no name", 1, "name of the function's own"), _mutation_annotated: ("no name", 1, "name of the function's own"),
    _attribute: ("assignment to math.pi", 1, "name of the function's own"), _global: ("global", 1, "Return the number"),
    _nonlocal: ("nonlocal", 2, "Return the number"), _array: ("ARRAY is of type ndarray", 1, "arguments"),
    _method: ("a call of x.sum", 1, "no methods"), _element: ("x[0]", 1, "one number"), _index: ("index that depends on x", 1, "if"),
    _range: ("depends on n", 1, "constant"), _long: ("1000000000 steps", 1, "at most"), _list_loop: ("loop over [x, x]", 1, "range(n)"),
    _no_return: ("not every path", 1, "else"), _bare_return: ("return without", 1, "Return a number"), _tuple: ("several results", 1, "one function"),
    _unassigned: ("y is not assigned", 3, "before"), _undefined: ("defined_nowhere is not defined", 1, "above"), _walrus: ("assignment in an expression", 1, "line before"),
    _assert: ("assert", 1, "math.nan"), _raise: ("raise", 3, "math.nan"), _import: ("import", 1, "top of the file"), _with: ("with", 1, "around"),
    _match: ("match", 1, "elif"), _is: ("is and in", 1, "=="), _statement: ("not used", 1, "return it"), _star: ("* or **", 1, "each argument"),
    _keyword: ("a keyword", 1, "position"), _count: ("math.sin of 2 numbers", 1, "1 here"), _places: ("places", 1, "round(x, 2)"),
    _varargs: ("*args", 0, "Name each"), _matmul: ("matrix product", 1, "gg.matmul"), _comprehension: ("a list", 1, "range(n)"),
    _lambda: ("lambda", 1, "def"), _helper_in_trouble: ("try", None, "if before"), _unpacking: ("unpacking", 1, "as many"),
    _text_default: ("default 'fast'", 0, "Give a number"), _default: ("default", 1, "where it is called"), _for_else: ("else of a loop", 1, "after the loop"),
}  # fmt: skip


@pytest.mark.parametrize("f", REFUSED, ids=lambda f: f.__name__.strip("_"))
def test_refused_with_line_and_way_out(f: Callable[..., Any]) -> None:
    what, line, instead = REFUSED[f]
    with pytest.raises(errors.UnsupportedError) as caught:
        gg.elementwise(f)
    message = str(caught.value)
    assert what in message
    assert instead in message
    first = (_try if f is _helper_in_trouble else f).__code__.co_firstlineno
    number = first + (1 if line is None else line)
    assert f"{__file__}:{number}" in message
    assert linecache.getline(__file__, number).strip() in message


def test_a_refused_function_can_be_tried_again() -> None:
    for _ in range(2):
        with pytest.raises(errors.UnsupportedError, match="calls itself"):
            gg.elementwise(_mutual)


def test_source_that_is_not_there() -> None:
    space: dict[str, Any] = {}
    exec("def f(x): return x", space)
    with pytest.raises(errors.UnsupportedError, match=r"source of f is not available.*into a file"):
        gg.elementwise(space["f"])


def test_source_that_has_changed(tmp_path: Any) -> None:
    path = tmp_path / "changing.py"
    path.write_text("def f(x):\n    return x\n")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    path.write_text("# another line\ndef f(x, y):\n    return x\n")
    with pytest.raises(errors.UnsupportedError, match=r"has changed.*Import it again"):
        gg.elementwise(space["f"])


@pytest.mark.parametrize("f", [math.sin, np.sin, 3, int, gg.grad(module_helper)], ids=["math", "ufunc", "number", "class", "transformed"])  # fmt: skip
def test_what_is_no_scalar_function(f: Any) -> None:
    with pytest.raises(errors.UnsupportedError, match=r"Python|decorator"):
        gg.elementwise(f)


def test_generators_are_refused() -> None:
    def f(x: float) -> Any:
        yield x

    with pytest.raises(errors.UnsupportedError, match="generator"):
        gg.elementwise(f)


def test_the_public_name_is_the_decorator() -> None:
    assert gg.elementwise.__module__ == "gpugrad.scalar_functions"
    assert "elementwise" in gg.__all__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gg.elementwise(root)([4.0]).tolist() == [2.0]
