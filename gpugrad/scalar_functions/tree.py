"""Nodes of Python's syntax trees: how they are looked at, and how new ones are made."""

from __future__ import annotations

import ast
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)


def template(text: str, at: ast.AST) -> list[ast.stmt]:
    """Statements given as text, all of which stand where ``at`` does."""
    out = ast.parse(text).body
    for stmt in out:
        for n in ast.walk(stmt):
            ast.copy_location(n, at)
    return out


def placed(new: Node, at: ast.AST) -> Node:
    """A new node, which stands where ``at`` does; what is in it keeps its place, if it has one."""
    for n in ast.walk(new):
        if not hasattr(n, "lineno"):
            ast.copy_location(n, at)
    return new


def text(name: str) -> ast.expr:
    """A string, as an expression."""
    return ast.Constant(name)


def later(value: ast.expr) -> ast.expr:
    """An expression that is computed when its path is entered."""
    empty = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.copy_location(ast.Lambda(empty, value), value)


def own(stmt: ast.AST) -> list[ast.AST]:
    """The nodes of a statement that belong to its function, not to one that is defined in it."""
    out: list[ast.AST] = []
    ahead = [stmt]
    while ahead:
        node = ahead.pop()
        out.append(node)
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            ahead += ast.iter_child_nodes(node)
    return out


def stored(stmt: ast.AST) -> set[str]:
    """The names that a statement assigns to."""
    return {n.id for n in own(stmt) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def returns(stmt: ast.stmt) -> bool:
    """Whether there is a return in a statement."""
    return any(isinstance(n, ast.Return) for n in own(stmt))


def is_text(stmt: ast.stmt) -> bool:
    """Whether a statement is a string, such as a docstring."""
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant) and isinstance(stmt.value.value, str)


def unused(name: str, node: ast.AST) -> str:
    """``name``, lengthened until no name in ``node`` begins with it."""
    taken = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    taken |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    while any(t.startswith(name) for t in taken):
        name += "_"
    return name
