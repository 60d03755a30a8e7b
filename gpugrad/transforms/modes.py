"""Switches of the thread: whether tapes record, and whether nodes keep their values for the eye."""

from __future__ import annotations

from contextlib import ContextDecorator
from types import TracebackType

from gpugrad import trace
from gpugrad.trace import state


class _Mode(ContextDecorator):
    """A context manager, also usable as a decorator and more than once, that sets and restores something."""

    def __init__(self) -> None:
        self._before: list[object] = []

    def _set(self) -> object:
        raise NotImplementedError

    def _reset(self, before: object) -> None:
        raise NotImplementedError

    def __enter__(self) -> None:
        self._before.append(self._set())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._reset(self._before.pop())


class _Floor(_Mode):
    def _reset(self, before: object) -> None:
        assert isinstance(before, int)
        state.floor = before


class no_grad(_Floor):  # noqa: N801  (a switch that reads like a word, as users of PyTorch know it)
    """Compute without recording, in this thread: nothing made inside has a gradient.

    Transforms entered inside record for themselves. Usable as a context and as a decorator.

    >>> import gpugrad as gg
    >>> x = gg.tensor(2.0, requires_grad=True)
    >>> with gg.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def _set(self) -> object:
        before, state.floor = state.floor, state.level
        return before


class enable_grad(_Floor):  # noqa: N801
    """Record again inside :class:`no_grad`.

    >>> import gpugrad as gg
    >>> x = gg.tensor(2.0, requires_grad=True)
    >>> with gg.no_grad(), gg.enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """

    def _set(self) -> object:
        before, state.floor = state.floor, -1
        return before


def is_grad_enabled() -> bool:
    """Whether operations on tensors outside every transform are recorded.

    >>> import gpugrad as gg
    >>> gg.is_grad_enabled()
    True
    """
    return state.floor < 0


class keep_values(_Mode):  # noqa: N801
    """Let the nodes made inside keep their outputs, and later their adjoints, for ``t.grad_fn`` to show.

    >>> import gpugrad as gg
    >>> x = gg.tensor(3.0, requires_grad=True)
    >>> with gg.keep_values():
    ...     y = x * x + 1.0
    >>> y.backward()
    >>> square = y.grad_fn.inputs[0]
    >>> float(square.value), float(square.adjoint)
    (9.0, 1.0)
    """

    def _set(self) -> object:
        before, state.keep_values = state.keep_values, True
        trace.watching += 1
        return before

    def _reset(self, before: object) -> None:
        state.keep_values = bool(before)
        trace.watching -= 1
