"""A scalar function as a function on values: its syntax tree rewritten, statement by statement.

What is written keeps its lines, so that errors, graphs and profiles name them. Every operation becomes a call of the
:class:`~gpugrad.scalar_functions.lanes.Lanes` that it runs on::

    def soft(x):                            def soft(_lanes, x):
        if x > 0.0:                             y = _lanes.unset
            y = math.sqrt(x)                    if _lanes.begin(_lanes.compared(x, "Gt", 0.0)):
        else:                          ->           y = _lanes.call(math.sqrt, x)
            y = 0.0                             …
        return y                                _lanes.give(y)
                                                return _lanes.result()

A name is a local variable or a number, a module or a function of the surroundings; which it is is seen when a function
is decorated, and its value read when it runs, as Python does.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Sequence

from gpugrad.scalar_functions.expressions import Expressions
from gpugrad.scalar_functions.instead import STATEMENTS, written
from gpugrad.scalar_functions.lanes import MOST_STEPS
from gpugrad.scalar_functions.scope import NUMBERS, Scalar, Told, surroundings
from gpugrad.scalar_functions.source import Place, definition_of
from gpugrad.scalar_functions.tree import is_text, own, placed, returns, stored, template

Reached = tuple[list[ast.stmt], bool, bool]
"""Statements; whether what follows is reached; whether some elements may have returned in them."""


def translate(f: Scalar, scalar: Told) -> Scalar:
    """``f`` as a function of lanes and values. ``scalar(g, node, place)`` is told of every function that it calls.

    Raises UnsupportedError for what has no translation, with its line.
    """
    place = Place(f)
    node = definition_of(f)
    for default in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
        if not isinstance(default, NUMBERS):
            raise place.error(node, f"the default {default!r}, which is not a number", "Give a number, or none")
    translator = Translator(place, surroundings(f), scalar, node, f.__name__)
    module = ast.Module([translator.outer(f.__code__.co_freevars)], [])
    ast.fix_missing_locations(module)
    compiled = compile(module, place.filename, "exec")
    code = _inner(compiled, f.__code__.co_freevars)
    cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in code.co_freevars)
    out = types.FunctionType(code, f.__globals__, f.__name__, f.__defaults__, closure)
    out.__kwdefaults__ = f.__kwdefaults__
    return out


def _inner(code: types.CodeType, free: Sequence[str]) -> types.CodeType:
    """The code of the translated function, which with free variables is inside another that binds them."""
    for _ in range(2 if free else 1):
        code = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    return code


class Translator(Expressions):
    """Translates one function, and those that are defined in it."""

    # ---- functions ------------------------------------------------------------------------------------------------------

    def outer(self, free: Sequence[str]) -> ast.FunctionDef:
        """The translated definition, inside one of a function that has the free variables."""
        inner = self.function()
        if not free:
            return inner
        around = ast.parse(f"def _around():\n    {' = '.join(free)} = None").body[0]
        assert isinstance(around, ast.FunctionDef)
        around.body.append(inner)
        return around

    def function(self) -> ast.FunctionDef:
        """The translated definition."""
        node = self.node
        if node.args.vararg or node.args.kwarg:
            raise self.error(node, "*args or **kwargs", "Name each parameter: it is a number")
        if isinstance(node, ast.Lambda):
            body: list[ast.stmt] = [ast.copy_location(ast.Return(node.body), node.body)]
        else:
            body = list(node.body)
            if is_text(body[0]):
                body = body[1:]
        self._collect(body)
        stmts, falls = self.block(body)
        if falls:
            raise self.error(
                body[-1] if body else node, "not every path returns a number", "Write a return at the end, or an else"
            )
        unset = sorted(self.locals - set(self.parameters) - set(self.functions))
        start = [f"{' = '.join(unset)} = {self.lanes}.unset"] if unset else []
        first = [s for text in start for s in template(text, node)]
        last = template(f"return {self.lanes}.result()", body[-1])
        given = node.args
        args = ast.arguments(
            posonlyargs=[ast.arg(self.lanes), *(ast.arg(a.arg) for a in given.posonlyargs)],
            args=[ast.arg(a.arg) for a in given.args],
            kwonlyargs=[ast.arg(a.arg) for a in given.kwonlyargs],
            kw_defaults=[None] * len(given.kwonlyargs),
            defaults=[],
        )
        (out,) = template("def f(): pass", node)
        assert isinstance(out, ast.FunctionDef)
        out.name = node.name if isinstance(node, ast.FunctionDef) else "translated"
        out.args = args
        out.body = [*first, *stmts, *last]
        return out

    def _collect(self, body: Sequence[ast.stmt]) -> None:
        """Find the variables of the function."""
        for stmt in body:
            for node in own(stmt):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self.locals.add(node.id)
                elif isinstance(node, ast.FunctionDef):
                    self.locals.add(node.name)

    def _nested(self, stmt: ast.FunctionDef) -> ast.stmt:
        if stmt.decorator_list:
            raise self.error(stmt, "a decorated function in a function", "Define it outside")
        if stmt.args.defaults or any(stmt.args.kw_defaults):
            raise self.error(stmt, "a default in a function in a function", "Give the number where it is called")
        if not isinstance(self.node, ast.FunctionDef) or stmt not in self.node.body:
            raise self.error(stmt, "a function that is defined in a branch", "Define it before")
        self.functions[stmt.name] = stmt
        self.known.add(stmt.name)
        inner = Translator(
            self.place, self.around, self.scalar, stmt, stmt.name,
            outside=self.outside | self.locals, local_functions=self.functions, lanes=self.lanes,
        )  # fmt: skip
        inner.known |= {n for n in self.functions if n != stmt.name}
        return inner.function()

    # ---- statements -----------------------------------------------------------------------------------------------------

    def block(self, body: Sequence[ast.stmt]) -> tuple[list[ast.stmt], bool]:
        """Statements, and whether what follows them is reached."""
        out: list[ast.stmt] = []
        here = out
        for stmt in body:
            new, falls, parts = self.statement(stmt)
            here += new
            if not falls:
                return out, False
            if parts:  # some elements have returned: the rest is for the others
                (rest,) = template(f"if {self.lanes}.alive: pass", stmt)
                assert isinstance(rest, ast.If)
                here.append(rest)
                here = rest.body
        return out, True

    def statement(self, stmt: ast.stmt) -> Reached:
        """One statement."""
        match stmt:
            case ast.Return(value=None):
                raise self.error(stmt, "a return without a number", "Return a number")
            case ast.Return(value=ast.Tuple()):
                raise self.error(stmt, "several results", "Write one function for each of them")
            case ast.Return(value=value):
                assert value is not None
                return [placed(ast.Expr(self.call("give", value, self.value(value))), stmt)], False, True
            case ast.Assign():
                return [self._assign(stmt)], True, False
            case ast.AnnAssign(value=value, target=ast.Name() as target) if value is not None:
                return [self._bind([target], self.value(value), stmt)], True, False
            case ast.AugAssign(target=ast.Name() as target):
                left = ast.copy_location(ast.Name(target.id, ast.Load()), target)
                value = self.value(ast.copy_location(ast.BinOp(left, stmt.op, stmt.value), stmt))
                return [self._bind([target], value, stmt)], True, False
            case ast.If():
                return self._if(stmt)
            case ast.For():
                return self._for(stmt)
            case ast.FunctionDef():
                return [self._nested(stmt)], True, False
            case ast.Pass() | ast.AnnAssign(value=None, target=ast.Name()):
                return [ast.copy_location(ast.Pass(), stmt)], True, False
            case ast.Expr() if is_text(stmt):
                return [ast.copy_location(ast.Pass(), stmt)], True, False
            case _:
                what, instead = STATEMENTS.get(
                    type(stmt), (f"a statement {written(stmt)}", "Compute a number and return it")
                )
                raise self.error(stmt, what, instead)

    def _assign(self, stmt: ast.Assign) -> ast.stmt:
        names: list[ast.Name] = []
        target = stmt.targets[0]
        if len(stmt.targets) == 1 and isinstance(target, ast.Tuple | ast.List):
            given = stmt.value
            if not isinstance(given, ast.Tuple | ast.List) or len(given.elts) != len(target.elts):
                raise self.error(stmt, "unpacking", "Write as many numbers as names: a, b = b, a + b")
            values = [self.value(e) for e in given.elts]
            names = [self._name(t, stmt) for t in target.elts]
            self._assigned(names)
            left = ast.Tuple([ast.Name(n.id, ast.Store()) for n in names], ast.Store())
            return placed(ast.Assign([left], ast.Tuple(values, ast.Load())), stmt)
        value = self.value(stmt.value)
        return self._bind([self._name(t, stmt) for t in stmt.targets], value, stmt)

    def _name(self, target: ast.expr, stmt: ast.stmt) -> ast.Name:
        if not isinstance(target, ast.Name):
            raise self.error(
                stmt,
                f"an assignment to {written(target)}",
                "Assign to a name of the function's own: it changes nothing outside",
            )
        return target

    def _bind(self, targets: Sequence[ast.Name], value: ast.expr, stmt: ast.stmt) -> ast.stmt:
        self._assigned(targets)
        return placed(ast.Assign([ast.Name(t.id, ast.Store()) for t in targets], value), stmt)

    def _assigned(self, targets: Sequence[ast.Name]) -> None:
        for t in targets:
            if t.id in self.functions:
                raise self.error(t, f"a second meaning of {t.id}, which is a function", "Take another name")
            self.known.add(t.id)
            self.counters.discard(t.id)

    def _if(self, stmt: ast.If) -> Reached:
        condition = self.value(stmt.test)
        before, counters = set(self.known), set(self.counters)
        yes, yes_falls = self.block(stmt.body)
        yes_known, yes_counters = self.known, self.counters
        self.known, self.counters = set(before), set(counters)
        no, no_falls = self.block(stmt.orelse)
        if yes_falls and no_falls:
            self.known &= yes_known
        elif yes_falls:
            self.known = yes_known
        self.counters &= yes_counters
        changed = sorted(set[str]().union(*map(stored, (*stmt.body, *stmt.orelse))))
        self.depth += 1
        saved, then = f"{self.lanes}_before_{self.depth}", f"{self.lanes}_then_{self.depth}"
        held = f"({''.join(f'{name}, ' for name in changed)})"
        text = (
            f"{saved} = {held}\n"
            f"if {self.lanes}.begin(): pass\n"
            f"{then} = {held}\n"
            + (f"{held} = {saved}\n" if changed else "")
            + f"if {self.lanes}.turn(): pass\n"
            + (f"{held} = " if changed else "")
            + f"{self.lanes}.end({then}, {held})\n"
        )
        out = template(text, stmt)
        first, second = (s for s in out if isinstance(s, ast.If))
        assert isinstance(first.test, ast.Call)
        first.test.args = [condition]
        first.body = yes or first.body
        second.body = no or second.body
        return out, yes_falls or no_falls, returns(stmt)

    def _for(self, stmt: ast.For) -> Reached:
        if stmt.orelse:
            raise self.error(stmt, "an else of a loop", "Write it after the loop")
        if not isinstance(stmt.target, ast.Name):
            raise self.error(stmt, f"a loop over {written(stmt.target)}", "Let one name count: for k in range(4)")
        iterator, count = self._constants(stmt)
        before = set(self.known)
        self._assigned([stmt.target])
        self.counters.add(stmt.target.id)
        self.counters -= set[str]().union(*map(stored, stmt.body))
        body, falls = self.block(stmt.body)
        if not count:
            self.known = before
        parts = returns(stmt)
        if parts:
            (guard,) = template(f"if {self.lanes}.alive: pass", stmt)
            assert isinstance(guard, ast.If)
            guard.body = body
            body = [guard]
        out = ast.For(ast.Name(stmt.target.id, ast.Store()), iterator, body, [])
        return [placed(out, stmt)], falls or not count, parts

    def _constants(self, stmt: ast.For) -> tuple[ast.expr, int]:
        """What a loop runs over, and how many steps are certain."""
        over = stmt.iter
        if isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and self.found(over.func) is range:
            if over.keywords or not 1 <= len(over.args) <= 3 or any(isinstance(a, ast.Starred) for a in over.args):
                raise self.error(over, f"{written(over)}", "Write range(stop) or range(start, stop, step)")
            varying = self.varying(over)
            if varying:
                raise self.error(
                    stmt,
                    f"a number of steps that depends on {varying}, which differs from element to element",
                    "Give a constant number of steps, and choose inside: y = step(y) if k < n else y",
                )
            number = self.evaluated(ast.Tuple(over.args, ast.Load()), over)
            if number is None:
                count = 0  # of another loop's variable
            elif any(type(n) is not int for n in number) or (len(number) == 3 and number[2] == 0):
                raise self.error(
                    over, f"a loop over {written(over)} = range{number}", "Give integers, and a step that is not 0"
                )
            else:
                count = len(range(*number))
            if count > MOST_STEPS:
                raise self.error(
                    over,
                    f"a loop of {count} steps",
                    f"Each step is computed as written: take at most {MOST_STEPS}, or gg.fori_loop on arrays",
                )
            return self.call("steps", over, *map(self.value, over.args)), count
        numbers = self.evaluated(over, over)
        if isinstance(numbers, tuple | list) and all(isinstance(n, NUMBERS) for n in numbers):
            return over, len(numbers)
        raise self.error(
            stmt, f"a loop over {written(over)}", "Loop over range(n) with a constant n, or over a tuple of numbers"
        )
