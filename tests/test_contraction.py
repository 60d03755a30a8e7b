"""The matrix product and einsum: random subscripts against NumPy and PyTorch, how they are lowered, failures."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import errors
from gpugrad.ops import contraction as c


def host(t: Any) -> Any:
    return np.asarray(t)


def close(got: Any, wanted: Any, tol: float = 1e-10) -> None:
    np.testing.assert_allclose(host(got), wanted, rtol=tol, atol=tol)


# ---- random subscripts ----------------------------------------------------------------------------------------------


@st.composite
def contractions(draw: Any, most: int = 3) -> tuple[str, list[tuple[int, ...]]]:
    """Subscripts with repeated letters, ellipses and any result, and shapes for them."""
    sizes = {k: draw(st.integers(1, 3)) for k in "abcd"}
    dots = draw(st.booleans())
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, most))):
        letters = draw(st.lists(st.sampled_from("abcd"), max_size=3))
        shape = [sizes[k] for k in letters]
        if dots and draw(st.booleans()):
            at = draw(st.integers(0, len(letters)))
            extra = draw(st.sampled_from([(), (2,), (1,), (3, 2), (3, 1)]))
            terms.append("".join(letters[:at]) + "..." + "".join(letters[at:]))
            shape[at:at] = extra
        else:
            terms.append("".join(letters))
        shapes.append(tuple(shape))
    used = sorted({k for t in terms for k in t if k.isalpha()})
    if draw(st.booleans()):
        out = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
        text = "".join(out)
        if any("..." in t for t in terms):
            at = draw(st.integers(0, len(text)))
            text = text[:at] + "..." + text[at:]
        return f"{','.join(terms)}->{text}", shapes
    return ",".join(terms), shapes


@settings(max_examples=150, deadline=None)
@given(contractions())
def test_einsum_is_numpys(drawn: tuple[str, list[tuple[int, ...]]]) -> None:
    subscripts, shapes = drawn
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=s) for s in shapes]
    wanted = np.einsum(subscripts, *xs)
    close(gg.einsum(subscripts, *xs), wanted)
    weights = rng.normal(size=wanted.shape)
    # multilinear, so each operand's gradient pairs with the operand to the value
    _, pull = gg.vjp(lambda *xs: gg.einsum(subscripts, *xs), *xs)
    for x, g in zip(xs, pull(gg.tensor(weights)), strict=True):
        np.testing.assert_allclose((x * host(g)).sum(), (wanted * weights).sum(), rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(contractions(most=2))
def test_einsum_under_vmap(drawn: tuple[str, list[tuple[int, ...]]]) -> None:
    subscripts, shapes = drawn
    rng = np.random.default_rng(0)
    first, *rest = [rng.normal(size=(2, *shapes[0])), *(rng.normal(size=s) for s in shapes[1:])]
    got = gg.vmap(lambda x: gg.einsum(subscripts, x, *rest))(first)
    close(got, np.stack([np.einsum(subscripts, x, *rest) for x in first]))


PYTORCH = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("bhsd,bhtd->bhst", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("...ij,jk", (2, 2, 3), (3, 4)),
    ("ii->i", (3, 3)),
    ("ij,jk,kl->li", (2, 3), (3, 4), (4, 2)),
]


@pytest.mark.parametrize(("subscripts", "shapes"), [(s, shapes) for s, *shapes in PYTORCH], ids=[p[0] for p in PYTORCH])
def test_gradient_is_pytorchs(subscripts: str, shapes: list[tuple[int, ...]], rng: Any) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    xs = [rng.normal(size=s) for s in shapes]
    theirs = [torch.tensor(x, requires_grad=True) for x in xs]
    out = torch.einsum(subscripts, *theirs)
    weights = rng.normal(size=tuple(out.shape))
    out.backward(torch.tensor(weights))
    value, pull = gg.vjp(lambda *xs: gg.einsum(subscripts, *xs), *xs)
    close(value, out.detach().numpy())
    for g, t in zip(pull(gg.tensor(weights)), theirs, strict=True):
        close(g, t.grad.numpy())


MATMULS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (4, 3, 2)),
    ((3,), (5, 3, 4)),
]


@pytest.mark.parametrize(("s", "t"), MATMULS)
def test_matmul_gradient_is_pytorchs(s: Any, t: Any, rng: Any) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x, y = rng.normal(size=s), rng.normal(size=t)
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(y, requires_grad=True)
    out = torch.matmul(a, b)
    weights = rng.normal(size=tuple(out.shape))
    out.backward(torch.tensor(weights))
    value, pull = gg.vjp(gg.matmul, x, y)
    close(value, out.detach().numpy())
    for g, w in zip(pull(gg.tensor(weights)), (a, b), strict=True):
        close(g, w.grad.numpy())


# ---- how it is lowered ----------------------------------------------------------------------------------------------


def operations(f: Callable[..., Any], *args: Any) -> list[str]:
    """The names of the operations on the tape behind a result."""
    out = f(*(gg.tensor(a, requires_grad=True) for a in args))
    names, waiting = [], [out.grad_fn]
    while waiting:
        node = waiting.pop()
        if node.name != "leaf":
            names.append(node.name)
            waiting += [n for n in node.inputs if n is not None]
    return names


@pytest.mark.parametrize("subscripts", ["ij,jk->ik", "ij,kj->ik", "bij,bjk->bik", "ij,jk->ki"])
def test_a_matrix_product_is_one_operation(subscripts: str, rng: Any) -> None:
    shapes = {"i": 2, "j": 3, "k": 4, "b": 5}
    first, second = subscripts.split("->")[0].split(",")
    names = operations(
        lambda x, y: gg.einsum(subscripts, x, y), *(np.ones([shapes[k] for k in t]) for t in (first, second))
    )
    assert names.count("matmul") == 1
    assert set(names) <= {"matmul", "permute"}


def test_nothing_to_contract_is_a_multiplication() -> None:
    assert "matmul" not in operations(lambda x, y: gg.einsum("bi,bj->bij", x, y), np.ones((2, 3)), np.ones((2, 4)))


def test_operands_are_contracted_where_it_is_cheap() -> None:
    """A chain whose product from the left would be large: a (1000, 1000) matrix never arises."""
    x, y, z = np.ones((1000, 1)), np.ones((1, 1000)), np.ones((1000, 1))
    with gg.keep_values():
        out = gg.einsum(
            "ij,jk,kl->il",
            gg.tensor(x, requires_grad=True),
            gg.tensor(y, requires_grad=True),
            gg.tensor(z, requires_grad=True),
        )
    waiting = [out.grad_fn]
    while waiting:
        node = waiting.pop()
        if node.name != "leaf":
            assert node.value.size <= 1000
            waiting += [n for n in node.inputs if n is not None]
    close(out.detach(), np.full((1000, 1), 1000.0))


def test_weight_of_a_layer_gets_one_product(rng: Any) -> None:
    """A matrix shared by a batch: its gradient is one product over all rows, not one per item to be summed."""
    x, w = rng.normal(size=(6, 5, 4)), rng.normal(size=(4, 3))
    g = rng.normal(size=(6, 5, 3))
    _, pull = gg.vjp(lambda w: gg.matmul(x, w), w)
    close(pull(gg.tensor(g))[0], x.reshape(-1, 4).T @ g.reshape(-1, 3))
    _, pull = gg.vjp(lambda x: gg.matmul(x, gg.tensor(np.swapaxes(g, 1, 2))), rng.normal(size=(7, 3)))
    h = rng.normal(size=(6, 7, 5))
    close(pull(gg.tensor(h))[0], np.einsum("bij,bkj->ik", h, np.swapaxes(g, 1, 2)))


def test_einsum_of_numbers_and_dtypes() -> None:
    assert gg.einsum("i,i->", np.ones(3, np.float32), np.ones(3, np.float32)).dtype == np.float32
    assert gg.einsum("i,i->", np.ones(3, np.float32), np.ones(3)).dtype == np.float64
    assert gg.einsum("ij->", np.ones((2, 2), np.int32)).dtype == np.int32
    close(gg.einsum(",i->i", 2.0, np.arange(3.0)), [0.0, 2.0, 4.0])
    close(gg.einsum(" i j , j k -> i k ", np.eye(2), np.eye(2)), np.eye(2))


# ---- what does not fit says so --------------------------------------------------------------------------------------


def test_three_operands_find_an_order_without_opt_einsum(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "opt_einsum":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    c._path.cache_clear()
    a, b, d = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4), np.arange(4.0)
    close(gg.einsum("ij,jk,k->i", a, b, d), a @ b @ d)
    close(gg.einsum("i...,ij,j...->...", a, np.eye(2), a), np.sum(a * a, 0))
    chain = tuple((k, k + 1) for k in range(53))  # more labels than NumPy has letters
    with pytest.raises(errors.MissingExtraError, match=r"opt_einsum.*gpugrad\[train\]"):
        c._path(chain, (0,), ((1, 1),) * 53)
    close(gg.einsum("ij,jk->ik", np.eye(2), np.eye(2)), np.eye(2))
    c._path.cache_clear()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda: gg.einsum("ij,jk->ik", np.eye(2)), ["einsum", "2 operands", "1"], id="too few operands"),
        pytest.param(lambda: gg.einsum("ij->i", np.ones(3)), ["einsum", "'ij'", "1 axes"], id="rank"),
        pytest.param(lambda: gg.einsum("i...j->", np.ones(1)), ["einsum", "'i...j'"], id="rank with an ellipsis"),
        pytest.param(lambda: gg.einsum("ij,jk", np.ones((2, 3)), np.ones((4, 2))), ["'j'", "3 and 4"], id="sizes"),
        pytest.param(lambda: gg.einsum("ii", np.ones((2, 3))), ["'i'", "(2, 3)"], id="diagonal"),
        pytest.param(lambda: gg.einsum("ii", np.ones((1, 3))), ["'i'", "(1, 3)"], id="diagonal of ones"),
        pytest.param(lambda: gg.einsum("...,...", np.ones(2), np.ones(3)), ["axis -1", "2 and 3"], id="ellipsis"),
        pytest.param(lambda: gg.einsum("i->ij", np.ones(2)), ["'ij'", "labels"], id="unknown label"),
        pytest.param(lambda: gg.einsum("ij->ii", np.ones((2, 2))), ["'ii'", "once"], id="repeated label"),
        pytest.param(lambda: gg.einsum("i1->i", np.ones((2, 2))), ["'i1'", "letter"], id="not a letter"),
        pytest.param(
            lambda: gg.matmul(np.ones((2, 3)), np.ones((2, 3))), ["matmul", "3 columns", "2 rows"], id="matmul"
        ),
        pytest.param(lambda: gg.matmul(np.ones((2, 3)), 2.0), ["matmul", "()", "x * y"], id="matmul of a number"),
        pytest.param(
            lambda: gg.matmul(np.ones((2, 2, 3)), np.ones((4, 3, 2))),
            ["matmul", "(2, 2, 3)", "(4, 3, 2)", "broadcast"],
            id="matmul of batches",
        ),
        pytest.param(
            lambda: gg.tensordot(np.ones((2, 3)), np.ones((2, 3)), 1), ["tensordot", "one size"], id="tensordot"
        ),
        pytest.param(lambda: gg.tensordot(np.ones(2), np.ones(2), 2), ["tensordot", "axes=2"], id="tensordot axes"),
        pytest.param(
            lambda: gg.tensordot(np.ones((2, 2)), np.ones(2), ([0, 1], [0])),
            ["tensordot", "as many"],
            id="tensordot pairs",
        ),
        pytest.param(lambda: gg.vecdot(np.ones(2), np.ones(3)), ["vecdot", "2 and 3"], id="vecdot"),
        pytest.param(
            lambda: gg.vecdot(np.ones((2, 3)), np.ones((4, 3))), ["vecdot", "(2, 3)", "broadcast"], id="vecdot batches"
        ),
        pytest.param(
            lambda: gg.dot(np.ones(2), np.ones(3)), ["dot: shapes (2,) and (3,) summed", "one size"], id="dot"
        ),
        pytest.param(lambda: gg.inner(np.ones(2), np.ones(3)), ["inner: ", "one size"], id="inner"),
        pytest.param(lambda: gg.linalg.trace(np.ones(3)), ["trace", "(3,)"], id="trace of a vector"),
        pytest.param(
            lambda: gg.einsum("...i->i", np.ones((2, 3))), ["einsum", "(2, 3)", "'...'"], id="ellipsis that is dropped"
        ),
        pytest.param(
            lambda: gg.tensordot(np.ones(2), np.ones(2), (0, 0, 0)), ["tensordot", "pair"], id="tensordot of three axes"
        ),
    ],
)
def test_shapes_that_do_not_fit(call: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(errors.ShapeError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda: gg.einsum(np.eye(2), [0, 1]), ["einsum", "'ij,jk->ik'"], id="einsum by lists"),
        pytest.param(lambda: gg.tensordot(np.ones(2), np.ones(2), 1.5), ["tensordot", "axes=1.5"], id="tensordot"),
        pytest.param(lambda: gg.linalg.trace(np.eye(2), 0.5), ["trace", "offset=0.5"], id="linalg.trace"),
        pytest.param(lambda: gg.numpy.trace(np.eye(2), 0.5), ["trace", "offset=0.5"], id="trace"),
    ],
)
def test_what_is_not_an_integer(call: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(errors.DtypeError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_tensordot_takes_numpys_integers_and_arrays(rng: Any) -> None:
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))
    close(gg.tensordot(a, b, np.int64(1)), a @ b)
    close(gg.tensordot(a, b, np.array([[1], [0]])), a @ b)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool"])
def test_trace_sums_small_integers_in_64_bits(dtype: str) -> None:
    x = np.full((3, 3), 100).astype(dtype)
    for got in (gg.numpy.trace(x), np.trace(gg.tensor(x))):
        assert got.dtype == np.trace(x).dtype and int(got) == np.trace(x)
    assert np.trace(gg.tensor(x), dtype="int16").dtype == np.int16
