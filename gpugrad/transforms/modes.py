"""Switches of the thread: whether tapes record, and whether nodes keep their values for the eye."""

from __future__ import annotations

import functools as ft
import inspect
from collections.abc import Callable
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any

from gpugrad import errors, trace
from gpugrad.trace import next_level, state


class _Mode(ContextDecorator):
    """A context manager that sets something for the thread and puts it back; also a decorator, with or without ().

    What was there before waits on a stack of the thread, so that one object serves many blocks and threads, and blocks
    that end out of order (of generators, of asyncio's tasks) leave the thread as it was.
    """

    def __new__(cls, f: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        return made if f is None else made(f)

    def __call__(self, f: Any) -> Any:
        if inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f):
            raise errors.UnsupportedError(
                f"{type(self).__name__} on {f.__name__}, which is asynchronous: the mode is the thread's, so other tasks would run in it while this one waits. Use `with gg.{type(self).__name__}():` between two awaits"
            )
        return _each_step(self, f) if inspect.isgeneratorfunction(f) else super().__call__(f)

    def _set(self) -> None:
        raise NotImplementedError

    def _reset(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> None:
        self._set()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._reset()


def _each_step(mode: _Mode, f: Callable[..., Any]) -> Callable[..., Any]:
    """A generator function whose every step, and nothing between two steps, runs in the mode."""

    @ft.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        generator = f(*args, **kwargs)
        step, given = generator.send, None
        while True:
            try:
                with mode:
                    item = step(given)
            except StopIteration as end:
                return end.value
            try:
                step, given = generator.send, (yield item)
            except GeneratorExit:
                with mode:
                    generator.close()
                raise
            except BaseException as error:
                step, given = generator.throw, error

    return run


class _Floor(_Mode):
    def _set(self) -> None:
        state.floors.append(state.floor)
        state.floor = self._floor()

    def _floor(self) -> int:
        raise NotImplementedError

    def _reset(self) -> None:
        state.floor = state.floors.pop()


class no_grad(_Floor):  # noqa: N801  (a switch that reads like a word, as users of PyTorch know it)
    """Compute without recording, in this thread: no gradient of reverse mode flows through what is made inside.

    Transforms entered inside record for themselves; forward mode goes on, which gg.stop_gradient would end. Usable as
    a context and as a decorator, of generators too; tasks of asyncio share the mode of their thread.

    >>> import gpugrad as gg
    >>> x = gg.tensor(2.0, requires_grad=True)
    >>> with gg.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def _floor(self) -> int:
        return next_level()


class enable_grad(_Floor):  # noqa: N801
    """Record again inside :class:`no_grad`.

    >>> import gpugrad as gg
    >>> x = gg.tensor(2.0, requires_grad=True)
    >>> with gg.no_grad(), gg.enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """

    def _floor(self) -> int:
        return -1


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

    def _set(self) -> None:
        state.keep_values += 1
        trace.watching += 1

    def _reset(self) -> None:
        state.keep_values -= 1
        trace.watching -= 1
