"""Random scalar functions, as text: what tests/test_scalar_functions.py translates beside running them in Python."""

from __future__ import annotations

import linecache
import random
from collections.abc import Callable
from typing import Any

PRELUDE = """import math
K = 1.5
T = (0.25, -2.0)
def h(p, q):
    if p < q:
        return p * q
    return q - p
"""


class Writer:
    """Writes a function of x and y; every expression is defined wherever Python comes to it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.names = ["x", "y"]
        self.loops = 0

    def number(self, depth: int = 0) -> str:
        """An expression that gives a number."""
        e = lambda: self.number(depth + 1)
        chance, pick = self.rng.random(), self.rng.choice
        if depth > 3 or chance < 0.25:
            return (
                pick(self.names) if self.rng.random() < 0.75 else pick(["0.5", "-1.25", "2", "1", "0.0", "K", "T[1]"])
            )
        if chance < 0.6:
            return f"({e()} {pick('+-*')} {e()})"
        if chance < 0.75:
            return f"{pick(['math.sin', 'math.tanh', 'abs', 'math.atan', 'float'])}({e()})"
        if chance < 0.8:
            return f"{pick(['min', 'max', 'h'])}({e()}, {e()})"
        if chance < 0.97:
            v = pick(self.names)
            return pick([
                f"({e()} if {self.condition(depth + 1)} else {e()})",
                f"(math.sqrt({v}) if {v} > 0.0 else {e()})",
                f"(1.0 / {v} if {v} != 0.0 and abs({v}) > 0.1 else {e()})",
                f"(math.log({v}) if {v} > 0 and math.sqrt({v}) > 0.2 else 0)",
            ])  # fmt: skip
        return f"({self.condition(depth + 1)})"

    def condition(self, depth: int = 0) -> str:
        """An expression that gives a truth value."""
        e = lambda: self.number(depth + 2)
        chance, pick = self.rng.random(), self.rng.choice
        if depth > 3 or chance < 0.6:
            return f"{e()} {pick(['<', '>', '<=', '>=', '==', '!='])} {e()}"
        if chance < 0.7:
            return f"{e()} < {e()} <= {e()}"
        if chance < 0.9:
            return f"({self.condition(depth + 1)} {pick(['and', 'or'])} {self.condition(depth + 1)})"
        return f"(not {self.condition(depth + 1)})"

    def block(self, indent: str, depth: int) -> list[str]:
        """Statements."""
        out: list[str] = []
        for _ in range(self.rng.randint(1, 3)):
            chance = self.rng.random()
            if chance < 0.45 or depth > 2:
                out.append(indent + self.assignment())
            elif chance < 0.8:
                self.branch(out, indent, depth, f"if {self.condition()}:", 0.25)
                if self.rng.random() < 0.3:
                    self.branch(out, indent, depth, f"elif {self.condition()}:", 0.3)
                if self.rng.random() < 0.5:
                    self.branch(out, indent, depth, "else:", 0.15)
            else:
                self.loops += 1
                out.append(f"{indent}for i{self.loops} in range({self.rng.randint(1, 3)}):")
                self.inside(out, indent, depth, [f"i{self.loops}"])
        return out

    def assignment(self) -> str:
        """One assignment."""
        chance = self.rng.random()
        if chance < 0.3 and len(self.names) > 2:
            return f"{self.rng.choice(self.names[2:])} {self.rng.choice('+-*')}= {self.number(1)}"
        if chance < 0.4:
            return f"x, y = {self.number(2)}, {self.number(2)}"
        name = self.rng.choice(["a", "b", "x"])
        line = f"{name} = {self.number()}"
        self.names += [name] * (name not in self.names)
        return line

    def branch(self, out: list[str], indent: str, depth: int, head: str, returns: float) -> None:
        """One side of a choice."""
        out.append(indent + head)
        self.inside(out, indent, depth, [])
        if self.rng.random() < returns:
            out.append(f"{indent}    return {self.number()}")

    def inside(self, out: list[str], indent: str, depth: int, more: list[str]) -> None:
        """A block, after which the names are those from before it."""
        before = list(self.names)
        self.names += more
        out += self.block(f"{indent}    ", depth + 1)
        self.names = before


def random_function(seed: int) -> Callable[..., Any]:
    """A function of two numbers, whose source can be had."""
    writer = Writer(seed)
    text = "\n".join([f"{PRELUDE}def f(x, y):", *writer.block("    ", 0), f"    return {writer.number()}", ""])
    name = f"<random scalar function {seed}>"
    linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
    space: dict[str, Any] = {"__name__": "random_scalar_functions"}
    exec(compile(text, name, "exec"), space)
    function: Callable[..., Any] = space["f"]
    return function
