"""What the names in a scalar function stand for, as far as that is known when it is decorated."""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.scalar_functions.instead import written
from gpugrad.scalar_functions.source import Definition, Place, arguments
from gpugrad.scalar_functions.tree import placed, unused

Scalar = Callable[..., Any]
Told = Callable[[Scalar, ast.AST, Place], object]
"""What is told of each scalar function that another calls."""

ABSENT: Any = object()
NUMBERS = (bool, int, float, complex, np.number, np.bool_)


def surroundings(f: Scalar) -> dict[str, Any]:
    """What names of a function that are not its own stand for: its closure, its module, the builtins."""
    found = {**vars(builtins), **f.__globals__}
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # assigned later
            found.pop(name, None)
    return found


class Scope:
    """The names of one function."""

    def __init__(
        self,
        place: Place,
        around: dict[str, Any],
        scalar: Told,
        node: Definition,
        name: str,
        outside: frozenset[str] = frozenset(),
        local_functions: dict[str, ast.FunctionDef] | None = None,
        lanes: str = "",
    ) -> None:
        self.place = place
        self.around = around
        self.scalar = scalar
        self.node = node
        self.name = name
        self.outside = outside
        """Variables of enclosing functions."""
        self.functions = dict(local_functions or {})
        """Functions defined here or further out, by name."""
        self.parameters = [a.arg for a in arguments(node)]
        for parameter in self.parameters:
            self.functions.pop(parameter, None)
        self.lanes = lanes or unused("_lanes", node)
        self.locals = set(self.parameters)
        """Variables of this function."""
        self.counters: set[str] = set()
        """Variables that are Python numbers, since they count or run over constants."""
        self.known: set[str] = set(self.parameters)
        """Variables that are assigned wherever the statement at hand is reached."""
        self.depth = 0

    def error(self, node: ast.AST, what: str, instead: str) -> errors.UnsupportedError:
        """An error at a node."""
        return self.place.error(node, what, instead)

    def found(self, node: ast.Name) -> Any:
        """What a name of the surroundings stands for; ABSENT if it is the function's own."""
        if node.id in self.locals or node.id in self.outside:
            return ABSENT
        found = self.around.get(node.id, ABSENT)
        if found is ABSENT:
            raise self.error(node, f"{node.id} is not defined (yet)", "Define it above the function")
        return found

    def resolved(self, node: ast.expr) -> Any:
        """What a dotted name stands for."""
        if isinstance(node, ast.Name):
            return self.found(node)
        if isinstance(node, ast.Attribute):
            owner = self.resolved(node.value)
            if not isinstance(owner, types.ModuleType):
                raise self.error(
                    node,
                    f"{written(node)}, an attribute of {kind_of(owner)}",
                    "Give numbers names of their own; take functions from modules",
                )
            if not hasattr(owner, node.attr):
                raise self.error(node, f"{owner.__name__} has no {node.attr}", "Look at its name again")
            return getattr(owner, node.attr)
        raise self.error(node, f"a call of {written(node)}", "Call functions by their name")

    def root(self, node: ast.expr) -> str:
        """The name with which a dotted name begins; "" if it begins with something else."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return node.id if isinstance(node, ast.Name) else ""

    def evaluated(self, node: ast.expr, at: ast.expr) -> Any:
        """The value of an expression of constants; None if a loop's variable is in it."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if names & (self.locals | self.outside):
            return None
        if any(isinstance(n, ast.Call | ast.Lambda | ast.NamedExpr | ast.Await) for n in ast.walk(node)):
            return None
        try:
            code = compile(ast.fix_missing_locations(ast.Expression(node)), self.place.filename, "eval")
            return eval(code, {"__builtins__": {}}, {n: self.around[n] for n in names if n in self.around})
        except Exception as error:
            raise self.error(
                at, f"{written(node)}, which gives {type(error).__name__}: {error}", "Give constants"
            ) from None

    def varying(self, node: ast.AST) -> str:
        """A name in an expression that may differ from element to element; "" if there is none."""
        for n in ast.walk(node):
            if isinstance(n, ast.Name) and (n.id in self.locals or n.id in self.outside) and n.id not in self.counters:
                return n.id
        return ""

    def call(self, method: str, at: ast.AST, *args: ast.expr) -> ast.Call:
        """A call of a method of the lanes."""
        function = ast.Attribute(ast.Name(self.lanes, ast.Load()), method, ast.Load())
        return placed(ast.Call(function, list(args), []), at)


def kind_of(found: Any) -> str:
    """What to call something that is no number."""
    if isinstance(found, types.ModuleType):
        return "a module"
    return f"of type {type(found).__name__}"


def hashable(x: Any) -> bool:
    """Whether something can be looked up in a table."""
    return type(x).__hash__ is not None


def is_scalar(x: Any) -> bool:
    """Whether something can be called as a scalar function: one that is written in Python."""
    return isinstance(x, types.FunctionType) and (x.__module__ or "").partition(".")[0] not in (
        "gpugrad",
        "numpy",
        "scipy",
    )
