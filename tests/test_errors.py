"""What goes wrong is said in one line that names the operation, the shapes and dtypes, and the way out."""

from __future__ import annotations

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: gg.ones((2, 3)) + gg.ones((4,)), ValueError, ["add", "(2, 3)", "(4,)", "broadcast"]),
        (lambda: gg.ones((2, 3)) @ gg.ones((4, 5)), ValueError, ["matmul", "(2, 3)", "(4, 5)"]),
        (lambda: gg.sum(gg.ones((2, 3)), axis=2), IndexError, ["sum", "axis 2", "(2, 3)"]),
        (lambda: gg.concat([gg.ones((2, 3)), gg.ones((2, 4))], axis=0), ValueError, ["concat", "(2, 3)", "(2, 4)"]),
        (lambda: gg.ones(3)[5], IndexError, ["5", "3"]),
        (lambda: gg.bitwise_and(gg.ones(1), gg.ones(1)), TypeError, ["not for operands of float64. Cast one"]),
        (lambda: gg.var(gg.ones(2), correction="a"), TypeError, ["correction='a' of type str"]),
        (lambda: np.matvec(gg.ones(2), gg.ones(2)), ValueError, ["np.matvec", "(2,)", "np.vecdot"]),
        (lambda: np.vecmat(gg.ones(2), gg.ones(2)), ValueError, ["np.vecmat", "(2,)"]),
        (lambda: gg.take(gg.ones(2), [0], mode="x"), ValueError, ["mode='x'", "'raise'"]),
        (lambda: gg.ones(3)[gg.tensor([0, 7])], IndexError, ["7", "3"]),
        (lambda: gg.reshape(gg.ones(6), (4, 2)), ValueError, ["reshape", "(6,)", "(4, 2)"]),
        (lambda: gg.tensor(["a"]), TypeError, ["dtype"]),
        (lambda: gg.tensor([1, 2], requires_grad=True), TypeError, ["int64", "float"]),
        (lambda: gg.grad(lambda x: x * x)(gg.ones(3)), ValueError, ["(3,)", "gg.sum"]),
        (lambda: gg.grad(lambda x: gg.sum(x))(gg.tensor([1, 2])), TypeError, ["int64", "astype"]),
        (lambda: gg.grad(lambda x: gg.sum(x * 1j))(gg.ones(3)), TypeError, ["complex", "holomorphic"]),
        (lambda: gg.grad(lambda x: x, argnums=2)(1.0), IndexError, ["argnums", "1"]),
        (lambda: gg.jvp(lambda x: x, (gg.ones(3),), (gg.ones(4),)), ValueError, ["(4,)", "(3,)"]),
        (lambda: gg.vmap(lambda x, y: x + y)(gg.ones(3), gg.ones(4)), ValueError, ["(3,)", "(4,)"]),
        (lambda: gg.vmap(lambda x: x, in_axes=1)(gg.ones(3)), IndexError, ["axis 1", "(3,)"]),
        (lambda: gg.ones(3, device="cuda"), RuntimeError, ["cuda", "gpugrad info"]),
        (lambda: gg.ones(3, device="cpu:3"), RuntimeError, ["cpu:3"]),
        (lambda: gg.use_backend("nope"), RuntimeError, ["nope", "numpy"]),
        (lambda: gg.ones(-1), ValueError, ["-1"]),
        (lambda: len(gg.tensor(1.0)), TypeError, ["shape ()"]),
        (lambda: float(gg.ones(3)), ValueError, ["(3,)"]),
        (lambda: bool(gg.ones(3)), ValueError, ["any", "all"]),
        (
            lambda: gg.tensor(1.5, dtype="float16") + gg.tensor(1.5, dtype="bfloat16"),
            TypeError,
            ["float16", "bfloat16"],
        ),
        (lambda: gg.tensor([[1.0], [2.0, 3.0]]), ValueError, ["list", "inhomogeneous"]),
        (lambda: gg.zeros(2.5), ValueError, ["2.5", "integers"]),
        (lambda: gg.arange(0, 1, 0), ValueError, ["arange(0, 1, 0)"]),
        (lambda: gg.eye(-1), ValueError, ["eye(-1"]),
        (lambda: iter(gg.tensor(1.0)), TypeError, ["iteration", "()"]),
        (lambda: gg.ones(2, dtype="int8") + 300, TypeError, ["300", "int8", "wider"]),
        (lambda: gg.set_default_dtype("int32"), TypeError, ["int32"]),
        (lambda: gg.tensor(1.0, dtype="float99"), TypeError, ["float99"]),
        (lambda: gg.numpy.gcd(gg.ones(2), 6), TypeError, ["gcd", "float64", "astype"]),
        (lambda: gg.numpy.lcm(True, 6.0), TypeError, ["lcm", "float64", "expected integers"]),
        (lambda: gg.numpy.bitwise_count([1.0]), TypeError, ["bitwise_count", "float64", "astype"]),
        (lambda: gg.diff(gg.ones(3), -1), ValueError, ["diff", "n=-1", "0"]),
        (lambda: gg.convolve(gg.ones(3), gg.ones(2), "half"), ValueError, ["convolve", "'half'", "'valid'"]),
        (lambda: gg.tensor([1j]).astype("float64"), TypeError, ["imaginary", "gg.real"]),
    ],
)
def test_message(call, kind, words):
    with pytest.raises(errors.GpugradError) as info:
        call()
    assert isinstance(info.value, kind)
    message = str(info.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("convert", [float, int, bool, lambda x: x.item()])
def test_numbers_under_vmap_say_what_to_use_instead(convert):
    with pytest.raises(errors.TraceError, match=r"gg\.where"):
        gg.vmap(lambda x: convert(x))(gg.ones(3))


def test_branch_under_vmap():
    with pytest.raises(errors.TraceError, match=r"gg\.where"):
        gg.vmap(lambda x: x if x > 0 else -x)(gg.ones(3))


def test_branches_under_grad_work():
    f = lambda x: x * x if x > 0 else -x
    assert gg.grad(f)(gg.tensor(3.0)).item() == 6.0
    assert gg.grad(f)(gg.tensor(-3.0)).item() == -1.0


def test_an_unused_argument_has_zeros_and_a_warning_that_names_it():
    with pytest.warns(errors.GradientWarning, match=r"argument 0\['b'\]"):
        g = gg.grad(lambda p: gg.sum(p["a"] * p["a"]))({"a": gg.ones(2), "b": gg.ones(3)})
    np.testing.assert_array_equal(g["b"].numpy(), np.zeros(3))


def test_a_result_that_was_detached_on_the_way_raises_and_names_where():
    with pytest.raises(errors.GraphError, match=r"cast from float64 to int64 at .*test_errors\.py:\d+"):
        gg.grad(lambda x: gg.sum(x.astype("int64").astype("float64")))(gg.ones(3))
    with pytest.raises(errors.GraphError, match=r"NumPy array.*test_errors\.py:\d+"):
        gg.grad(lambda x: gg.tensor(np.asarray(x).sum()))(gg.ones(3))
    with pytest.raises(errors.GraphError, match=r"item\(\) at .*test_errors\.py:\d+"):
        gg.grad(lambda x: gg.tensor(gg.sum(x).item()))(gg.ones(3))


def test_a_failed_backward_leaves_gradients_as_they_were():
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).sum().backward()
    before = x.grad

    def fail(_):
        raise KeyError("hook")

    y = x * x
    y.register_hook(fail)
    with pytest.raises(KeyError):
        (y * 3).sum().backward()
    assert x.grad is before


def test_error_classes_are_builtins_too():
    assert issubclass(errors.ShapeError, ValueError)
    assert issubclass(errors.AxisError, IndexError)
    assert issubclass(errors.DtypeError, TypeError)
    assert issubclass(errors.DeviceError, RuntimeError)
    assert issubclass(errors.MissingExtraError, ImportError)
    for name, cls in vars(errors).items():
        if isinstance(cls, type) and issubclass(cls, Exception) and not issubclass(cls, Warning):
            assert issubclass(cls, errors.GpugradError), name
