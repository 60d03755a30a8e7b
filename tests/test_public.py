"""The wrapper by which operations become functions for users: what it converts, what it leaves, what it costs."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.ops import elementwise as ew
from gpugrad.ops.linear import reduce_sum
from gpugrad.public import fresh, places_of, public
from gpugrad.trace import Array


def seen(x: Array, y: Array = None, *, z: Array | None = None, n: int = 0) -> Any:
    """What arrives."""
    return x, y, z, n


def many(*xs: Array, axis: int = 0) -> Any:
    return list(xs), axis


def listed(xs: Sequence[Array], axis: int = 0) -> Any:
    return xs, axis


def mixed(x: Array, reps: Array | int | Sequence[int]) -> Any:
    return x, reps


def identity(x: Array) -> Array:
    return x


def is_tensor(x: Any) -> bool:
    return isinstance(x, gg.Tensor)


def test_array_likes_become_tensors() -> None:
    f = public(seen)
    x, y, z, n = f([1.0, 2.0], np.ones(2), z=3, n=4)
    assert is_tensor(x)
    assert is_tensor(y)
    assert z == 3
    assert n == 4
    x, y, _, _ = f(y=[1.0], x=2.0)
    assert x == 2.0
    assert not is_tensor(x)
    assert is_tensor(y)
    t = gg.tensor([1.0])
    assert f(t)[0] is not t  # a result is another tensor
    assert f(t)[0]._data is t._data


def test_one_number_at_least_becomes_a_tensor() -> None:
    f = public(seen)
    x, y, z, _ = f(1.0, 2.0, z=3.0)
    assert [is_tensor(v) for v in (x, y, z)] == [True, False, False]
    assert public(ew.add)(1, 2).tolist() == 3
    assert public(ew.maximum)(0.0, np.float32([-1.0, 1.0])).dtype == np.float32
    assert public(ew.where)([True, False], 1.0, 2.0).tolist() == [1.0, 2.0]


def test_none_passes_where_it_may() -> None:
    assert public(seen)([1.0])[1] is None
    assert public(seen)([1.0], None, z=None)[1:3] == (None, None)
    with pytest.raises(errors.DtypeError):
        public(identity)(None)


def test_sequences_and_star() -> None:
    xs, axis = public(many)([1.0], np.ones(2), 3.0, axis=2)
    assert [is_tensor(x) for x in xs] == [True, True, False]
    assert axis == 2
    xs, _ = public(listed)([1.0, [2.0]])
    assert all(map(is_tensor, xs))
    xs, _ = public(listed)(xs=np.eye(2))
    assert [x.tolist() for x in xs] == [[1.0, 0.0], [0.0, 1.0]]
    xs, _ = public(listed)(x for x in (1.0, 2.0))
    assert len(xs) == 2
    with pytest.raises(errors.DtypeError, match="sequence"):
        public(listed)(3.0)


def test_what_may_be_something_else_is_left() -> None:
    f = public(mixed)
    assert f([1.0], (2, 3))[1] == (2, 3)
    assert f([1.0], 2)[1] == 2
    assert is_tensor(f([1.0], np.array([2]))[1])


def test_primitives() -> None:
    f = public(ew.sin)
    assert f([0.0]).tolist() == [0.0]
    assert str(inspect.signature(f)) == "(x: 'Array', /) -> 'Array'"
    assert str(inspect.signature(public(ew.where))) == "(c: 'Array', x: 'Array', y: 'Array', /) -> 'Array'"
    assert list(inspect.signature(public(reduce_sum)).parameters) == ["x", "axis"]
    assert public(reduce_sum)([[1.0, 2.0]], axis=(-1,)).tolist() == [3.0]
    assert "no derivative" in public(ew.floor).__doc__
    assert f.__name__ == "sin"
    for wrong in (lambda: public(ew.where)(True, 1.0), lambda: f(), lambda: f(1.0, 2.0)):
        with pytest.raises(TypeError):
            wrong()


def test_results_are_tensors() -> None:
    @public
    def raw(x: Array) -> Any:
        return (np.ones(2), [np.zeros(1)], 3)

    a, (b,), c = raw(1.0)
    assert is_tensor(a)
    assert is_tensor(b)
    assert c == 3


def test_name_signature_module_and_pickle() -> None:
    f = public(seen, "somewhere")
    assert (f.__name__, f.__doc__, f.__module__) == ("seen", "What arrives.", "somewhere")
    assert inspect.signature(f) == inspect.signature(seen)
    for g in (gg.exp, gg.sum, gg.concat, gg.linalg.solve):
        assert pickle.loads(pickle.dumps(g)) is g
    with pytest.raises(TypeError, match="annotated"):
        public(lambda x: x)


def test_places() -> None:
    assert [(p.name, p.optional, p.mixed) for p in places_of(seen)[0]] == [
        ("x", False, False),
        ("y", True, False),
        ("z", True, False),
    ]
    star = places_of(many)[1]
    assert star is not None
    assert star.name == "xs"


def test_writing_into_a_result_leaves_the_argument_alone() -> None:
    leaf = gg.tensor([1.0, 2.0], requires_grad=True)
    for x in (gg.tensor([1.0, 2.0]), leaf, leaf * 1.0):
        for f in (public(identity), lambda x: public(seen)(x)[0], fresh):
            y = f(x)
            y[0] = 7.0
            assert x.tolist() == [1.0, 2.0]
            assert y.tolist() == [7.0, 2.0]
    gg.sum(public(identity)(leaf) * 3.0).backward()
    assert leaf.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("f", [gg.exp, gg.add, gg.sum, gg.stack, gg.where], ids=lambda f: f.__name__)
def test_traced_values_pass(f: Callable[..., Any]) -> None:
    calls: dict[str, Callable[[Any], Any]] = {
        "exp": lambda x: gg.exp(x), "add": lambda x: gg.add([1.0, 2.0], x), "sum": lambda x: gg.sum(x=x), "stack": lambda x: gg.stack([x, [1.0, 2.0]]),
        "where": lambda x: gg.where([True, False], x, 0.0),
    }  # fmt: skip
    g = gg.grad(lambda x: calls[f.__name__](x).sum())(np.zeros(2))
    assert g.tolist() == ([1.0, 0.0] if f is gg.where else [1.0, 1.0])
