"""Compiled functions: what eager execution gives, wherever they stand, in one program for each kind of arguments."""

from __future__ import annotations

import copy
import multiprocessing
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from case import Case
from cases import positions, sample
from test_table import agree, cast, check, differentiable, differentiated, directions, picked, results

import gpugrad as gg
from gpugrad import dtypes
from gpugrad.backends import parallel
from gpugrad.transforms.cells import Cells, Held

pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")


@pytest.fixture
def threads() -> Iterator[None]:
    """The number of threads is put back."""
    before = gg.config.threads
    yield
    gg.config.threads = before


def close(got: Any, wanted: Any, rtol: float = 1e-9) -> None:
    agree(list(map(gg.asarray, got)), list(map(gg.asarray, wanted)), rtol, "result")


# ---- every row of the table -------------------------------------------------------------------------------------------


def tolerance(xs: Any) -> float:
    return 1e-9 if all(dtypes.of(x).itemsize >= 8 for x in xs if dtypes.is_inexact(x.dtype)) else 1e-5


@check("jit")
def test_rows_compiled(case: Case, by_python: None) -> None:
    args = list(map(gg.asarray, sample(case)))
    wanted = results(case, args)
    got = gg.jit(lambda *xs: results(case, xs))(*args)
    agree(got, wanted, tolerance(wanted), "result")


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@check("jit")
def test_rows_compiled_in_precision(case: Case, precision: str, by_python: None) -> None:
    args = sample(case)
    if precision in case.without or (precision != "float32" and any(a.dtype.kind == "c" for a in args)):
        return
    narrow = [cast(a, precision) for a in args]
    if all(a is b for a, b in zip(args, narrow, strict=True)):
        return
    xs = list(map(gg.asarray, narrow))
    got, wanted = gg.jit(lambda *xs: results(case, xs))(*xs), results(case, xs)
    for a, b in zip(got, wanted, strict=True):
        assert dtypes.of(a) == dtypes.of(b)
    rtol = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}[precision]
    agree(got, wanted, rtol, "result")


@check("jit")
def test_rows_differentiated_inside_and_outside(case: Case, by_python: None) -> None:
    if not differentiable(case):
        return
    args = sample(case)
    f, xs = differentiated(case, args), picked(case, args)
    out, pull = gg.vjp(f, *xs)
    seeds = tuple(directions(out, 2))
    wanted = pull(seeds)
    tangents = directions(xs, 1)
    compiled = gg.jit(f)
    got = gg.vjp(compiled, *xs)[1](seeds)
    agree(got, wanted, 1e-8, "cotangent, jit inside")
    agree(gg.jit(lambda *a: gg.vjp(f, *a)[1](seeds))(*xs), wanted, 1e-8, "cotangent, jit outside")
    moved = gg.jvp(f, xs, tangents)[1]
    agree(gg.jvp(compiled, xs, tangents)[1], moved, 1e-8, "tangent, jit inside")
    agree(gg.jit(lambda *a: gg.jvp(f, a, tangents)[1])(*xs), moved, 1e-8, "tangent, jit outside")


@check("jit")
def test_rows_mapped(case: Case, by_python: None) -> None:
    if "vmap" in case.without or not positions(case):
        return
    args = sample(case)
    f, xs = differentiated(case, args), picked(case, args)
    stacked = [gg.stack([gg.asarray(x), 0.75 * gg.asarray(x)]) for x in xs]
    try:
        wanted = gg.vmap(f)(*stacked)
    except (gg.errors.GpugradError, np.linalg.LinAlgError):
        return  # the row has no value there
    agree(gg.vmap(gg.jit(f))(*stacked), wanted, 1e-8, "jit inside vmap")
    agree(gg.jit(gg.vmap(f))(*stacked), wanted, 1e-8, "vmap inside jit")


# ---- by Numba -----------------------------------------------------------------------------------------------------------

PROGRAMS = {
    "a map": lambda x: gg.sin(x) * x + gg.exp(-x),
    "a map of two shapes": lambda x: x * gg.sum(x, axis=0) + x[:, :1],
    "a sum": lambda x: gg.sum(gg.tanh(x) ** 2),
    "sums of rows and columns": lambda x: (gg.sum(x * x, axis=-1), gg.sum(gg.cos(x), axis=0)),
    "softmax": lambda x: gg.softmax(x, axis=-1),
    "layer norm": lambda x: gg.layer_norm(x),
    "a maximum": lambda x: gg.max(x * 2.0, axis=-1) - gg.min(x, axis=-1),
    "choices": lambda x: gg.where(x > 0.5, gg.sqrt(gg.abs(x)), gg.clip(x, -0.5, 0.5)) + gg.relu(x) + gg.sign(x),
    "logic": lambda x: gg.logical_and(x > 0.0, gg.logical_not(x < 0.5)),
    "integers": lambda x: gg.cumsum(gg.astype(x > 0.0, gg.int64), axis=0) * 2,
    "a product": lambda x: gg.sum(gg.exp(x @ x.T) * 0.01),
    "scalar functions": lambda x: (
        gg.log1p(gg.abs(x)) + gg.erf(x) + gg.sigmoid(x) * gg.softplus(x) + gg.log(x * x + 1.0)
    ),
    "a cast": lambda x: gg.astype(x, gg.float32) * 0.1,
    "a slice": lambda x: x[1:, ::2] * 2.0 + 1.0,
    "numbers": lambda x: gg.std(x) / gg.mean(x * x),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_compiled_by_numba(name: str, dtype: str) -> None:
    f = PROGRAMS[name]
    x = gg.asarray(np.random.default_rng(0).normal(size=(5, 6)), dtype=dtype)
    rtol = 1e-12 if dtype == "float64" and name != "a cast" else 1e-5
    wanted, got = gg.pytree.leaves(f(x)), gg.pytree.leaves(gg.jit(f)(x))
    agree(got, wanted, rtol, "value")

    def total(x: Any) -> Any:
        return sum(gg.sum(o * o * o) for o in gg.pytree.leaves(f(x)) if dtypes.is_inexact(o.dtype))

    if name not in ("logic", "integers"):
        agree([gg.jit(gg.grad(total))(x)], [gg.grad(total)(x)], 10 * rtol, "gradient")


def test_rows_of_one_element() -> None:
    """What is kept between two passes over such a row is one number, which is an array all the same."""
    x = gg.tensor([[2.0]])
    close([gg.jit(lambda x: gg.softmax(x, axis=-1))(x)], [[[1.0]]])
    close([gg.jit(lambda x: gg.exp(x) * gg.sum(gg.exp(x)))(gg.tensor(1.0))], [np.exp(2.0)])


def test_special_values_keep_their_meaning() -> None:
    x = gg.tensor([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-320, -1e-320, 1e300])
    for f in (
        gg.floor,
        gg.ceil,
        gg.trunc,
        gg.round,
        gg.exp,
        gg.tanh,
        gg.sqrt,
        gg.sigmoid,
        gg.log1p,
        gg.sign,
        gg.relu,
        gg.abs,
        gg.square,
        gg.isnan,
        gg.isfinite,
    ):
        with np.errstate(all="ignore"):
            wanted = f(x).numpy()
        np.testing.assert_allclose(gg.jit(f)(x).numpy(), wanted, rtol=1e-14)
    with np.errstate(all="ignore"):
        for f in (gg.max, gg.min, gg.sum):
            np.testing.assert_array_equal(gg.jit(lambda x, f=f: f(x * 1.0))(x).numpy(), f(x).numpy())
        for f in (gg.maximum, gg.minimum):
            np.testing.assert_array_equal(gg.jit(lambda x, f=f: f(x, x[::-1]))(x).numpy(), f(x, x[::-1]).numpy())


# ---- what is read and shown -------------------------------------------------------------------------------------------------


def test_text_of_a_kernel_and_of_the_plan() -> None:
    f = gg.jit(lambda x: gg.softmax(2.0 * x, axis=-1))
    x = gg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    text = f.sources(x)["kernel_0"]
    said = [line.split("  #")[0].rstrip() for line in text.splitlines()]
    assert said == [
        "def kernel(x_at_1, out_multiply_1, row_exp_1):",
        "    n0 = x_at_1.shape[0]",
        "    n1 = x_at_1.shape[1]",
        "    for i0 in range(n0):",
        "        reduce_max_1 = np.float64(-np.inf)",
        "        for b in range(0, n1, 4096):",
        "            block_reduce_max_1 = np.float64(-np.inf)",
        "            x_at_1_part = x_at_1[i0, b:b + 4096]",
        "            for i1 in range(min(4096, n1 - b)):",
        "                x_1 = x_at_1_part[i1]",
        "                multiply_1 = np.float64(2.0) * x_1",
        "                block_reduce_max_1 = maximum(multiply_1, block_reduce_max_1)",
        "            reduce_max_1 = maximum(block_reduce_max_1, reduce_max_1)",
        "        isfinite_1 = abs(reduce_max_1) < np.inf",
        "        where_1 = select(isfinite_1, reduce_max_1, np.float64(0.0))",
        "        reduce_sum_1 = np.float64(0)",
        "        for b in range(0, n1, 4096):",
        "            block_reduce_sum_1 = np.float64(0)",
        "            x_at_1_part = x_at_1[i0, b:b + 4096]",
        "            row_exp_1_part = row_exp_1[b:b + 4096]",
        "            for i1 in range(min(4096, n1 - b)):",
        "                x_1 = x_at_1_part[i1]",
        "                multiply_1 = np.float64(2.0) * x_1",
        "                subtract_1 = multiply_1 - where_1",
        "                exp_1 = exp_f64(subtract_1)",
        "                row_exp_1_part[i1] = exp_1",
        "                block_reduce_sum_1 += exp_1",
        "            reduce_sum_1 += block_reduce_sum_1",
        "        divide_1 = np.float64(1.0) / reduce_sum_1",
        "        for i1 in range(n1):",
        "            exp_1 = row_exp_1[i1]",
        "            multiply_2 = exp_1 * divide_1",
        "            out_multiply_1[i0, i1] = multiply_2",
    ]
    assert "test_jit.py" in text
    assert "kernel_0(x_0, multiply_1, row_exp_1" in f.plan(x)
    assert str(f.graph(x)).startswith("(x: float64[2, 3]):\n  multiply: float64[2, 3] = multiply(2.0, x)")


def test_rows_of_one_element_by_numba() -> None:
    for shape in ((1,), (1, 1), (3, 1)):
        x = gg.full(shape, 2.0)
        close([gg.jit(lambda x: gg.softmax(x, axis=-1))(x)], [np.ones(shape)])


def test_sizes_are_not_in_the_kernels() -> None:
    f = gg.jit(lambda x: gg.sum(gg.exp(x) * x, axis=-1))
    a, b = (f.sources(gg.zeros(shape)) for shape in ((3, 4), (50, 7)))
    assert a == b


def test_a_chain_of_many_operations_is_cut_into_kernels_in_linear_time() -> None:
    def f(x: Any) -> Any:
        for k in range(2000):
            x = x * 1.0001 + 0.001 * k
        return x

    graph = gg.jit(f).graph(gg.ones(3))
    assert len(graph.lines) == 4000


# ---- programs ---------------------------------------------------------------------------------------------------------------


def test_python_runs_once_for_each_kind_of_arguments(by_python: None) -> None:
    seen: list[Any] = []

    @gg.jit
    def f(x: Any, scale: float = 2.0) -> Any:
        seen.append((x.shape, scale))
        return x * scale

    for _ in range(3):
        close(
            [f(gg.ones(3)), f(gg.ones(4)), f(gg.ones(3), 3.0), f(gg.ones(3), scale=3.0)],
            [np.full(3, 2.0), np.full(4, 2.0), np.full(3, 3.0), np.full(3, 3.0)],
        )
    assert seen == [((3,), 2.0), ((4,), 2.0), ((3,), 3.0), ((3,), 3.0)]


def test_static_arguments_and_containers(by_python: None) -> None:
    f = gg.jit(
        lambda n, tree, flag: {"y": tree["a"] * n if flag else tree["b"][0], "n": n, "none": None}, static_argnums=0
    )
    out = f(3, {"a": np.ones(2), "b": [gg.tensor(5.0)]}, True)
    close([out["y"]], [np.full(2, 3.0)])
    assert out["n"] == 3 and out["none"] is None
    close([f(3, {"a": np.ones(2), "b": [gg.tensor(5.0)]}, False)["y"]], [5.0])
    with pytest.raises(gg.errors.DtypeError, match="bytearray is no array, and not hashable"):
        f(bytearray(b"x"), {"a": np.ones(2), "b": [gg.tensor(5.0)]}, True)


def test_results_are_new_arrays(by_python: None) -> None:
    x = np.ones(3)
    f = gg.jit(lambda x: (x, gg.reshape(x, (3, 1)), x * 2.0, gg.reshape(x * 2.0, (1, 3))))
    first, second = f(x), f(x)
    arrays = [o.numpy() for o in (*first, *second)]
    for k, a in enumerate(arrays):
        assert not np.shares_memory(a, x)
        assert not any(np.shares_memory(a, b) for b in arrays[k + 1 :])


def test_random_numbers_are_those_of_eager_execution(by_python: None) -> None:
    def f(x: Any) -> Any:
        return gg.random.dropout(x, 0.5) + gg.random.normal(x.shape)

    x = gg.ones((4, 5))
    gg.random.seed(7)
    wanted = [f(x) for _ in range(3)]
    gg.random.seed(7)
    compiled = gg.jit(f)
    close([compiled(x) for _ in range(3)], wanted)
    key = gg.random.key(3)
    close([gg.jit(lambda k: gg.random.uniform((3,), key=k))(key)], [gg.random.uniform((3,), key=key)])


def test_a_compiled_function_in_a_compiled_function(by_python: None) -> None:
    inner = gg.jit(lambda x: x * x)
    outer = gg.jit(lambda x: gg.sum(inner(x) + gg.grad(lambda y: gg.sum(inner(y)))(x)))
    close([outer(gg.tensor([1.0, 2.0]))], [5.0 + 6.0])


def test_higher_derivatives_and_hessians(by_python: None) -> None:
    f = lambda x: gg.sum(gg.exp(x) * gg.sin(x[::-1]))
    x = gg.tensor([0.3, -0.2, 0.5])
    for transform in (gg.hessian, lambda f: gg.jacrev(gg.grad(f)), lambda f: gg.jacfwd(gg.jacfwd(f))):
        wanted = transform(f)(x)
        close([transform(gg.jit(f))(x), gg.jit(transform(f))(x)], [wanted, wanted])


# ---- cells -------------------------------------------------------------------------------------------------------------------


def network() -> Any:
    gg.random.seed(0)
    return gg.nn.Sequential(
        gg.nn.Linear(6, 8, bias=False), gg.nn.BatchNorm1d(8), gg.nn.ReLU(), gg.nn.Dropout(0.25), gg.nn.Linear(8, 3)
    )


OPTIMIZERS = {
    "SGD": lambda p: gg.optim.SGD(p, lr=0.1),
    "SGD, Nesterov": lambda p: gg.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: gg.optim.Adam(p, lr=0.01),
    "Adam, amsgrad": lambda p: gg.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
    "AdamW": lambda p: gg.optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: gg.optim.RMSprop(p, lr=0.01, centered=True, momentum=0.9),
}


def trained(model: Any, optimizer: Any, compiled: bool, steps: int = 5) -> list[float]:
    rng = np.random.default_rng(1)
    schedule = gg.optim.Schedule(optimizer, gg.optim.cosine(10))

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = gg.cross_entropy(model(x), y)
        loss.backward()
        gg.optim.clip_grad_norm_(list(model.parameters()), 1.0)
        optimizer.step()
        return loss

    run = gg.jit(step) if compiled else step
    losses = []
    gg.random.seed(5)
    for _ in range(steps):
        x = gg.asarray(rng.normal(size=(4, 6)).astype(np.float32))
        losses.append(run(x, gg.asarray(rng.integers(0, 3, 4))).item())
        schedule.step()
    return losses


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_that_leaves_no_gradients(name: str, by_python: None) -> None:
    """Gradients come and go within it; what is left is the parameters, and what the optimizer keeps."""
    losses = []
    for compiled in (False, True):
        w = gg.nn.Parameter(gg.tensor([1.0, 2.0]))
        optimizer = OPTIMIZERS[name]([w])

        def step(x: Any) -> Any:
            loss = gg.sum(gg.square(w * x))  # noqa: B023
            loss.backward()
            optimizer.step()  # noqa: B023
            optimizer.zero_grad()  # noqa: B023
            return loss

        run = gg.jit(step) if compiled else step
        losses.append([run(gg.tensor([1.0, -0.5])).item() for _ in range(4)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_compiled_whole(name: str, by_python: None) -> None:
    model = network()
    twin = copy.deepcopy(model)
    optimizer, other = OPTIMIZERS[name](model.parameters()), OPTIMIZERS[name](twin.parameters())
    wanted = trained(model, optimizer, compiled=False)
    np.testing.assert_allclose(trained(twin, other, compiled=True), wanted, rtol=1e-5)
    for (key, a), b in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-4, atol=1e-5, err_msg=key)
    for a, b in zip(optimizer.state_dict()["state"], other.state_dict()["state"], strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_allclose(np.asarray(b[key]), np.asarray(a[key]), rtol=1e-4, atol=1e-6, err_msg=key)
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(b.grad.numpy(), a.grad.numpy(), rtol=1e-3, atol=1e-5)


def test_a_training_step_by_numba() -> None:
    model = network()
    twin = copy.deepcopy(model)
    make = OPTIMIZERS["Adam"]
    wanted = trained(model, make(model.parameters()), compiled=False, steps=3)
    np.testing.assert_allclose(trained(twin, make(twin.parameters()), compiled=True, steps=3), wanted, rtol=1e-5)


def test_training_and_evaluation_are_two_programs(by_python: None) -> None:
    model = network()
    f = gg.jit(lambda x: model(x))
    x = gg.asarray(np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32))
    f(x)
    model.eval()
    close([f(x), f(x)], [model(x), model(x)], 1e-5)


def test_a_derivative_in_what_a_compiled_function_closes_over(by_python: None) -> None:
    w = gg.tensor([1.0, 2.0], requires_grad=True)
    f = gg.jit(lambda x: gg.sum(w * w * x))
    for k in (1, 2):
        f(gg.tensor([3.0, 4.0])).backward()
        close([w.grad], [k * np.array([6.0, 16.0])])
    with gg.no_grad():
        w.copy_(gg.tensor([5.0, 6.0]))
        assert not f(gg.tensor([3.0, 4.0])).requires_grad
    close([f(gg.tensor([3.0, 4.0]))], [3 * 25.0 + 4 * 36.0])


def test_cells_in_attributes_lists_closures_and_globals(by_python: None) -> None:
    class Counter:
        def __init__(self) -> None:
            self.total = gg.tensor(0.0)

    counter, history, last = Counter(), [gg.tensor(0.0)], gg.tensor(0.0)

    @gg.jit
    def f(x: Any) -> Any:
        nonlocal last
        counter.total = counter.total + x
        history[0] = history[0] * x + 1.0
        last = x + last
        return x

    for k in range(1, 4):
        f(gg.tensor(float(k)))
    close([counter.total, history[0], last], [6.0, (1.0 * 2 + 1) * 3 + 1, 6.0])


def test_gradients_accumulate_as_in_eager_execution(by_python: None) -> None:
    w = gg.tensor([1.0, 2.0], requires_grad=True)

    @gg.jit
    def f(x: Any) -> None:
        gg.sum(w * x).backward()

    for k in range(1, 4):
        f(gg.tensor([2.0, 3.0]))
        close([w.grad], [k * np.array([2.0, 3.0])])
    w.grad = None
    f(gg.tensor([2.0, 3.0]))
    close([w.grad], [[2.0, 3.0]])


def test_a_function_that_raises_leaves_its_cells_as_they_were(by_python: None) -> None:
    w = gg.tensor([1.0, 2.0], requires_grad=True)
    optimizer = gg.optim.Adam([w], lr=0.1)

    @gg.jit
    def f(x: Any) -> None:
        gg.sum(w * x).backward()
        optimizer.step()
        raise RuntimeError("half-way")

    before = w.detach().numpy().copy()
    with pytest.raises(RuntimeError, match="half-way"):
        f(gg.tensor([2.0, 3.0]))
    close([w.detach()], [before])
    assert w.grad is None and optimizer.state_dict()["state"] == [{}]


def test_cells_are_found_behind_methods_partials_and_other_functions() -> None:
    model = network()
    state = {"w": gg.tensor(1.0)}

    def helper(x: Any) -> Any:
        return model(x) * state["w"]

    found = Held(Cells(lambda x: helper(x))).tensors
    assert {id(t) for t in found} >= {id(t) for t in (*model.parameters(), *model.buffers(), state["w"])}


# ---- errors -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x > 0.0 else -x,
        lambda x: float(x) * x,
        lambda x: gg.asarray(np.asarray(x)) * x,
        lambda x: x * x.item(),
        lambda x: list(range(int(x))),
    ],
)
def test_numbers_that_are_not_known_yet(f: Any) -> None:
    with pytest.raises(gg.errors.TraceError, match=r"test_jit.py:\d+ .* gg.where or gg.cond"):
        gg.jit(f)(gg.tensor(1.0))


def test_a_symbol_that_was_kept() -> None:
    kept: list[Any] = []

    @gg.jit
    def f(x: Any) -> Any:
        kept.append(x * 2.0)
        return x

    f(gg.ones(2))
    with pytest.raises(gg.errors.TraceError, match="kept by something outside"):
        kept[0] + 1.0


def test_shapes_that_do_not_fit_are_told_as_in_eager_execution() -> None:
    for f in (
        lambda x: x + gg.ones(4),
        lambda x: x @ gg.ones((4, 2)),
        lambda x: gg.reshape(x, (5,)),
        lambda x: gg.sum(x, axis=3),
    ):
        with pytest.raises(gg.errors.ShapeError):
            gg.jit(f)(gg.ones(3))


# ---- threads -------------------------------------------------------------------------------------------------------------------


def test_large_loops_on_several_threads(threads: None, by_python: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST", 0.0)
    monkeypatch.setattr("gpugrad.graph.fuse.ALONE", 8)
    x = gg.asarray(np.random.default_rng(0).normal(size=(7, 6)))
    programs = [
        lambda x: gg.sin(x) * 2.0,
        lambda x: gg.sum(x * x),
        lambda x: gg.max(x * 2.0),
        lambda x: gg.mean(x * x) * 3.0,
        lambda x: gg.sum(x * 3.0, axis=0),
        lambda x: gg.softmax(x, axis=-1),
        lambda x: gg.sum(gg.exp(x), axis=-1),
    ]
    for n in (1, 2, 3, 50):
        gg.config.threads = n
        for f in programs:
            compiled = gg.jit(f)
            first = compiled(x)
            close([first], [f(x)], 1e-13)
            np.testing.assert_array_equal(compiled(x).numpy(), first.numpy())


def test_two_python_threads_at_once() -> None:
    f = gg.jit(gg.grad(lambda x: gg.sum(gg.sin(x) * gg.sum(x * x))))
    xs = [gg.full(50, float(k)) for k in range(1, 9)]
    wanted = [gg.grad(lambda x: gg.sum(gg.sin(x) * gg.sum(x * x)))(x).numpy() for x in xs]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(200):
            if not np.allclose(f(xs[k]).numpy(), wanted[k]):
                wrong.append(k)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def _in_child(queue: Any, f: Any, x: Any) -> None:
    queue.put(float(f(x)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child(threads: None) -> None:
    gg.config.threads = 2
    f = gg.jit(lambda x: gg.sum(x * 2.0))
    x = gg.ones(1 << 22)
    assert float(f(x)) == x.size * 2.0
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue, f, x))
    child.start()
    assert queue.get(timeout=60) == x.size * 2.0
    child.join()


def test_what_will_run_is_told_before_the_first_call(by_python: None) -> None:
    w = gg.tensor([1.0, 2.0], requires_grad=True)
    f = gg.jit(lambda x: w * x)
    x = gg.tensor([3.0, 4.0])
    assert "multiply" in str(f.graph(x))
    assert "kernel_0" in f.plan(x)
    assert f(x).requires_grad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_circular_functions_look_at_a_block_first(dtype: str) -> None:
    """Blocks of small angles, of one large one among them, and of infinity and NaN, by Numba."""
    x = np.random.default_rng(0).normal(size=4 * 4096 + 100).astype(dtype) * 100
    x[5000], x[9000], x[13000] = 1e15, np.inf, np.nan
    f = gg.jit(lambda x: gg.sin(x) * gg.cos(2.0 * x) + gg.tan(x))
    text = f.sources(gg.asarray(x))["kernel_0"]
    assert "sin_near_f" in text
    assert "sin_f" in text
    with np.errstate(invalid="ignore"):
        wide = x.astype("float64")
        wanted = np.sin(wide) * np.cos((2 * x).astype("float64")) + np.tan(wide)
        scale = np.abs(np.nan_to_num(np.tan(wide))) + 1.0
    eps = np.finfo(dtype).eps
    np.testing.assert_array_less(np.nan_to_num(np.abs(f(gg.asarray(x)).numpy() - wanted) / scale), 8 * eps)
    assert np.isnan(f(gg.asarray(x)).numpy()[[9000, 13000]]).all()
