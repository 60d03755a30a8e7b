"""Expressions of a scalar function, rewritten."""

from __future__ import annotations

import ast

from gpugrad.scalar_functions.instead import EXPRESSIONS, written
from gpugrad.scalar_functions.scope import NUMBERS, Scope, hashable, is_scalar, kind_of
from gpugrad.scalar_functions.table import Operation, operation_of, unknown
from gpugrad.scalar_functions.tree import later, text


class Expressions(Scope):
    """Rewrites expressions of the function whose names these are."""

    def value(self, node: ast.expr) -> ast.expr:
        """An expression that gives a number."""
        match node:
            case ast.Constant(value=constant):
                if not isinstance(constant, bool | int | float | complex):
                    what = "a text" if isinstance(constant, str | bytes) else repr(constant)
                    raise self.error(
                        node, f"{what} where a number is expected", "A scalar function computes with numbers"
                    )
                return node
            case ast.Name():
                return self._number(node)
            case ast.Attribute() | ast.Subscript():
                return self._constant(node)
            case ast.BinOp():
                kind = type(node.op).__name__
                if kind == "MatMult":
                    raise self.error(
                        node, "a matrix product", "It is an operation on arrays: call it outside, gg.matmul(A, B)"
                    )
                return self.call("op", node, text(kind), self.value(node.left), self.value(node.right))
            case ast.UnaryOp(op=ast.Not()):
                return self.call("negated", node, self.value(node.operand))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float() | int())):
                return node
            case ast.UnaryOp():
                return self.call("op", node, text(type(node.op).__name__), self.value(node.operand))
            case ast.BoolOp():
                name = "both" if isinstance(node.op, ast.And) else "either"
                first, *others = map(self.value, node.values)
                return self.call(name, node, first, *map(later, others))
            case ast.Compare():
                return self._compare(node)
            case ast.IfExp():
                parts = self.value(node.test), later(self.value(node.body)), later(self.value(node.orelse))
                return self.call("choice", node, *parts)
            case ast.Call():
                return self._called(node)
            case _:
                what, instead = EXPRESSIONS.get(type(node), (f"an expression {written(node)}", "Compute with numbers"))
                raise self.error(node, what, instead)

    def _compare(self, node: ast.Compare) -> ast.expr:
        rest: list[ast.expr] = []
        for op, operand in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn):
                raise self.error(node, f"{written(node)}: is and in are not about numbers", "Compare with == and <")
            rest += [text(type(op).__name__), self.value(operand)]
        return self.call("compared", node, self.value(node.left), *rest)

    def _number(self, node: ast.Name) -> ast.expr:
        name = node.id
        if name in self.functions or (name == self.name and name not in self.locals and name not in self.around):
            raise self.error(node, f"{name} as a number, which is a function", "Call it")
        if name in self.locals:
            if name not in self.known:
                raise self.error(
                    node,
                    f"{name} is not assigned on every path that comes here",
                    "Assign a number before the choice or the loop",
                )
            return node
        if name in self.outside:
            return node
        found = self.found(node)
        if not isinstance(found, NUMBERS):
            raise self.error(
                node, f"{name} is {kind_of(found)}, not a number", "Pass arrays as arguments; close over numbers"
            )
        return node

    def _constant(self, node: ast.expr) -> ast.expr:
        """An attribute of a module, an element of a tuple of numbers."""
        root = node
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        text = written(node)
        if not isinstance(root, ast.Name) or root.id in (self.locals | self.outside) - self.counters:
            raise self.error(
                node, f"{text}, on a number", "A parameter is one number, which has no attributes or elements"
            )
        if isinstance(node, ast.Attribute):
            found = self.resolved(node)
            if not isinstance(found, NUMBERS):
                raise self.error(node, f"{text} is {kind_of(found)}, not a number", "Take a number, such as math.pi")
            return node
        assert isinstance(node, ast.Subscript)
        self._must_index(node)
        return node

    def _must_index(self, node: ast.Subscript) -> None:
        sequence = self.evaluated(node.value, node)
        if not isinstance(sequence, tuple | list) or not all(isinstance(n, NUMBERS) for n in sequence):
            raise self.error(
                node,
                f"{written(node)} is not an element of a tuple of numbers",
                "Pass an array as an argument, an element each",
            )
        varying = self.varying(node.slice)
        if varying:
            raise self.error(
                node,
                f"an index that depends on {varying}, which differs from element to element",
                "Choose with if, or use gg.take on arrays",
            )
        if any(isinstance(n, ast.Slice | ast.Call | ast.Lambda | ast.Tuple) for n in ast.walk(node.slice)):
            raise self.error(node, f"the elements {written(node)}", "Give one index, a constant")

    def _called(self, node: ast.Call) -> ast.expr:
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            raise self.error(node, "* or ** in a call", "Give each argument by itself")
        special = self._special(node)
        if special is not None:
            return special
        args = [self.value(a) for a in node.args]
        keywords = [ast.keyword(k.arg, self.value(k.value)) for k in node.keywords]
        function = node.func
        if (
            isinstance(function, ast.Name)
            and function.id == self.name
            and (isinstance(self.node, ast.FunctionDef))
            and function.id not in self.locals
        ):
            raise self._recursive(node)
        if isinstance(function, ast.Name) and function.id in self.functions:
            if function.id == self.name:
                raise self._recursive(node)
            inner = self.call("inner", node)
            out = ast.Call(ast.copy_location(ast.Name(function.id, ast.Load()), function), [inner, *args], keywords)
            return ast.copy_location(out, node)
        name = written(function)
        if not isinstance(function, ast.Name | ast.Attribute) or self.root(function) in self.locals | self.outside:
            raise self.error(
                node,
                f"a call of {name}",
                "Call functions by their name: a function cannot be chosen by numbers, and a number has no methods",
            )
        found = self.resolved(function)
        operation = operation_of(found) if hashable(found) else None
        if operation is not None:
            self._check_operation(node, name, operation)
        elif is_scalar(found):
            self.scalar(found, node, self.place)
        else:
            raise self.error(node, f"a call of {name}, which has no translation", unknown(name, found))
        call = self.call("call", node, function, *args)
        call.keywords = keywords
        return call

    def _special(self, node: ast.Call) -> ast.expr | None:
        """``float("inf")`` and ``float("nan")`` as the numbers that they are; None for any other call."""
        match node:
            case ast.Call(func=ast.Name("float") as function, args=[ast.Constant(value=str(text))], keywords=[]):
                if self.found(function) is float and text.strip().lower().lstrip("+-") in ("inf", "infinity", "nan"):
                    return ast.copy_location(ast.Constant(float(text)), node)
        return None

    def _recursive(self, node: ast.Call) -> Exception:
        return self.error(node, f"{self.name} calls itself", "Write a loop over range(n) with a constant n")

    def _check_operation(self, node: ast.Call, name: str, op: Operation) -> None:
        least, most = op.counts
        if node.keywords:
            raise self.error(node, f"a keyword in a call of {name}", "Give numbers by position")
        if not least <= len(node.args) <= most:
            raise self.error(
                node,
                f"{name} of {len(node.args)} numbers",
                f"It takes {least if least == most else f'{least} or more'} here",
            )
        if op.name == "round" and len(node.args) == 2:
            places = node.args[1]
            sure = self.evaluated(places, places)
            if type(sure) is not int:
                raise self.error(node, f"{written(node)}: places that are no constant integer", "Write round(x, 2)")
