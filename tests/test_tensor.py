"""Tensors as values: conversions, in-place forms, copies, pickles."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors


def leaf(data, **kw):
    return gg.tensor(data, requires_grad=True, **kw)


# ---- values, not views --------------------------------------------------------------------------------------------------


def test_assignment_rebinds_and_no_other_tensor_changes():
    x = gg.tensor([1.0, 2.0, 3.0])
    y = x
    view = x[1:]
    alias = x.detach()
    x[1] = 20.0
    np.testing.assert_array_equal(x.numpy(), [1.0, 20.0, 3.0])
    np.testing.assert_array_equal(view.numpy(), [2.0, 3.0])
    np.testing.assert_array_equal(alias.numpy(), [1.0, 2.0, 3.0])
    assert y is x


def test_assignment_does_not_reach_the_array_it_came_from_nor_the_one_handed_out():
    a = np.zeros(3)
    x = gg.asarray(a)
    seen = x.numpy()
    x[0] = 1.0
    assert a[0] == 0.0 and seen[0] == 0.0
    assert not seen.flags.writeable


@pytest.mark.parametrize(
    "same",
    [
        lambda x: x.astype("float64"),
        lambda x: x.to("cpu"),
        lambda x: x[...],
        lambda x: x.reshape(3),
        lambda x: x.broadcast_to((3,)),
        lambda x: x.squeeze(),
        lambda x: +x,
        lambda x: x.real,
        lambda x: gg.moveaxis(x, 0, 0),
        lambda x: gg.clip(x),
    ],
)
def test_what_returns_the_same_value_is_still_another_tensor(same):
    x = gg.tensor([1.0, 2.0, 3.0])
    y = same(x)
    y[0] = 50.0
    assert x[0].item() == 1.0


def test_assignment_is_differentiable_in_both():
    def f(x, v):
        y = x * 2.0
        y[1] = v * v
        return gg.sum(y * y)

    gx, gv = gg.grad(f, argnums=(0, 1))(gg.tensor([1.0, 2.0, 3.0]), gg.tensor(3.0))
    np.testing.assert_array_equal(gx.numpy(), [8.0, 0.0, 24.0])
    assert gv.item() == 4 * 3.0**3


@pytest.mark.parametrize("transform", ["grad", "jvp", "backward", "vmap"])
def test_writing_into_a_plain_buffer_inside_a_differentiated_function(transform):
    def f(x):
        buffer = gg.zeros(3)
        for i in range(3):
            buffer[i] = x[i] ** (i + 1)
        return gg.sum(buffer * buffer)

    x = np.array([2.0, 3.0, 0.5])
    expected = np.array([2 * x[0], 4 * x[1] ** 3, 6 * x[2] ** 5])
    if transform == "grad":
        np.testing.assert_allclose(gg.grad(f)(x).numpy(), expected)
    elif transform == "jvp":
        np.testing.assert_allclose(gg.jvp(f, (x,), (np.ones(3),))[1].item(), expected.sum())
    elif transform == "backward":
        t = leaf(x)
        f(t).backward()
        np.testing.assert_allclose(t.grad.numpy(), expected)
    else:
        np.testing.assert_allclose(gg.vmap(gg.grad(f))(np.stack([x, 2 * x])).numpy()[0], expected)


def test_in_place_operators_rebind_and_differentiate():
    def f(x):
        y = x * 1.0
        z = y
        y += x
        y *= 3.0
        y -= 1.0
        y /= 2.0
        y **= 2
        assert z is y
        return gg.sum(y)

    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(gg.grad(f)(x).numpy(), 2 * (6 * x - 1) / 2 * 3)


def test_in_place_keeps_the_dtype_and_refuses_what_does_not_fit():
    x = gg.ones(2, dtype="float32")
    x += gg.ones(2, dtype="float64")
    assert x.dtype == np.float32
    i = gg.tensor([1, 2])
    with pytest.raises(errors.DtypeError, match="int64"):
        i += 0.5
    with pytest.raises(errors.ShapeError, match=r"\(2,\)"):
        x += gg.ones((3, 2), dtype="float32")


def test_leaves_are_updated_under_no_grad_only():
    w = leaf([1.0, 2.0])
    for write in (lambda: w.__iadd__(1.0), lambda: w.__setitem__(0, 1.0)):
        with pytest.raises(errors.GraphError, match="no_grad"):
            write()
    with gg.no_grad():
        w -= 0.5
        w[0] = 7.0
    assert w.requires_grad and w.is_leaf
    np.testing.assert_array_equal(w.detach().numpy(), [7.0, 1.5])
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [14.0, 3.0])


def test_a_write_does_not_corrupt_what_the_tape_saved():
    x = leaf([1.0, 2.0])
    y = x * 1.0
    z = y * y
    y[0] = 100.0
    (z.sum() + y.sum()).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 5.0])


# ---- conversions ----------------------------------------------------------------------------------------------------------


def test_numpy_of_a_tracked_tensor_raises():
    x = leaf([1.0])
    for convert in (np.asarray, np.array, lambda t: t.numpy()):
        with pytest.raises(errors.GraphError, match="detach"):
            convert(x * 2)
    assert (x * 2).detach().numpy() == [2.0]


def test_numbers():
    t = gg.tensor(2.5)
    assert (float(t), int(t), bool(t), t.item(), complex(t)) == (2.5, 2, True, 2.5, 2.5 + 0j)
    assert [10, 20, 30][gg.tensor(1)] == 20
    with pytest.raises(errors.DtypeError):
        [1][gg.tensor(0.0)]
    assert f"{gg.tensor(1.23456):.2f}" == "1.23"


def test_iteration_and_membership():
    assert [t.item() for t in gg.tensor([1.0, 2.0])] == [1.0, 2.0]
    a, b = gg.tensor([3.0, 4.0])
    assert (a.item(), b.item()) == (3.0, 4.0)
    assert len({gg.tensor(1.0), gg.tensor(1.0)}) == 2


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (lambda: gg.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (lambda: gg.tensor([1.0], dtype="float32"), "tensor([1.], dtype=float32)"),
        (lambda: gg.tensor([1, 2]), "tensor([1, 2])"),
        (lambda: gg.tensor(2.0, requires_grad=True), "tensor(2., requires_grad=True)"),
        (lambda: gg.tensor(2.0, requires_grad=True) * 2, "tensor(4., grad_fn=<multiply>)"),
        (lambda: gg.tensor([1.5], dtype="bfloat16"), "tensor([1.5], dtype=bfloat16)"),
    ],
)
def test_repr(t, text):
    assert repr(t()) == text


def test_copies_and_pickles():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y is not x
    np.testing.assert_array_equal(y.grad.numpy(), x.grad.numpy())
    with gg.no_grad():
        y += 1.0
    np.testing.assert_array_equal(x.detach().numpy(), [1.0, 2.0])
    z = pickle.loads(pickle.dumps(x))
    assert z.requires_grad
    np.testing.assert_array_equal(z.detach().numpy(), [1.0, 2.0])
    with pytest.raises(errors.GraphError):
        copy.deepcopy(x * 2)


def test_dlpack_shares_memory():
    torch = pytest.importorskip("torch")
    t = torch.arange(3.0)
    x = gg.from_dlpack(t)
    t[0] = 5.0
    assert x.numpy()[0] == 5.0
    back = torch.from_dlpack(gg.tensor([1.0, 2.0]))
    assert back.tolist() == [1.0, 2.0]


def test_to_a_device():
    x = leaf([1.0])
    same = x.to("cpu")
    (same * 2.0).sum().backward()
    assert x.grad.item() == 2.0
    assert x.to("auto").device.startswith(("cpu", "cuda"))
    with pytest.raises(errors.DeviceError, match="tpu"):
        x.to("tpu")
    assert x.device == "cpu"


# ---- operators ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a**b,
        lambda a, b: a // b, lambda a, b: a % b, lambda a, b: a < b, lambda a, b: a == b, lambda a, b: a != b,
        lambda a, b: a >= b, lambda a, b: -a + b, lambda a, b: +a - b, lambda a, b: abs(a - b), lambda a, b: a @ b,
    ],
)  # fmt: skip
def test_operators_are_numpys(f):
    a, b = np.array([1.5, 2.0, 3.0]), np.array([2.0, 0.5, 3.0])
    x, y = gg.tensor(a), gg.tensor(b)
    for left, right in ((x, y), (x, b), (a, y)):
        got = f(left, right)
        assert isinstance(got, gg.Tensor)
        np.testing.assert_array_equal(got.numpy(), f(a, b))
    if f(a, b).shape:
        np.testing.assert_array_equal(f(x, 2.0).numpy(), f(a, 2.0))


def test_integer_and_boolean_operators():
    a, b = np.array([6, 5]), np.array([3, 1])
    x, y = gg.tensor(a), gg.tensor(b)
    for f in (
        lambda p, q: p & q,
        lambda p, q: p | q,
        lambda p, q: p ^ q,
        lambda p, q: p << q,
        lambda p, q: p >> q,
        lambda p, q: p // q,
        lambda p, q: p / q,
    ):
        np.testing.assert_array_equal(f(x, y).numpy(), f(a, b))
        assert f(x, y).dtype == f(a, b).dtype
    m, n = gg.tensor([True, False]), gg.tensor([True, True])
    np.testing.assert_array_equal((m & n | ~m ^ n).numpy(), [True, False])


def test_comparison_with_something_else_is_pythons():
    assert (gg.tensor([1.0]) == None) is False  # noqa: E711
    assert (gg.tensor([1.0]) != "x") is True


def test_a_buffer_nobody_else_holds_is_written_in_place():
    x = gg.zeros(1000)
    memory = x._data.ctypes.data
    for i in range(10):
        x[i] = float(i)
    x[gg.tensor([20, 21])] = gg.tensor([1.0, 2.0])
    assert x._data.ctypes.data == memory
    seen = x.detach()
    x[0] = 99.0
    assert x._data.ctypes.data != memory and seen[0].item() == 0.0
