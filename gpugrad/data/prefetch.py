"""Prefetch: the next items of an iterable are made in a thread while the present one is used."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from gpugrad import errors


class _Shared:
    """What the two threads share. The worker holds no reference to the iterator, so that dropping that ends the worker."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.items: deque[Any] = deque()
        self.changed = threading.Condition()
        self.closed = False
        """The consumer wants no more."""
        self.finished = False
        """The worker gives no more."""
        self.error: BaseException | None = None


def _work(items: Iterable[Any], shared: _Shared) -> None:
    error: BaseException | None = None
    iterator: Iterator[Any] = iter(())
    try:
        iterator = iter(items)
        for item in iterator:
            with shared.changed:
                while len(shared.items) >= shared.depth and not shared.closed:
                    shared.changed.wait()
                if shared.closed:
                    break
                shared.items.append(item)
                shared.changed.notify_all()
            del item  # the consumer alone decides how long it lives
    except BaseException as raised:  # whatever it was belongs to the consumer
        error = raised
        error.add_note("(raised in the thread that prefetches)")
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        with shared.changed:
            shared.error = error
            shared.finished = True
            shared.changed.notify_all()


class Prefetch(Iterator[Any]):
    """Iterates over ``items``, of which up to ``depth`` are made ahead in a thread.

    An exception there is raised here, in its place among the items and with its traceback. The thread ends when the
    items do, when :meth:`close` is called (a ``with`` block does that), or when the iterator is dropped; closing waits
    for the item that is being made.

    >>> import gpugrad as gg
    >>> list(gg.data.Prefetch(range(3), depth=2))
    [0, 1, 2]
    """

    def __init__(self, items: Iterable[Any], depth: int = 2) -> None:
        if depth < 1:
            raise errors.ArgumentError(f"Prefetch: depth={depth}; expected at least 1")
        self._shared = _Shared(depth)
        self._thread = threading.Thread(target=_work, args=(items, self._shared), name="gpugrad-prefetch", daemon=True)
        self._thread.start()

    def __next__(self) -> Any:
        shared = self._shared
        with shared.changed:
            while not shared.items and not shared.finished and not shared.closed:
                shared.changed.wait()
            if shared.items and not shared.closed:
                item = shared.items.popleft()
                shared.changed.notify_all()
                return item
            error, shared.error = shared.error, None
        self.close()
        try:
            raise StopIteration if error is None else error
        finally:
            del error  # else it would hold, by its traceback, this frame and so itself

    def _stop(self) -> None:
        with self._shared.changed:
            self._shared.closed = True
            self._shared.items.clear()
            self._shared.changed.notify_all()

    def close(self) -> None:
        """End the thread and wait for it; items that were made ahead are dropped."""
        self._stop()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if "_shared" in self.__dict__:
            self._stop()
