"""The derivative of a function, as Python text that a person can read, edit, save, import and step through."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from typing import Any

from gpugrad import dtypes, errors, pytree, trace
from gpugrad.debug.record import Recorder
from gpugrad.debug.source import Names, Printer, described
from gpugrad.graph.ir import Variable, live
from gpugrad.ops import elementwise
from gpugrad.ops.linear import conj
from gpugrad.trace import value
from gpugrad.transforms.functional import argument_names, fitting, function_name
from gpugrad.transforms.lift import lowered
from gpugrad.transforms.modes import keep_values
from gpugrad.transforms.node import Leaf, Node, extra
from gpugrad.transforms.sweep import sweep
from gpugrad.transforms.tape import Tape

_PUBLIC = frozenset(elementwise.__all__)


class AdjointSource:
    """A generated program: ``str(source)`` is its text, ``source(*args)`` runs it.

    ``constants`` are the arrays that are too large to stand in the text; the function takes them by keyword.
    """

    def __init__(self, name: str, text: str, constants: dict[str, Any]) -> None:
        self.name = name
        self.text = text
        self.constants = constants
        file = f"<{name}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)  # for tracebacks and debuggers
        namespace: dict[str, Any] = {}
        exec(compile(text, file, "exec"), namespace)
        self._function: Callable[..., Any] = namespace[name]

    def __call__(self, *args: Any) -> Any:
        return self._function(*args, **self.constants)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def adjoint_source(f: Callable[..., Any], *args: Any, cotangent: Any = None) -> AdjointSource:
    """The reverse-mode derivative of ``f`` at ``args`` as straight-line Python, each line beside the line it came from.

    The program takes the same arguments and returns the value and the cotangents of the floating-point arguments (a
    tuple with one item per argument; of a single argument, the item itself). ``cotangent`` is what to start from; it
    may be left out if ``f`` returns one number. Branches and loops stand as they were taken, sizes as they were given,
    and what does not depend on the arguments is a constant. Its operations are gpugrad's own, so it can be
    differentiated again, run on another device, edited, or saved to a file and imported.

    Raises ShapeError for a result that is not one number without ``cotangent``, GraphError if it depends on no
    floating-point argument. The program is as long as the computation and its reverse sweep together.

    >>> import gpugrad as gg
    >>> def f(x): return gg.sum(gg.tanh(x))
    >>> source = gg.debug.adjoint_source(f, gg.tensor([0.0, 1.0]))
    >>> print(str(source).split("# ")[0])
    \"\"\"The derivative of f ...
    >>> value, gradient = source(gg.tensor([0.0, 1.0]))
    >>> gradient
    tensor([1.        , 0.41997434])
    """
    what = function_name(f)
    leaves, tree = pytree.flatten(args)
    names = argument_names(f, len(args))
    paths = [path for k, a in enumerate(args) for path in pytree.paths(pytree.flatten(a)[1], names[k])]
    with Recorder() as recorder:
        inputs = [recorder.input(lowered(x), path) for x, path in zip(leaves, paths, strict=True)]
        with Tape() as tape, keep_values():
            ends = [Leaf(v.shape, v.dtype) if dtypes.is_inexact(dtypes.dtype(v.dtype)) else None for v in inputs]
            tracked = [v if end is None else value(v, tape, end) for v, end in zip(inputs, ends, strict=True)]
            out = f(*pytree.unflatten(tree, tracked))
        if type(out) is not trace.Tensor or tape.mark(out) is None:
            raise errors.GraphError(
                f"adjoint_source of {what}: the result does not depend on a floating-point argument; expected a tensor computed from one"
            )
        if out.shape != () and cotangent is None:
            raise errors.ShapeError(
                f"adjoint_source of {what}: the result has shape {out.shape}; pass the cotangent to start from: cotangent=, of that shape"
            )
        primal = tape.lower(out)
        start = fitting(1.0 if cotangent is None else cotangent, recorder.lower(primal), f"{what}: cotangent")
        seed = recorder.input(start, "g")
        forward = len(recorder.lines)
        _follow(tape.mark(out), dict(zip(ends, inputs, strict=True)), recorder)
        found = sweep([(tape.mark(out), _conjugated(seed))], retain=False)
        recorder.site = errors.user_site
        results = [None if end is None or end not in found else _conjugated(found[end]) for end in ends]
    program = _Program(f, [v._mark for v in inputs], recorder, forward, primal._mark, seed._mark, results)
    return program.source(names, args, ends)


def _conjugated(g: Any) -> Any:
    return conj(g) if dtypes.is_complex(g.dtype) else g


def _follow(root: Node, inputs: dict[Any, Any], recorder: Recorder) -> None:
    """While the sweep is at a node, note its lines beside the node's, and call the cotangent there ``d_`` its name."""
    sites = {id(v): line.site for line in recorder.lines for v in line.results}
    named: set[int] = set()

    def at(node: Node) -> Callable[[Any], None]:
        kept = inputs.get(node) if isinstance(node, Leaf) else extra(node).value
        variable = recorder.mark(kept[0] if type(kept) is tuple else kept)
        site = sites.get(id(variable))

        def arrive(g: Any) -> None:
            recorder.site = errors.user_site if site is None else lambda: site
            cotangent = recorder.mark(g)
            if variable is not None and cotangent is not None and id(cotangent) not in named:
                named.add(id(cotangent))
                cotangent.name = cotangent.name if cotangent.name == "g" else f"d_{variable.name}"

        return arrive

    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        hook = at(node)
        extra(node).hooks[id(hook)] = hook
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)


class _Program:
    """What was recorded, to be printed."""

    def __init__(
        self,
        f: Callable[..., Any],
        inputs: Sequence[Variable],
        recorder: Recorder,
        forward: int,
        primal: Variable,
        seed: Variable,
        results: Sequence[Any],
    ) -> None:
        self.what = function_name(f)
        self.inputs = inputs
        self.primal = primal
        self.seed = seed
        self.results = results
        self.cotangents = [None if r is None else recorder.mark(r) for r in results]
        first = {id(line) for line in recorder.lines[:forward]}
        lines = live(recorder.lines, [primal, *self.cotangents])
        self.forward = [line for line in lines if id(line) in first]
        self.backward = lines[len(self.forward) :]

    def source(self, names: Sequence[str], args: Sequence[Any], ends: Sequence[Leaf | None]) -> AdjointSource:
        """The text, compiled."""
        called = Names({"gg", "np", "p", *names})
        title = called.new(f"{self.what}_adjoint")
        printer = Printer(called, _PUBLIC)
        body, cotangents = self._arguments(names, args, called, ends)
        body += ["    # forward", *map(printer.line, self.forward)]
        body += ["    # backward", *map(printer.line, self.backward)]
        result = cotangents[0] if len(args) == 1 else f"({', '.join(cotangents)})"
        body.append(f"    return {called.of(self.primal)}, {result}")
        default = "=1.0" if self.seed.shape == () else ""
        keywords = f", *, {', '.join(printer.constants)}" if printer.constants else ""
        text = "\n".join(body)
        head = [
            f'"""The derivative of {self.what} for {described(self.inputs)}; made by gpugrad.debug.adjoint_source."""',
            "",
            *(["import numpy as np", ""] if "np." in text else []),
            "import gpugrad as gg",
            *(["from gpugrad.debug import primitives as p"] if "p." in text else []),
            "",
            "",
            f"def {title}({', '.join(names)}, {called.of(self.seed)}{default}{keywords}):",
        ]
        return AdjointSource(title, "\n".join(head) + "\n" + text + "\n", printer.constants)

    def _arguments(
        self, names: Sequence[str], args: Sequence[Any], called: Names, ends: Sequence[Leaf | None]
    ) -> tuple[list[str], list[str]]:
        """The lines that take the arguments apart, and what is returned for each of them."""
        lines: list[str] = []
        returned: list[str] = []
        k = 0
        for name, arg in zip(names, args, strict=True):
            leaves, tree = pytree.flatten(arg)
            mine = range(k, k + len(leaves))
            k += len(leaves)
            if tree is pytree.LEAF:
                called.give(self.inputs[mine[0]], name)
                lines.append(f"    {name} = gg.asarray({name})")
                returned.append(self._cotangent(mine[0], called, ends[mine[0]]))
                continue
            parts = ", ".join(called.of(self.inputs[i]) for i in mine)
            if mine:
                lines.append(f"    {parts}{',' if len(mine) == 1 else ''} = map(gg.asarray, gg.pytree.leaves({name}))")
            cts = [self._cotangent(i, called, ends[i]) for i in mine]
            returned.append(f"gg.pytree.unflatten(gg.pytree.flatten({name})[1], [{', '.join(cts)}])")
        seed = called.of(self.seed)
        lines.append(f"    {seed} = gg.asarray({seed}, dtype={str(self.seed.dtype)!r})")
        return lines, returned

    def _cotangent(self, k: int, called: Names, end: Leaf | None) -> str:
        found = self.cotangents[k]
        if found is not None:
            return called.of(found)
        return "None" if end is None else f"gg.zeros_like({called.of(self.inputs[k])})"
