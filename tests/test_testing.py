"""check_grads finds what is wrong, says where, and passes what is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.testing import check_grads


def with_vjp(rule: Any) -> Any:
    """x y with a reverse rule."""
    f = gg.custom_vjp(lambda x, y: x * y)
    f.defvjp(lambda x, y: (x * y, (x, y)), rule)
    return f


def with_jvp(rule: Any) -> Any:
    f = gg.custom_jvp(lambda x: gg.sin(x))
    f.defjvp(rule)
    return f


X, Y = np.array([0.5, -1.5]), np.array([2.0, 0.7])


def test_right_rules_pass() -> None:
    check_grads(with_vjp(lambda xy, g: (g * xy[1], g * xy[0])), (X, Y))
    check_grads(with_jvp(lambda x, t: (gg.sin(*x), t[0] * gg.cos(*x))), (X,), order=3)


def test_the_argument_with_the_wrong_cotangent_is_named() -> None:
    wrong = with_vjp(lambda xy, g: (g * xy[1], g * xy[1]))
    with pytest.raises(AssertionError, match=r"reverse mode, order 1, argument 1: expected .*, got "):
        check_grads(wrong, (X, Y), modes=("rev",))


def test_a_leaf_of_a_container_is_named() -> None:
    wrong = with_vjp(lambda xy, g: (g * xy[1], -g * xy[0]))
    with pytest.raises(AssertionError, match=r"argument 0\['y'\]\[0\]"):
        check_grads(lambda p: wrong(p["x"], p["y"][0]), ({"x": X, "y": [Y, 3]},))


def test_the_wrong_tangent_is_found() -> None:
    wrong = with_jvp(lambda x, t: (gg.sin(*x), t[0] * gg.cos(*x) * 1.0001))
    with pytest.raises(AssertionError, match=r"forward mode, order 1, argument 0: expected \[.*\], got \["):
        check_grads(wrong, (X,), modes=("fwd",))


def test_a_derivative_that_is_right_once_is_found_at_the_second_order() -> None:
    """The rule gives the right numbers and hides how they depend on x."""
    wrong = with_jvp(lambda x, t: (gg.sin(*x), t[0] * gg.stop_gradient(gg.cos(*x))))
    check_grads(wrong, (X,), order=1)
    with pytest.raises(AssertionError, match=r"order 2 \(of "):
        check_grads(wrong, (X,), order=2)


def test_nan_is_wrong() -> None:
    wrong = with_jvp(lambda x, t: (gg.sin(*x), t[0] * np.nan))
    with pytest.raises(AssertionError, match="nan"):
        check_grads(wrong, (X,))


def test_containers_integers_and_several_results() -> None:
    def f(p: Any, k: Any) -> Any:
        return {"a": gg.sin(p["x"]) * k, "b": (gg.sum(p["x"]), k)}

    check_grads(f, ({"x": X, "n": np.array([1, 2])}, 3))


def test_single_precision_is_compared_with_differences_in_double() -> None:
    check_grads(lambda x: gg.exp(gg.sin(x)), (X.astype(np.float32),))


def test_complex() -> None:
    check_grads(lambda z: gg.exp(z) * gg.conj(z), (X + 1j * Y,))
    check_grads(gg.abs, (X + 1j * Y,))
    check_grads(lambda x: gg.abs(x * 1j + 2.0) + gg.real(gg.exp(1j * x)), (X,))


def test_nothing_to_differentiate() -> None:
    with pytest.raises(gg.errors.DtypeError, match="nothing to differentiate"):
        check_grads(lambda x: x > 0, (X,))
    with pytest.raises(gg.errors.DtypeError, match="nothing to differentiate"):
        check_grads(gg.sin, (np.array([1, 2]),))


@pytest.mark.parametrize("wrong", [{"order": 0}, {"modes": ()}, {"modes": ("forward",)}])
def test_arguments(wrong: Any) -> None:
    with pytest.raises(ValueError, match="expected an order from 1"):
        check_grads(gg.sin, (X,), **wrong)


def test_arguments_come_in_a_tuple_and_one_mode_may_be_named() -> None:
    with pytest.raises(errors.DtypeError, match=r"\(x,\)"):
        gg.testing.check_grads(gg.sin, gg.ones(2))
    gg.testing.check_grads(gg.sin, (gg.ones(2),), modes="rev")


@pytest.mark.parametrize("name", ["sin", "exp", "log", "tanh", "multiply", "divide"])
def test_a_rule_that_is_off_by_a_thousandth_is_found(name: str) -> None:
    from gpugrad.primitive import Scale, names_of, registry

    prim = registry[name]
    args = (gg.tensor([1.0, 2.0, 3.0]), gg.tensor([2.0, 0.5, 4.0]))[: len(prim.operands)]
    state = prim.rules, prim.pulls, prim.pushes, prim.drops, prim.keeps
    for k, rule in enumerate(prim.rules):
        if not isinstance(rule, Scale) or isinstance(rule.partial, float | int):
            continue
        names = ", ".join([rule.partial] if isinstance(rule.partial, str) else names_of(rule.partial))
        right = names if isinstance(rule.partial, str) else f"right({names})"
        off = eval(f"lambda {names}: 1.001 * {right}", {"right": rule.partial})
        rules = [*prim.rules]
        rules[k] = Scale(off, rule.masked)
        prim.rules, prim.pulls, prim.pushes, prim.drops, prim.keeps = tuple(rules), None, None, {}, None
        try:
            for mode in ("fwd", "rev"):
                with pytest.raises(AssertionError, match=f"order 1, argument {k}"):
                    gg.testing.check_grads(prim, args, order=1, modes=mode)
        finally:
            prim.rules, prim.pulls, prim.pushes, prim.drops, prim.keeps = state
