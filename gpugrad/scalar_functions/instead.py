"""What Python can say and a scalar function cannot, and what to write instead."""

from __future__ import annotations

import ast

_CONTAINER = "A scalar function computes with numbers; give each a name"

STATEMENTS: dict[type[ast.stmt], tuple[str, str]] = {
    ast.While: (
        "a while loop, whose number of steps differs from element to element",
        "Loop over range(n) with a constant n, and choose inside: y = step(y) if unfinished else y; or use gg.while_loop under gg.vmap",
    ),
    ast.Break: ("break", "Let the loop run on, and choose inside: y = step(y) if unfinished else y"),
    ast.Continue: ("continue", "Put the rest of the loop's body under an if"),
    ast.Try: ("try", "An array has NaN or infinity where Python's numbers raise: choose with if before computing"),
    ast.Raise: ("raise", "Return math.nan for elements that have no result"),
    ast.Assert: ("assert", "Check arguments outside of the function, or return math.nan"),
    ast.With: ("with", "Put it around the call"),
    ast.Import: ("an import in the function", "Import at the top of the file"),
    ast.ImportFrom: ("an import in the function", "Import at the top of the file"),
    ast.Global: ("global", "Return the number: nothing outside can be changed"),
    ast.Nonlocal: ("nonlocal", "Return the number: nothing outside can be changed"),
    ast.Delete: ("del", "Leave it out"),
    ast.Match: ("match", "Write if, elif and else"),
    ast.ClassDef: ("a class in the function", "Define it outside"),
    ast.Expr: ("an expression whose value is not used", "Assign it or return it: nothing outside can be changed"),
    ast.AugAssign: (
        "an assignment to what is no name",
        "Assign to a name of the function's own: it changes nothing outside",
    ),
    ast.AnnAssign: (
        "an assignment to what is no name",
        "Assign to a name of the function's own: it changes nothing outside",
    ),
}

EXPRESSIONS: dict[type[ast.expr], tuple[str, str]] = {
    ast.JoinedStr: ("a text where a number is expected", "A scalar function computes with numbers"),
    ast.Tuple: ("a tuple", _CONTAINER),
    ast.List: ("a list", _CONTAINER),
    ast.Dict: ("a dict", _CONTAINER),
    ast.Set: ("a set", _CONTAINER),
    ast.ListComp: ("a list", _CONTAINER + ", or loop over range(n)"),
    ast.GeneratorExp: ("a generator", _CONTAINER + ", or loop over range(n)"),
    ast.SetComp: ("a set", _CONTAINER),
    ast.DictComp: ("a dict", _CONTAINER),
    ast.Lambda: ("a lambda as a number", "Define the function with def, and call it"),
    ast.NamedExpr: ("an assignment in an expression", "Assign in a line before"),
    ast.Await: ("await", "A scalar function computes with numbers"),
    ast.Yield: ("yield", "Return one number"),
    ast.YieldFrom: ("yield", "Return one number"),
    ast.Starred: ("*", _CONTAINER),
}


def written(node: ast.AST, width: int = 60) -> str:
    """A node as text, at most so long."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
