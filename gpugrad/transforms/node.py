"""Nodes: what the tape records of an operation, and where gradients end up.

A node refers to its parents, never to its output, so a graph has no reference cycle: it is freed the moment the last
tensor that reaches it dies. It keeps only what the rules of its tracked operands read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from gpugrad import errors
from gpugrad.primitive import Primitive, Shape, linear
from gpugrad.transforms import borrowed

next_index = count(1).__next__
"""Nodes are numbered as they are made."""

NO_PARAMS: dict[str, Any] = {}


class Node:
    """One recorded operation: what its output's cotangent needs to become those of its inputs."""

    __slots__ = ("__weakref__", "extra", "index", "params", "parents", "prim", "saved", "shape")

    def __init__(
        self,
        prim: Primitive,
        params: dict[str, Any],
        parents: Sequence[Node | None],
        saved: Sequence[Any] | None,
        shape: Any,
    ) -> None:
        self.prim = prim
        self.params = params
        self.parents = parents
        self.saved = saved
        """Operands, then the output; None where no rule reads it; None as a whole once a sweep has let go of it."""
        self.shape = shape
        self.index = next_index()
        self.extra: Extra | None = None

    # ---- what a user may read of it (``t.grad_fn``)
    @property
    def name(self) -> str:
        """The operation's name."""
        named: str = self.params.get("name", self.prim.name) if self.prim is CALL else self.prim.name
        return named

    @property
    def inputs(self) -> tuple[Node | None, ...]:
        """The nodes of the operands; None for an operand that is not tracked."""
        return tuple(self.parents)

    @property
    def value(self) -> Any:
        """The output, if the graph was made under ``gg.keep_values()``."""
        return _kept(self, "value")

    @property
    def adjoint(self) -> Any:
        """The cotangent that the last sweep brought here, if the graph was made under ``gg.keep_values()``."""
        return _kept(self, "adjoint")

    def __repr__(self) -> str:
        names = ", ".join("constant" if p is None else p.name for p in self.parents)
        return f"<{self.name} of ({names}) -> shape {self.shape}>"


class Extra:
    """What few nodes have: hooks, kept values, fingerprints of arrays that are not ours, the place that made them."""

    __slots__ = ("adjoint", "hooks", "keep", "prints", "value")

    def __init__(self) -> None:
        self.hooks: dict[int, Callable[[Any], Any]] = {}
        self.prints: list[tuple[int, borrowed.Print]] = []
        self.keep = False
        self.value: Any = None
        self.adjoint: Any = None


class Leaf(Node):
    """Where a graph begins: an input of a transform, or a tensor with ``requires_grad``, whose gradient lives here."""

    __slots__ = ("dtype", "grad")

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.prim = LEAF  # as Node does; every gradient begins with some, hence without another call
        self.params = NO_PARAMS
        self.parents = ()
        self.saved = ()
        self.shape = shape
        self.index = next_index()
        self.extra = None
        self.dtype = dtype
        self.grad: Any = None


def extra(node: Node) -> Extra:
    """The node's rarely used part, made when first asked for."""
    if node.extra is None:
        node.extra = Extra()
    return node.extra


def _kept(node: Node, field: str) -> Any:
    if node.extra is None or not node.extra.keep:
        raise errors.GraphError(
            f"the {field} of <{node.name}> was not kept: a node keeps only what its rule reads. Run the function under `with gg.keep_values():`"
        )
    return getattr(node.extra, field)


def _not_bound(*_: Any) -> Any:
    raise AssertionError("a marker on the tape is never applied")


LEAF = linear("leaf", _not_bound, forward=_not_bound, shape=_not_bound)
ITEM = linear("item", _not_bound, forward=_not_bound, shape=_not_bound)
"""Marks one output of an operation with several."""
CALL = linear("call", _not_bound, forward=_not_bound, shape=_not_bound)
"""Marks a whole function: ``params["pull"](g, saved, tracer)`` yields its parents with their cotangents."""
