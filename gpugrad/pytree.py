"""Nested containers: dict, list, tuple, named tuple, dataclass and registered types, with anything else as a leaf.

A field of a dataclass that is no data, ``dataclasses.field(metadata={"static": True})``, belongs to the structure.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from gpugrad import errors


class _Kind(NamedTuple):
    flatten: Callable[[Any], tuple[Sequence[Any], Any]]
    unflatten: Callable[[Any, Sequence[Any]], Any]
    keys: Callable[[Any, int], list[str]]


class Tree(NamedTuple):
    """The structure of a container: its type, what else is needed to rebuild it, and its children's structures."""

    kind: type | None
    aux: Any
    children: tuple[Tree, ...]


LEAF = Tree(None, None, ())

_kinds: dict[type, _Kind] = {
    dict: _Kind(
        lambda d: (list(d.values()), tuple(d)),
        lambda keys, xs: dict(zip(keys, xs, strict=True)),
        lambda keys, n: [f"[{k!r}]" for k in keys],
    ),
    OrderedDict: _Kind(
        lambda d: (list(d.values()), tuple(d)),
        lambda keys, xs: OrderedDict(zip(keys, xs, strict=True)),
        lambda keys, n: [f"[{k!r}]" for k in keys],
    ),
    defaultdict: _Kind(
        lambda d: (list(d.values()), (d.default_factory, tuple(d))),
        lambda aux, xs: defaultdict(aux[0], zip(aux[1], xs, strict=True)),
        lambda aux, n: [f"[{k!r}]" for k in aux[1]],
    ),
    list: _Kind(lambda x: (x, None), lambda _, xs: list(xs), lambda _, n: [f"[{i}]" for i in range(n)]),
    tuple: _Kind(lambda x: (x, None), lambda _, xs: tuple(xs), lambda _, n: [f"[{i}]" for i in range(n)]),
    type(None): _Kind(lambda _: ((), None), lambda _, xs: None, lambda _, n: []),
}


def register(
    cls: type, flatten: Callable[[Any], tuple[Sequence[Any], Any]], unflatten: Callable[[Any, Sequence[Any]], Any]
) -> None:
    """Let instances of ``cls`` be containers: ``flatten(obj) -> (children, aux)``, ``unflatten(aux, children) -> obj``.

    >>> import gpugrad as gg
    >>> class Pair:
    ...     def __init__(self, a, b): self.a, self.b = a, b
    >>> gg.pytree.register(Pair, lambda p: ((p.a, p.b), None), lambda _, ab: Pair(*ab))
    >>> gg.pytree.map(lambda x: 2 * x, Pair(1, 2)).b
    4
    """
    _kinds[cls] = _Kind(flatten, unflatten, lambda _, n: [f"<{i}>" for i in range(n)])


def _kind(x: Any) -> _Kind | None:
    cls = type(x)
    kind = _kinds.get(cls)
    if kind is None and isinstance(x, tuple) and hasattr(cls, "_fields"):
        kind = _kinds[cls] = _Kind(
            lambda t: (t, None), lambda _, xs: cls(*xs), lambda _, n: [f".{f}" for f in cls._fields]
        )
    elif kind is None and dataclasses.is_dataclass(cls):
        kind = _kinds[cls] = _dataclass(cls)
    return kind


def _dataclass(cls: Any) -> _Kind:
    given = [f for f in dataclasses.fields(cls) if f.init]
    names = [f.name for f in given if not f.metadata.get("static")]
    static = [f.name for f in given if f.metadata.get("static")]
    return _Kind(
        lambda d: ([getattr(d, n) for n in names], tuple(getattr(d, n) for n in static)),
        lambda aux, xs: cls(**dict(zip(names, xs, strict=True)), **dict(zip(static, aux, strict=True))),
        lambda _, n: [f".{name}" for name in names],
    )


def flatten(x: Any) -> tuple[list[Any], Tree]:
    """The leaves of ``x`` in order, and its structure."""
    leaves: list[Any] = []
    return leaves, _flatten(x, leaves)


def _flatten(x: Any, leaves: list[Any]) -> Tree:
    kind = _kind(x)
    if kind is None:
        leaves.append(x)
        return LEAF
    children, aux = kind.flatten(x)
    return Tree(type(x), aux, tuple(_flatten(c, leaves) for c in children))


def unflatten(tree: Tree, leaves: Iterable[Any]) -> Any:
    """The container of structure ``tree`` with these leaves."""
    return _unflatten(tree, iter(leaves))


def _unflatten(tree: Tree, leaves: Any) -> Any:
    if tree.kind is None:
        return next(leaves)
    return _kinds[tree.kind].unflatten(tree.aux, [_unflatten(c, leaves) for c in tree.children])


def map(function: Callable[..., Any], x: Any, *others: Any) -> Any:
    """``function`` of the leaves of ``x`` (and of the same places in ``others``), in the same container.

    >>> map(lambda a, b: a + b, {"w": 1, "b": [2, 3]}, {"w": 10, "b": [20, 30]})
    {'w': 11, 'b': [22, 33]}
    """
    leaves, tree = flatten(x)
    columns = [leaves]
    columns += [leaves_like(tree, other, "pytree.map: a container") for other in others]
    return unflatten(tree, [function(*row) for row in zip(*columns, strict=True)])


def leaves(x: Any) -> list[Any]:
    """The leaves of ``x`` in order."""
    return flatten(x)[0]


def children(x: Any) -> dict[str, Any] | None:
    """What a container holds, by the name of the place (``[0]``, ``['w']``, ``.bias``); None for a leaf."""
    kind = _kind(x)
    if kind is None:
        return None
    inside, aux = kind.flatten(x)
    return dict(zip(kind.keys(aux, len(inside)), inside, strict=True))


def leaves_like(tree: Tree, x: Any, what: str) -> list[Any]:
    """The leaves of ``x`` in the order of ``tree``, whose structure it has; the keys of a dict may come in any order."""
    found, shape = flatten(x)
    if shape == tree:
        return found
    found, shape = flatten(_in_order(tree, x))
    if shape != tree:
        raise errors.ShapeError(
            f"{what} of structure {describe(shape)}; expected {describe(tree)}: the same types, keys and lengths"
        )
    return found


def _in_order(tree: Tree, x: Any) -> Any:
    """``x`` with the keys of its dicts in the order that they have in ``tree``, as far as the two agree."""
    kind: Any = tree.kind
    if kind is None or kind is not type(x):
        return x
    if kind is dict and x.keys() == set(tree.aux):
        x = {key: x[key] for key in tree.aux}
    inside, aux = _kinds[kind].flatten(x)
    if len(inside) != len(tree.children):
        return x
    return _kinds[kind].unflatten(aux, [_in_order(t, c) for t, c in zip(tree.children, inside, strict=True)])


def paths(tree: Tree, root: str = "") -> list[str]:
    """A name for each leaf: ``['w'][0].bias``."""
    if tree.kind is None:
        return [root]
    keys = _kinds[tree.kind].keys(tree.aux, len(tree.children))
    return [p for key, child in zip(keys, tree.children, strict=True) for p in paths(child, root + key)]


def describe(tree: Tree) -> str:
    """The structure in words, with ``*`` for a leaf."""
    if tree.kind is None:
        return "*"
    keys = _kinds[tree.kind].keys(tree.aux, len(tree.children))
    return f"{tree.kind.__name__}({', '.join(k + '=' + describe(c) for k, c in zip(keys, tree.children, strict=True))})"
