"""What a compiled function says where Python asks for what is not known, and where it is compiled again and again."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from interpreted import interpreted

import gpugrad as gg
from gpugrad import errors
from gpugrad.backends import numba_kernels


@pytest.fixture(autouse=True)
def by_python(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels that Python runs."""
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)
    limit = gg.config.retrace_limit
    yield
    gg.config.retrace_limit = limit


# ---- numbers that are not known -----------------------------------------------------------------------------------------


def branch(x: Any) -> Any:
    if x > 0.0:
        return x
    return -x


def shape(x: Any) -> Any:
    return gg.zeros(int(x))


@pytest.mark.parametrize("f", [branch, shape, lambda x: gg.asarray(np.asarray(x)), lambda x: f"{x:.3f}"])
def test_numbers_are_refused(f: Callable[..., Any]) -> None:
    with pytest.raises(errors.TraceError) as caught:
        gg.jit(f)(gg.tensor(1.0))
    said = str(caught.value)
    line = f.__code__.co_firstlineno + (f in (branch, shape))
    assert "the numbers of a " in said
    assert f"test_jit_messages.py:{line} " in said
    assert f"while {f.__name__} is being compiled" in said
    assert "gg.where or gg.cond" in said
    assert "static_argnums" in said


def test_a_loop_until_something_holds() -> None:
    f = lambda x: gg.while_loop(lambda c: c < 10.0, lambda c: 2.0 * c, x)
    assert float(gg.jit(f)(gg.tensor(1.0))) == float(f(gg.tensor(1.0))) == 16.0
    assert float(gg.grad(f)(gg.tensor(1.0))) == 16.0
    with pytest.raises(
        errors.TraceError, match=r"while_loop.*a reverse derivative is asked for.*gg.scan or gg.fori_loop"
    ):
        gg.grad(gg.jit(f))(gg.tensor(1.0))


def test_a_traced_value_is_shown_without_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    @gg.jit
    def f(x: Any) -> Any:
        y = x * 2.0
        print(y, f"{y}")
        return y

    for _ in range(2):
        assert f(gg.ones(3)).tolist() == [2.0] * 3
    shown = "tensor(shape=(3,), dtype=float64, device='cpu')"
    assert capsys.readouterr().out == f"{shown} {shown}\n"  # once: Python does not run again


# ---- values that got out ------------------------------------------------------------------------------------------------


class Holder:
    value: Any = None


@pytest.mark.parametrize("use", [lambda v: v + 1.0, lambda v: gg.sum(v), float, lambda v: gg.jit(gg.exp)(v)])
@pytest.mark.parametrize("place", ["list", "attribute", "global"])
def test_a_value_that_got_out(use: Callable[..., Any], place: str) -> None:
    holder, kept = Holder(), []

    @gg.jit
    def leaking(x: Any) -> Any:
        global leaked
        y = x * 3.0  # made here
        if place == "list":
            kept.append(y)
        elif place == "attribute":
            setattr(holder, "val", y)  # noqa: B010  (not seen as a place that the function changes)
        else:
            globals()["leaked"] = y
        return y

    leaking(gg.tensor(2.0))
    value = kept[0] if place == "list" else holder.val if place == "attribute" else leaked  # type: ignore[attr-defined]
    with pytest.raises(errors.TraceError) as caught:
        use(value)
    said = str(caught.value)
    assert "while leaking was being compiled, by multiply at test_jit_messages.py:" in said
    assert "y = x * 3.0  # made here" in said
    assert "Return it from the function" in said


leaked: Any = None


def test_an_argument_that_got_out() -> None:
    kept: list[Any] = []
    gg.jit(lambda x: (kept.append(x), x * 1.0)[1])(gg.ones(2))
    with pytest.raises(errors.TraceError, match="as its argument x, and kept"):
        kept[0] * 2.0


# ---- parameters that something else uses or changes ------------------------------------------------------------------


def elsewhere(work: Callable[[], Any]) -> BaseException | None:
    """What ``work`` raises in another thread."""
    found: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            found.append(error)

    t = threading.Thread(target=run)
    t.start()
    t.join()
    return found[0] if found else None


@pytest.mark.parametrize("use", [lambda w: w * 2.0, float, lambda w: w.__iadd__(1.0)])
def test_a_parameter_used_by_another_thread_while_the_function_is_compiled(use: Callable[[Any], Any]) -> None:
    w = gg.tensor(1.0)
    raised: list[BaseException | None] = []

    @gg.jit
    def f(x: Any) -> Any:
        out = x * w
        raised.append(elsewhere(lambda: use(w)))
        return out

    assert float(f(gg.tensor(3.0))) == 3.0
    assert isinstance(raised[0], errors.TraceError)
    assert "stands for a value of f, which another thread is compiling" in str(raised[0])
    assert float(w) == 1.0


# ---- too many kinds of arguments ----------------------------------------------------------------------------------------


def test_shapes_that_vary() -> None:
    @gg.jit
    def pad(p: Any, x: Any) -> Any:
        return p["w"] * gg.sum(x)

    gg.config.retrace_limit = 4
    for n in range(1, 4):
        pad({"w": gg.ones(n)}, gg.ones(2))
    pad({"w": gg.ones(3)}, gg.ones(2))  # not another kind
    with pytest.warns(errors.CompileWarning) as caught:
        for n in range(4, 9):
            pad({"w": gg.ones(n)}, gg.ones(2))
    assert len(caught) == 1  # once
    assert caught[0].filename == __file__
    said = str(caught[0].message)
    assert "jit of pad has been compiled for 4 kinds of arguments: p['w'] was float64[1], float64[2]" in said
    assert "pad to a few sizes" in said


def test_static_arguments_that_vary() -> None:
    gg.config.retrace_limit = 3
    f = gg.jit(lambda x, n, mode="a": x * n, static_argnums=1)
    with pytest.warns(errors.CompileWarning, match=r"n was 1, 2, 3 \(3 of 3\).*gg.asarray\(n\)"):
        for n in (1, 2, 3):
            f(gg.ones(2), n)
    g = gg.jit(lambda x, n: x * n)
    with pytest.warns(errors.CompileWarning, match=r"n was 1, 2, 3 \(3 of 3\)"):
        for n in (1, 2, 3):
            g(gg.ones(2), n=n)


def test_a_limit_that_is_not_reached_or_not_wanted() -> None:
    f = gg.jit(lambda x, n: x * n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(gg.config.retrace_limit - 1):  # type: ignore[operator]
            f(gg.ones(2), n)
        gg.config.retrace_limit = None
        for n in range(40):
            f(gg.ones(2), n)
    for wrong in (0, -1, 2.0, "many"):
        with pytest.raises(errors.ArgumentError, match="retrace_limit"):
            gg.config.retrace_limit = wrong  # type: ignore[assignment]
