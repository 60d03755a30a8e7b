"""Primitives, as data: the forward of an operation, and for each operand how the output moves with it.

A derivative is a linear map from an operand's tangent to the output's tangent. A rule declares that map in one of
five ways, and each mode of differentiation reads from it what it needs:

=========== ======================================== =================================== ===========================
rule        declared                                 forward mode (push)                 reverse mode (pull)
=========== ======================================== =================================== ===========================
`Scale`     the partial derivative, a formula        t * partial                         g * partial
`Select`    a mask: where the output is the operand  where(mask, t, 0)                   where(mask, g, 0)
`Linear`    the transpose                            the operation itself, on t          transpose(g)
`Traced`    the map, written in the other kinds      the map, on t                       the map, transposed by tracing
`Shared`    the map, and all operands' adjoint       the map, on t                       what the adjoint has for it
=========== ======================================== =================================== ===========================

The four kinds of primitive are constructors over these: :func:`elementwise` (Scale and Select), :func:`linear`,
:func:`bilinear` (Linear in each of two operands) and :func:`linearized` (Traced, or Shared).

**A rule's parameter names say what it reads.** ``g`` is the cotangent, ``t`` the tangent, ``shape`` the shape of the
operand, ``i`` its position; an operand's name or ``out`` asks for that value, and the tape keeps no other; any other
name is a parameter of the primitive. Rules compute with ordinary primitives and operators, on raw arrays or on traced
values alike, so they differentiate again, batch and trace.

**Primitives act on trailing axes.** Axes are counted from the end and leading axes are a batch, as in NumPy's
generalised ufuncs; under ``vmap`` an operand with one more leading axis then needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gpugrad import errors, trace
from gpugrad.trace import Tensor, bind

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Scale:
    """The operand's tangent is multiplied by a partial derivative: a formula, a number, or the name of a value.

    ``masked`` is for a partial that may be infinite or NaN where the derivative is still meaningful: 0 times it is 0.
    """

    partial: Callable[..., Any] | float | str
    masked: bool = False


@dataclass(frozen=True, eq=False)
class Select:
    """The output is the operand where ``mask`` holds; what flows elsewhere, NaN included, is cut off."""

    mask: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Linear:
    """The output is linear in the operand; ``transpose(g, ...)`` is the adjoint map."""

    transpose: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Traced:
    """The derivative as a linear map ``map(t, ...)`` written in linear primitives; reverse mode transposes its trace."""

    map: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Shared:
    """As `Traced`; but in reverse mode ``adjoint(g, ...)`` gives the cotangents of all operands at once, in a tuple.

    It is the same function for each of them, and called once. For primitives with several outputs, so that ``g`` is a list.
    """

    map: Callable[..., Any]
    adjoint: Callable[..., Any]


Rule = Scale | Select | Linear | Traced | Shared


@dataclass(frozen=True)
class Core:
    """Batching of a generalised ufunc: the ranks of the operands' core; leading axes broadcast."""

    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Crossing:
    """Batching of a primitive that is about the batch axis itself: ``process(batch, prim, args, params)`` is all of it."""

    process: Callable[..., Any]


def rewritten(_prim: Any, _args: Sequence[Any], _params: dict[str, Any], error: Exception) -> Any:
    """Stands for the backends' rescue until one is installed: the error as it came."""
    raise error


class Resolver:
    """Filled by ``gpugrad.backends``: finds an implementation, sees to it that operands are on one device, and makes the
    best of a failed call.
    """

    find: Callable[[Primitive, type], Callable[..., Any]]
    rescue: Callable[[Primitive, Sequence[Any], dict[str, Any], Exception], Any] = staticmethod(rewritten)
    together: Callable[[Primitive, Sequence[Any]], None]
    prefers: Callable[[Primitive, Sequence[Any], dict[str, Any]], bool]
    """Whether the operands' backend has a primitive that is better than what it could be composed of."""


class Implementations(dict[type, Callable[..., Any]]):
    """Array type -> callable; an entry is looked up in the backends when first missed."""

    __slots__ = ("prim",)

    def __init__(self, prim: Primitive) -> None:
        super().__init__()
        self.prim = prim

    def __missing__(self, array_type: type) -> Callable[..., Any]:
        found = Resolver.find(self.prim, array_type)
        self[array_type] = found
        return found


class Primitive:
    """One operation. Calling it binds it: ``prim(*arrays, **params)``; arrays positional, metadata keyword."""

    __slots__ = (
        "batch", "body", "doc", "drops", "dtype", "forward", "impl", "joint", "keeps", "kind", "leads", "mask", "name", "operands", "outputs",
        "pulls", "pushes", "rules", "same", "shape", "simple", "variadic",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        name: str,
        rules: Sequence[Rule | None],
        *,
        operands: Sequence[str],
        forward: Callable[..., Any] | None,
        shape: Callable[..., Any],
        dtype: Callable[..., Any] | None = None,
        batch: Any = "leading",
        body: Callable[..., Any] | None = None,
        same: tuple[int, ...] = (),
        leads: int = 0,
        outputs: int = 0,
        variadic: bool = False,
        joint: bool = False,
        doc: str = "",
    ) -> None:
        self.kind: Final = kind
        self.name: Final = name
        self.rules: Final = tuple(rules)
        self.operands: Final = tuple(operands)
        self.forward = forward
        """``forward(xp, *arrays, **params)`` in terms of an array namespace; None: the namespace's own function."""
        self.shape = shape
        """``shape(*shapes, **params)``: the output's shape, or a tuple of shapes where there are several outputs."""
        self.dtype = dtype
        """``dtype(*dtypes, **params)``; None: the dtype of the operand that leads."""
        self.batch = batch
        """How vmap feeds it: "elementwise", "leading", a :class:`Core`, a :class:`Crossing`, or a function of its own."""
        self.body = body
        """An elementwise primitive as a formula of others; None: a leaf of the kernel language."""
        self.same = same
        """Operands that are promoted to one dtype before anything runs."""
        self.leads: Final = leads
        """The operand whose array type picks the implementation."""
        self.outputs = outputs
        """Number of outputs; 0 for one that is not in a tuple."""
        self.variadic = variadic
        """Any number of operands, all under the first rule, which may ask for its position ``i``."""
        self.joint: Final = joint
        """Linear in its operands together, not in each with the others held: forward mode is the operation itself."""
        self.simple: Final = not outputs and not variadic
        """One output, a fixed number of operands."""
        self.doc = doc
        self.impl = Implementations(self)
        self.mask: Final = -1 if variadic else sum(1 << k for k, rule in enumerate(self.rules) if rule is not None)
        """Bit k is set if operand k has a rule."""
        self.keeps: int | None = None
        self.pulls: Any = None
        self.pushes: Any = None
        self.drops: dict[int, tuple[int, ...]] = {}
        if name in registry:
            raise ValueError(f"two primitives named {name!r}")
        registry[name] = self

    def __call__(self, *args: Any, **params: Any) -> Any:
        if len(args) == 1:  # what rules do most, so without another call
            x = args[0]
            if type(x) is trace.Tensor:
                return x._trace.apply(self, x, params)
            try:
                return self.impl[type(x)](x, **params) if params else self.impl[type(x)](x)
            except Exception as error:
                return self.rescue(args, params, error)
        return bind(self, args, params)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def rescue(self, args: Sequence[Any], params: dict[str, Any], error: Exception) -> Any:
        """After ``error``: a second attempt that the promotion rules allow, or the error as the user should read it."""
        return Resolver.rescue(self, args, params, error)

    def rule(self, position: int) -> Rule | None:
        """The rule of one operand."""
        return self.rules[0 if self.variadic else position]

    @property
    def differentiable(self) -> bool:
        """Whether any operand has a rule."""
        return any(rule is not None for rule in self.rules)

    def linear_in(self, position: int) -> bool:
        """Whether the output is linear in that operand (with the others held)."""
        rule = self.rule(position)
        return isinstance(rule, Linear | Select) or (
            isinstance(rule, Scale) and self.operands[position] not in names_of(rule.partial)
        )


registry: dict[str, Primitive] = {}
"""Every primitive by its name."""


def names_of(function: Any) -> tuple[str, ...]:
    """The names that a rule reads; none if it is a number."""
    if isinstance(function, str):
        return (function,)
    code = getattr(function, "__code__", None)
    return () if code is None else code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def compiled(
    rule: Callable[..., Any] | str, operands: Sequence[str], template: str, first: str = "", **helpers: Any
) -> tuple[Callable[..., Any], frozenset[int]]:
    """A rule as ``call(g, saved, shape, i, params)``, and which of ``saved`` (the operands, then the output) it reads.

    ``template`` is the expression to compute, with ``{}`` for the call of the rule and ``helpers`` for other names in
    it; ``first`` is what the rule's first parameter gets, if it is not a value to be read. The expression is written
    out and compiled, since rules run on the hot path: ``lambda x: cos(x)`` with the template ``"g * {}"`` becomes
    ``lambda g, s, shape, i, params: g * rule(s[0])``.
    """
    places = {name: k for k, name in enumerate((*operands, "out"))}
    names = names_of(rule)[1 if first else 0 :]
    given = [f"s[{places[n]}]" if n in places else n if n in ("shape", "i") else f"params[{n!r}]" for n in names]
    text = given[0] if isinstance(rule, str) else f"rule({', '.join([first] * bool(first) + given)})"
    written = compile(f"lambda g, s, shape, i, params: {template.format(text)}", __file__, "eval")
    call = eval(written, {"rule": rule, **helpers})
    return call, frozenset(places[n] for n in names if n in places)


# ---- the four kinds -------------------------------------------------------------------------------------------------

_NAMES = {1: ("x",), 2: ("x", "y"), 3: ("x", "y", "z")}


def singular(partial: Callable[..., Any] | str) -> Scale:
    """A partial derivative that may be infinite where it is multiplied by zero: the product is then zero."""
    return Scale(partial, masked=True)


def _scale(partial: Rule | Callable[..., Any] | float | str | None) -> Rule | None:
    return partial if partial is None or isinstance(partial, Rule) else Scale(partial)


def elementwise(
    name: str,
    *partials: Rule | Callable[..., Any] | float | str | None,
    forward: Callable[..., Any] | None = None,
    body: Callable[..., Any] | None = None,
    operands: str | None = None,
    same: tuple[int, ...] | None = None,
    leads: int = 0,
    dtype: Callable[..., Any] | None = None,
    doc: str = "",
) -> Primitive:
    """A primitive whose output element depends on one element of each operand; operands broadcast."""
    n = len(partials)
    return Primitive(
        "elementwise", name, [_scale(p) for p in partials], operands=operands.split() if operands else _NAMES[n],
        forward=forward, body=body, shape=lambda *shapes, **_: broadcast_shapes(name, shapes), dtype=dtype, batch="elementwise",
        same=same if same is not None else (tuple(range(n)) if n > 1 else ()), leads=leads, doc=doc,
    )  # fmt: skip


def linear(
    name: str,
    transpose: Callable[..., Any],
    *,
    forward: Callable[..., Any],
    shape: Callable[..., Any],
    operands: str = "x",
    **more: Any,
) -> Primitive:
    """A primitive that is linear in its first operand; the others (indices, say) are constants."""
    names = operands.split()
    return Primitive(
        "linear",
        name,
        [Linear(transpose), *[None] * (len(names) - 1)],
        operands=names,
        forward=forward,
        shape=shape,
        **more,
    )


def bilinear(
    name: str,
    left: Callable[..., Any],
    right: Callable[..., Any],
    *,
    forward: Callable[..., Any] | None = None,
    shape: Callable[..., Any],
    **more: Any,
) -> Primitive:
    """A primitive that is linear in each of two operands: ``left(g, y)`` and ``right(g, x)`` are the transposes."""
    return Primitive(
        "bilinear",
        name,
        [Linear(left), Linear(right)],
        operands=("x", "y"),
        forward=forward,
        shape=shape,
        same=(0, 1),
        **more,
    )


def linearized(
    name: str,
    *maps: Rule | Callable[..., Any] | None,
    forward: Callable[..., Any],
    shape: Callable[..., Any],
    operands: str | None = None,
    **more: Any,
) -> Primitive:
    """Any other primitive: for each operand the derivative as a linear map ``t -> tangent`` (or a rule, or None)."""
    rules = [m if m is None or isinstance(m, Rule) else Traced(m) for m in maps]
    return Primitive(
        "linearized",
        name,
        rules,
        operands=operands.split() if operands else _NAMES[len(maps)],
        forward=forward,
        shape=shape,
        **more,
    )


def broadcast_shapes(name: str, shapes: Sequence[Shape]) -> Shape:
    """The shape to which all ``shapes`` broadcast; ShapeError names the operation otherwise."""
    rank = max((len(s) for s in shapes), default=0)
    out = [1] * rank
    for s in shapes:
        for k, n in enumerate(s, rank - len(s)):
            if n != 1:
                if out[k] not in (1, n):
                    raise errors.ShapeError(
                        f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast: axis {k - rank} has {out[k]} and {n}; expected equal sizes, or 1. Reshape or slice an operand"
                    )
                out[k] = n
    return tuple(out)


__all__ = [
    "Core",
    "Crossing",
    "Linear",
    "Primitive",
    "Rule",
    "Scale",
    "Select",
    "Shape",
    "Shared",
    "Tensor",
    "Traced",
    "bilinear",
    "elementwise",
    "linear",
    "linearized",
    "singular",
]
