"""NumPy's signatures on our functions.

A row of the table names one of our functions and says only where the two signatures differ. The rest follows from
the names: a parameter of NumPy's goes to ours of the same name, an array parameter (``a``, ``arr``, ``m`` …) to the
array in the same place, and one that we do not have must be left at its default, or the call is an error that names
it. ``out=``, ``where=`` and ``initial=`` are served here, for all rows alike.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.numpy.results import delivered, in_dtype
from gpugrad.transforms.lift import as_value

Function = Callable[..., Any]

ABSENT = getattr(np, "_NoValue", None)
"""NumPy's own mark for a parameter that was not given."""

IGNORED = frozenset({"subok", "overwrite_input", "kind"})
"""Parameters that say how to compute, which does not change the result."""


@dataclass(frozen=True)
class Row:
    """One of our functions under a signature of NumPy's."""

    ours: str
    """Its name in the table of operations."""
    renames: Mapping[str, str] = field(default_factory=dict)
    """NumPy's name of a parameter -> ours, where they differ."""
    join: str = ""
    """For a reduction: the binary operation that it repeats, which takes in ``initial``."""
    neutral: Any = None
    """For a reduction: what stands for an element that ``where`` leaves out; None where ``initial`` must say it."""


class Adapted:
    """A plan to call ``ours`` with arguments that are meant for ``theirs``; made when first used."""

    def __init__(self, path: str, theirs: Function, ours: Function, row: Row, joins: Mapping[str, Function]) -> None:
        self.path = path
        self.row = row
        self.ours = ours
        self.join = joins.get(row.join)
        self.select = joins["where"]
        self.theirs = list(inspect.signature(theirs).parameters.values())
        parameters = inspect.signature(ours).parameters
        self.target = _targets(self.theirs, parameters, row.renames)
        self.positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_ONLY]
        own = list(parameters)
        self.quick = 0
        """How many leading positional arguments may be passed on as they are."""
        for k, p in enumerate(self.theirs):
            if p.kind is p.VAR_POSITIONAL and k < len(own) and self.target.get(p.name) == own[k]:
                self.quick = 1 << 30
            if p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL) or k >= len(own) or self.target.get(p.name) != own[k]:
                break
            self.quick = k + 1
        self.same = frozenset(name for name, to in self.target.items() if name == to) - {"out", "where", "initial"}
        """Keywords that may be passed on as they are."""

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given, rest = self._bound(args, kwargs)
        out = given.pop("out", None)
        where = given.pop("where", ABSENT)
        initial = given.pop("initial", ABSENT)
        passed = {}
        for p in self.theirs:
            if p.name not in given:
                continue
            v = given[p.name]
            to = self.target.get(p.name)
            if to is not None:
                passed[to] = v
            elif not (v is ABSENT or v is p.default or p.name in IGNORED or _equal(v, p.default)):
                raise errors.UnsupportedError(
                    f"np.{self.path}: {p.name}={v!r} is not supported on tensors; leave it at {p.default!r}, or compute it with other functions of gg"
                )
        if where is not ABSENT and where is not True:
            passed = self._left_out(passed, where, initial)
        first = [passed.pop(name) for name in self.positional if name in passed]
        result = self.ours(*first, *rest, **passed)
        if initial is not ABSENT and initial is not None:
            if self.join is None:
                raise errors.UnsupportedError(
                    f"np.{self.path}: initial= is not supported on tensors; join it to the result"
                )
            result = self.join(result, in_dtype(as_value(initial), result.dtype, f"np.{self.path}: initial="))
        return delivered(result, out, f"np.{self.path}")

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """Arguments by NumPy's names, and those of ``*args``."""
        given: dict[str, Any] = {}
        names = [p for p in self.theirs if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if any(p.kind is p.VAR_POSITIONAL for p in self.theirs):
            return dict(kwargs), args
        if len(args) > len(names):
            raise TypeError(f"np.{self.path}() takes {len(names)} positional arguments, got {len(args)}")
        for p, v in zip(names, args, strict=False):
            given[p.name] = v
        known = {p.name for p in self.theirs}
        for name, v in kwargs.items():
            if name in given or name not in known:
                raise TypeError(
                    f"np.{self.path}() got {'two values for' if name in given else 'an unexpected'} argument {name!r}"
                )
            given[name] = v
        return {name: v for name, v in given.items() if v is not ABSENT}, ()

    def _left_out(self, passed: dict[str, Any], where: Any, initial: Any) -> dict[str, Any]:
        neutral = self.row.neutral
        if neutral is None and self.join is not None and initial is not ABSENT and initial is not None:
            neutral = initial
        if neutral is None:
            raise errors.UnsupportedError(
                f"np.{self.path}: where= is not supported on tensors{' without initial=' if self.join else ''}; select first: gg.where(mask, x, value)"
            )
        first = next(iter(passed))
        return {**passed, first: self.select(where, passed[first], neutral)}


def _targets(
    theirs: list[inspect.Parameter], ours: Mapping[str, inspect.Parameter], renames: Mapping[str, str]
) -> dict[str, str]:
    """NumPy's name -> ours."""
    by_place = {k: name for k, (name, p) in enumerate(ours.items()) if "Array" in str(p.annotation)}
    names = {p.name for p in theirs}
    out: dict[str, str] = {}
    for k, p in enumerate(theirs):
        if p.name in renames:
            out[p.name] = renames[p.name]
        elif p.name in ours:
            out[p.name] = p.name
        elif k in by_place and by_place[k] not in names:
            out[p.name] = by_place[k]
    return out


def _equal(v: Any, default: Any) -> bool:
    return type(v) is type(default) and isinstance(v, str | int | float | bool) and v == default


def adapted(path: str, theirs: Function, ours: Function, row: Row, joins: Mapping[str, Function]) -> Function:
    """``ours`` under the signature of NumPy's function ``theirs``."""
    plan: Adapted | None = None

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal plan
        if plan is None:
            plan = Adapted(path, theirs, ours, row, joins)
        if len(args) <= plan.quick and kwargs.keys() <= plan.same:
            return ours(*args, **kwargs)
        return plan(args, kwargs)

    return named(call, path, theirs, ours)


def named(call: Any, path: str, theirs: Any, ours: Any) -> Function:
    """``call`` under NumPy's name and signature, documented by what it computes here."""
    call.__name__ = call.__qualname__ = path.rsplit(".", 1)[-1]
    call.__module__ = f"gpugrad.numpy.{path}".rsplit(".", 1)[0]
    about = inspect.cleandoc(ours.__doc__ or "").split(">>>", 1)[0].rstrip()  # its example is in the terms of ``gg``
    call.__doc__ = f"NumPy's ``{path}`` on tensors.\n\n{about}"
    if theirs is not None:
        call.__wrapped__ = theirs
    function: Function = call
    return function
