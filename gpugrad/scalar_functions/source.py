"""The syntax tree of a function, with the lines of its file, and errors that name them."""

from __future__ import annotations

import ast
import functools as ft
import linecache
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from gpugrad import errors
from gpugrad.scalar_functions.table import unsupported

Definition = ast.FunctionDef | ast.Lambda


@ft.lru_cache(maxsize=32)
def _parsed(text: str, filename: str) -> ast.Module:
    return ast.parse(text, filename)


def definition_of(f: Callable[..., Any]) -> Definition:
    """The definition of a Python function as a syntax tree; UnsupportedError if its source cannot be had."""
    code = f.__code__
    name, filename, line = f.__name__, code.co_filename, code.co_firstlineno
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, f.__globals__)
    if not lines:
        raise unsupported(
            f"the source of {name} is not available ({filename}, line {line}): it was typed at a prompt, or made by exec. "
            "Put the function into a file (a notebook's cell will do)"
        )
    try:
        tree = _parsed("".join(lines), filename)
    except SyntaxError:
        tree = ast.Module([], [])  # the file is another by now
    found = [node for node in ast.walk(tree) if _is_of(node, code)]
    if len(found) > 1:
        found = _told_apart([node for node in found if isinstance(node, ast.Lambda)], code)
    if len(found) > 1:
        raise unsupported(
            f"{len(found)} functions at {filename}:{line} cannot be told apart. Put each of them on a line of its own"
        )
    if len(found) != 1:
        raise unsupported(
            f"the source of {name} at {filename}:{line} is not the one that is running: the file has changed since it was "
            "imported. Import it again"
        )
    node = found[0]
    assert isinstance(node, ast.FunctionDef | ast.Lambda)
    return node


def _is_of(node: ast.AST, code: CodeType) -> bool:
    """Whether a node may be what ``code`` was compiled from."""
    if isinstance(node, ast.FunctionDef):
        first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
        if (node.name, first) != (code.co_name, code.co_firstlineno):
            return False
    elif not isinstance(node, ast.Lambda) or code.co_name != "<lambda>" or node.lineno != code.co_firstlineno:
        return False
    return tuple(a.arg for a in arguments(node)) == code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def arguments(node: Definition) -> list[ast.arg]:
    """The parameters, in the order in which code has them."""
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _told_apart(found: Sequence[ast.Lambda], code: CodeType) -> list[ast.AST]:
    """Of lambdas on one line, the one that ``code`` was compiled from; several where that cannot be known."""
    holding = [node for node in found if _holds(node.body, code)]
    inner = [node for node in holding if not any(n is not node and n in holding for n in ast.walk(node))]
    texts = {ast.dump(node): node for node in inner}  # of those that are the same, any
    if len(texts) > 1:  # of a constant, which some versions of Python compile to code of no place
        return [n for n in texts.values() if _constant(n.body) in code.co_consts] or list(texts.values())
    return list(texts.values())


def _constant(node: ast.expr) -> object:
    """The value of a constant expression; something that no code has otherwise."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return node


def _holds(node: ast.expr, code: CodeType) -> bool:
    """Whether all that ``code`` does is written in that expression."""
    start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None or column == end_column:
            continue  # of no place, or of the whole
        if not (start <= (line, column) and (end_line, end_column) <= end):
            return False
    return True


class Place:
    """Where a function is, so that errors can say it."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.name = f.__name__
        self.filename = f.__code__.co_filename

    def error(self, node: ast.AST, what: str, instead: str) -> errors.UnsupportedError:
        """An error at a node: what cannot be translated, and the way out."""
        line = getattr(node, "lineno", 0)
        said = linecache.getline(self.filename, line).strip()
        where = f"{self.filename}:{line}" + (f" ({said})" if said else "")
        return errors.UnsupportedError(f"gg.elementwise cannot translate {self.name}, {where}: {what}. {instead}")
