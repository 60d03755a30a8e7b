"""The derivative as source: it is the derivative, it can be saved and imported, and it says where each line came from."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case import Case
from cases import positions, rows, sample
from test_table import agree, differentiable, differentiated, directions, picked

import gpugrad as gg
from gpugrad import errors

pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")


def has_real_source(case: Case) -> bool:
    """Complex arguments are in test_complex."""
    return differentiable(case) and not any(np.iscomplexobj(sample(case)[k]) for k in positions(case))


@pytest.mark.parametrize("case", list(filter(has_real_source, rows("grads"))), ids=lambda case: case.name)
def test_source_of_every_row(case: Case) -> None:
    args = sample(case)
    f, xs = differentiated(case, args), picked(case, args)
    outs = f(*map(gg.asarray, xs))
    weights = directions(outs, 2)

    def weighted(*xs: Any) -> Any:
        parts = [gg.sum(gg.real(out * w)) for out, w in zip(f(*xs), weights, strict=True)]
        return sum(parts[1:], parts[0])

    if not weighted(*[gg.tensor(x, requires_grad=True) for x in xs]).requires_grad:
        with pytest.raises(errors.GraphError, match="does not depend"):
            gg.debug.adjoint_source(weighted, *xs)
        return
    wanted_value, pull = gg.vjp(weighted, *xs)
    wanted = pull(gg.asarray(1.0, dtype=wanted_value.dtype))
    value, got = gg.debug.adjoint_source(weighted, *xs)(*xs)
    agree([value], [wanted_value], 1e-12, "value")
    agree([got] if len(xs) == 1 else list(got), list(wanted), 1e-9, "cotangent", least=1e-9)


def energy(x: Any, weights: dict[str, Any], labels: Any) -> Any:
    h = gg.tanh(x @ weights["w"]) + weights["b"]
    return gg.cross_entropy(h, labels)


def example() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    x, w = gg.tensor(rng.standard_normal((4, 20))), gg.tensor(rng.standard_normal((20, 3)))
    return x, {"w": w, "b": gg.zeros(3)}, gg.tensor([0, 2, 1, 1])


def test_containers_and_integers() -> None:
    args = example()
    value, (dx, dw, dlabels) = gg.debug.adjoint_source(energy, *args)(*args)
    wanted_value, (wx, ww) = gg.value_and_grad(energy, argnums=(0, 1))(*args)
    assert dlabels is None
    agree([value, dx, dw["w"], dw["b"]], [wanted_value, wx, ww["w"], ww["b"]], 1e-12, "result")


def test_each_line_stands_beside_the_line_that_it_came_from() -> None:
    text = str(gg.debug.adjoint_source(energy, *example()))
    forward, backward = text.split("# backward")
    assert "# test_debug.py" in forward
    for half in (forward, backward):
        line = next(row for row in half.splitlines() if "x @ weights" in row)
        assert line.rstrip().endswith('h = gg.tanh(x @ weights["w"]) + weights["b"]')
    assert "d_weights_w = " in backward


def test_saved_and_imported(tmp_path: Path) -> None:
    args = example()
    source = gg.debug.adjoint_source(energy, *args)
    (tmp_path / "saved.py").write_text(str(source))
    spec = importlib.util.spec_from_file_location("saved", tmp_path / "saved.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    value, (dx, _, _) = module.energy_adjoint(*args, **source.constants)
    agree([value, dx], [energy(*args), gg.grad(energy)(*args)], 1e-12, "result")


def test_it_differentiates_again() -> None:
    def cubed(x: Any) -> Any:
        return gg.sum(x * x * x)

    x = gg.tensor([1.0, 2.0])
    source = gg.debug.adjoint_source(cubed, x)
    np.testing.assert_allclose(gg.grad(lambda x: gg.sum(source(x)[1]))(x).numpy(), [6.0, 12.0])


def test_large_constants_are_arguments() -> None:
    table = gg.tensor(np.arange(100.0))
    source = gg.debug.adjoint_source(lambda x: gg.sum(x * table), gg.tensor(2.0))
    (constant,) = source.constants.values()
    np.testing.assert_array_equal(constant, table.numpy())
    assert float(source(gg.tensor(3.0))[0]) == 3 * 4950.0


def test_a_vector_needs_a_cotangent() -> None:
    x = gg.tensor([0.5, 1.0])
    with pytest.raises(errors.ShapeError, match="cotangent=, of that shape"):
        gg.debug.adjoint_source(gg.sin, x)
    with pytest.raises(errors.ShapeError, match="cotangent of shape"):
        gg.debug.adjoint_source(gg.sin, x, cotangent=np.ones(3))
    g = gg.tensor([1.0, 10.0])
    value, dx = gg.debug.adjoint_source(gg.sin, x, cotangent=g)(x, g)
    np.testing.assert_allclose(value.numpy(), np.sin([0.5, 1.0]))
    np.testing.assert_allclose(dx.numpy(), np.cos([0.5, 1.0]) * [1.0, 10.0])


def test_complex() -> None:
    z = gg.tensor([1.0 + 2.0j, 0.5j])
    _, dz = gg.debug.adjoint_source(lambda z: gg.sum(gg.abs(z * z)), z)(z)
    np.testing.assert_allclose(dz.numpy(), gg.grad(lambda z: gg.sum(gg.abs(z * z)))(z).numpy())


def test_constants_have_no_adjoint() -> None:
    with pytest.raises(errors.GraphError, match="does not depend on a floating-point argument"):
        gg.debug.adjoint_source(lambda x: gg.ones(()), gg.tensor(1.0))


def test_custom_rules_and_checkpoint() -> None:
    @gg.custom_vjp
    def clipped(x: Any) -> Any:
        return x * 2.0

    clipped.defvjp(lambda x: (x * 2.0, None), lambda _, g: (gg.clip(g, -1.0, 1.0),))

    def f(x: Any) -> Any:
        return gg.sum(gg.checkpoint(lambda y: gg.exp(clipped(y)))(x))

    x = gg.tensor([0.1, 1.0])
    _, dx = gg.debug.adjoint_source(f, x)(x)
    np.testing.assert_allclose(dx.numpy(), gg.grad(f)(x).numpy())
