"""What a scalar function may call, and what becomes of it on arrays.

For each operation: how Python computes it on numbers, how the table of primitives does on values, and what must be seen
to where it is computed for elements that will not be used, so that nothing warns there and no derivative is NaN.
"""

from __future__ import annotations

import builtins
import functools as ft
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpugrad import dtypes, errors, trace
from gpugrad.ops import arithmetic, special
from gpugrad.ops import elementwise as ew
from gpugrad.primitive import Primitive, registry
from gpugrad.trace import bind
from gpugrad.transforms.lift import as_value

BOOL = dtypes.dtype("bool")

HARMLESS = 0.5
"""A number at which nearly everything is defined and smooth: it stands in for operands of elements that are not used."""

MODEST = 1e4
"""Numbers up to this size cannot make an infinity of a result that is not used."""


_OF_TRUTH = frozenset({"Lt", "LtE", "Gt", "GtE", "Eq", "NotEq", "isfinite", "isinf", "isnan", "float", "bool"})
"""What takes truth values as they are."""
_OF_BITS = frozenset({"BitAnd", "BitOr", "BitXor"})
"""What takes them as they are if it gets nothing else."""
_INTEGERS = _OF_BITS | {"LShift", "RShift", "Invert"}


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation on numbers or values.

    ``care`` is what operands that will not be used must be: "any" (it neither warns nor has an infinite derivative),
    "finite", or "inside", :attr:`inside` itself, where its domain has an edge or it may overflow.
    """

    name: str
    python: Callable[..., Any]
    on_values: Callable[..., Any]
    care: str = "any"
    inside: float = HARMLESS
    size: Callable[..., float] = lambda *sizes: 2.0
    """A bound on the result, of bounds on the operands."""
    counts: tuple[int, int] = (1, 1)
    """The least and the largest number of operands."""

    @property
    def integers(self) -> bool:
        """Whether it is about the bits of integers."""
        return self.name in _INTEGERS

    def counts_truth(self, all_truth: bool) -> bool:
        """Whether truth values are the integers 0 and 1 to it, as they are in Python."""
        return self.name not in _OF_TRUTH and not (all_truth and self.name in _OF_BITS)

    def __call__(self, *operands: Any) -> Any:
        """On anything: Python's own on numbers alone, where it has an answer; otherwise as on arrays."""
        if any(type(x) is trace.Tensor for x in operands):
            return self.on_values(*operands)
        try:
            out = self.python(*operands)
        except (ArithmeticError, ValueError):  # where an array has NaN or infinity, and so has its number
            return float(self.on_values(*map(_float64, operands)))
        if isinstance(out, complex) and not any(isinstance(x, complex) for x in operands):
            return math.nan  # a root of a negative number
        return out


def _float64(x: Any) -> Any:
    return as_value(float(x), "float64")


# ---- operators --------------------------------------------------------------------------------------------------------


def _prim(prim: Any) -> Callable[..., Any]:
    """A primitive, or a composition of them, on whatever is a value among the operands and numbers."""
    if not isinstance(prim, Primitive):
        return prim  # type: ignore[no-any-return]
    return lambda *operands: bind(prim, operands, {})


def _ratio(x: float, y: float) -> float:
    """A bound on a quotient of harmless numbers, each of which is as large as its bound."""
    return x / y if y else math.inf


def _raised(x: float, y: float) -> float:
    """A bound on a power of such numbers."""
    try:
        return float(max(x**y, x**-y))
    except ArithmeticError:
        return math.inf


OPERATORS: dict[str, Operation] = {
    name: Operation(name, python, on_values, care, size=size, counts=(n, n))
    for name, python, on_values, care, size, n in (
        ("Add", operator.add, operator.add, "finite", lambda x, y: x + y, 2),
        ("Sub", operator.sub, operator.sub, "finite", lambda x, y: x + y, 2),
        ("Mult", operator.mul, operator.mul, "finite", lambda x, y: x * y, 2),
        ("Div", operator.truediv, arithmetic.divide, "inside", _ratio, 2),
        ("FloorDiv", operator.floordiv, operator.floordiv, "inside", lambda x, y: _ratio(x, y) + 1.0, 2),
        ("Mod", operator.mod, operator.mod, "inside", lambda x, y: y, 2),
        ("Pow", operator.pow, arithmetic.power, "inside", _raised, 2),
        ("BitAnd", operator.and_, operator.and_, "any", max, 2),
        ("BitOr", operator.or_, operator.or_, "any", lambda x, y: x + y, 2),
        ("BitXor", operator.xor, operator.xor, "any", lambda x, y: x + y, 2),
        ("LShift", operator.lshift, operator.lshift, "inside", lambda x, y: x * _raised(2.0, y), 2),
        ("RShift", operator.rshift, operator.rshift, "inside", lambda x, y: x, 2),
        ("USub", operator.neg, operator.neg, "any", lambda x: x, 1),
        ("UAdd", operator.pos, operator.pos, "any", lambda x: x, 1),
        ("Invert", operator.invert, operator.invert, "any", lambda x: x + 1.0, 1),
        ("Lt", operator.lt, operator.lt, "any", lambda x, y: 1.0, 2),
        ("LtE", operator.le, operator.le, "any", lambda x, y: 1.0, 2),
        ("Gt", operator.gt, operator.gt, "any", lambda x, y: 1.0, 2),
        ("GtE", operator.ge, operator.ge, "any", lambda x, y: 1.0, 2),
        ("Eq", operator.eq, operator.eq, "any", lambda x, y: 1.0, 2),
        ("NotEq", operator.ne, operator.ne, "any", lambda x, y: 1.0, 2),
    )
}
"""By the name of the node in Python's syntax tree."""


# ---- functions --------------------------------------------------------------------------------------------------------


def _chain(prim: Primitive) -> Callable[..., Any]:
    return lambda *operands: ft.reduce(lambda x, y: bind(prim, (x, y), {}), operands)


def _log(x: Any, base: Any = None) -> Any:
    top = ew.log(x) if type(x) is trace.Tensor else LOG(x)
    if base is None:
        return top
    return arithmetic.divide(top, LOG(base))


def truth(x: Any) -> Any:
    """Whether a number or value is not 0."""
    if type(x) is not trace.Tensor:
        return bool(x)
    return x if dtypes.of(x).kind == "b" else ew.not_equal(x, 0)


def _places(x: Any, places: Any = None) -> Any:
    return arithmetic.round(x, places or 0)


LOG = Operation(
    "log", math.log, _log, "inside", size=lambda x, base=None: 2.0 if base is None else math.inf, counts=(1, 2)
)


def _function(name: str, prim: Any, care: str = "inside", inside: float = HARMLESS, n: int = 1) -> Operation:
    size = max if care == "any" else lambda *sizes: 2.0
    return Operation(name, getattr(math, name), _prim(prim), care, inside, size, (n, n))


def _smooth() -> list[Operation]:
    whole = {"sin": ew.sin, "cos": ew.cos, "tanh": ew.tanh, "atan": ew.atan, "erf": ew.erf, "erfc": ew.erfc}
    edged = {
        "asin": ew.asin, "acos": ew.acos, "atanh": ew.atanh, "cbrt": ew.cbrt, "cosh": ew.cosh, "exp": ew.exp, "expm1": ew.expm1,
        "exp2": ew.exp2, "gamma": special.gamma, "lgamma": special.gammaln, "log10": ew.log10, "log1p": ew.log1p, "log2": ew.log2,
        "sinh": ew.sinh, "sqrt": ew.sqrt, "tan": ew.tan, "asinh": ew.asinh,
    }  # fmt: skip
    out = [_function(name, prim, "finite") for name, prim in whole.items()]
    out += [_function(name, prim) for name, prim in edged.items()]
    out += [_function("acosh", ew.acosh, inside=2.0)]
    out += [_function(name, getattr(ew, other), n=2) for name, other in (("atan2", "atan2"), ("fmod", "fmod"), ("copysign", "copysign"), ("nextafter", "nextafter"))]  # fmt: skip
    return out


FUNCTIONS: dict[Any, Operation] = {getattr(math, op.name): op for op in _smooth()}
FUNCTIONS |= {
    math.log: LOG,
    math.fabs: Operation("fabs", math.fabs, ew.abs, "finite", size=lambda x: x),
    math.floor: Operation("floor", math.floor, _prim(ew.floor), size=lambda x: x + 1.0),
    math.ceil: Operation("ceil", math.ceil, _prim(ew.ceil), size=lambda x: x + 1.0),
    math.trunc: Operation("trunc", math.trunc, _prim(ew.trunc), size=lambda x: x),
    math.isfinite: Operation("isfinite", math.isfinite, _prim(ew.isfinite)),
    math.isinf: Operation("isinf", math.isinf, _prim(ew.isinf)),
    math.isnan: Operation("isnan", math.isnan, _prim(ew.isnan)),
    math.degrees: Operation("degrees", math.degrees, arithmetic.rad2deg, size=lambda x: 60.0 * x),
    math.radians: Operation("radians", math.radians, arithmetic.deg2rad, size=lambda x: x),
    math.hypot: Operation("hypot", math.hypot, _chain(ew.hypot), "finite", size=lambda *s: sum(s), counts=(2, 99)),
    math.pow: Operation("pow", math.pow, arithmetic.power, "inside", size=_raised, counts=(2, 2)),
    builtins.pow: Operation("pow", pow, arithmetic.power, "inside", size=_raised, counts=(2, 2)),
    builtins.abs: Operation("abs", abs, arithmetic.abs, "finite", size=lambda x: x),
    builtins.min: Operation("min", min, _chain(ew.minimum), size=max, counts=(2, 99)),
    builtins.max: Operation("max", max, _chain(ew.maximum), size=max, counts=(2, 99)),
    builtins.round: Operation("round", round, _places, "finite", size=lambda x, places=0.0: x + 1.0, counts=(1, 2)),
    builtins.float: Operation("float", float, ew.positive, size=lambda x: x),
    builtins.bool: Operation("bool", bool, truth, size=lambda x: 1.0),
}
"""By the function itself, as the user's code has it."""


@ft.cache
def _of_registry(name: str) -> Operation | None:
    prim = registry.get(name)
    if prim is None or prim.kind != "elementwise" or prim.leads:
        return None
    n = len(prim.operands)
    on_values = _prim(prim)

    def python(*operands: Any) -> Any:
        raise ValueError("as on arrays")

    return Operation(name, python, on_values, "inside", size=lambda *sizes: math.inf, counts=(n, n))


def operation_of(function: Any) -> Operation | None:
    """The operation that a function of Python's or of gpugrad's is; None if it is none.

    >>> import math
    >>> operation_of(math.sin).name
    'sin'
    """
    found = FUNCTIONS.get(function)
    if found is None and getattr(function, "__module__", "") in ("gpugrad", "gpugrad.special"):
        return _of_registry(function.__name__)
    return found


def unknown(name: str, function: Any) -> str:
    """What to write instead of a call of a function that is no operation."""
    module = getattr(function, "__module__", "") or type(function).__module__
    short = {"absolute": "abs", "minimum": "min", "maximum": "max", "power": "pow"}.get(name.rpartition(".")[2])
    if module.startswith("numpy"):
        plain = name.rpartition(".")[2].replace("arc", "a")
        if short or (hasattr(math, plain) and getattr(math, plain) in FUNCTIONS):
            return f"Write {short or f'math.{plain}'}"
    return "Write functions of math, abs, min, max, pow, round, float, elementwise functions of gg, or a scalar function of your own"


def unsupported(message: str) -> errors.UnsupportedError:
    """An error about a scalar function."""
    return errors.UnsupportedError(f"gg.elementwise: {message}")
