"""``gg.kernel``: a user's own loop over raw arrays, with the derivative that the user gives it, as an operation.

To traces a kernel is one primitive without a rule, whose arrays share their leading axes; the rule is that of a whole
function, as custom_vjp has it. What runs the loop is chosen by the kind of device, so that another language is another
entry there.
"""

from __future__ import annotations

import functools as ft
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.backends.numba_user import NumbaKernel
from gpugrad.ops.linear import reshape
from gpugrad.primitive import Primitive, Shape
from gpugrad.trace import bind, value
from gpugrad.transforms.batch import Batch, repeated
from gpugrad.transforms.calls import Values, _into, _newest, _out_of, _Rule, _with_rule
from gpugrad.transforms.forward import Forward
from gpugrad.transforms.functional import function_name
from gpugrad.transforms.lift import as_value, lowered, raised, stopped
from gpugrad.transforms.node import CALL, ITEM, Node
from gpugrad.transforms.pull import Aval, LinearTape
from gpugrad.transforms.tape import Tape

if TYPE_CHECKING:
    from gpugrad.cuda.user_kernel import CudaKernel

__all__ = ["kernel"]

_NUMBERS = (bool, int, float, complex)


class Like(NamedTuple):
    """What is known of an array before anything runs: its shape and dtype."""

    shape: Shape
    dtype: Any

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


# ---- the primitive ----------------------------------------------------------------------------------------------------------


def _run(
    _xp: Any, *arrays: Any, kernel: Kernel, numbers: Sequence[tuple[int, Any]], outs: Sequence[Like], leading: int
) -> tuple[Any, ...]:
    backend = select.of(arrays[0])
    kind = backend.device_kind
    run = kernel.on.get(kind)
    if run is None:
        there = next(iter(kernel.on))
        more = ", or say what runs there: gg.kernel(cuda=)" if kind == "cuda" else ""
        raise errors.DeviceError(
            f"kernel {kernel.name} on {backend.device_of(arrays[0])}; expected arrays on {there}, where it can run. Move them: x.to({there!r}){more}"
        )
    lead = arrays[0].shape[:leading]
    if kind == "cpu":
        given = [np.asarray(select.of(a).to_numpy(a), order="C") for a in arrays]
        made = [np.zeros((*lead, *o.shape), o.dtype) for o in outs]
    else:
        given = [a if a.flags.c_contiguous else backend.copied(a) for a in arrays]
        made = [backend.full_beside(arrays[0], (*lead, *o.shape), 0, o.dtype) for o in outs]
    named = [n for k, n in enumerate(kernel.parameters) if k not in dict(numbers)]
    for name, x in zip(named, [*given, *made], strict=True):
        kernel.check_dtype(name, x.dtype, [run])
    for item in np.ndindex(*lead):
        each = _with_numbers([x[(*item, ...)] for x in given], dict(numbers))
        run(backend, [*each, *(x[(*item, ...)] for x in made)], len(each))
    return tuple(backend.asarray(x) for x in made)


def _shapes(
    first: Shape, *_: Shape, kernel: Kernel, numbers: Any, outs: Sequence[Like], leading: int
) -> tuple[Shape, ...]:
    return tuple((*first[:leading], *o.shape) for o in outs)


_kernel = Primitive(
    "kernel",
    "raw_kernel",
    [None],
    operands=("x",),
    forward=_run,
    shape=_shapes,
    dtype=lambda *_, outs, **__: tuple(o.dtype for o in outs),
    variadic=True,
    outputs=-1,  # as many as the kernel has
    doc="A loop of the user's own, on arrays that share their leading axes.",
)


def _with_numbers(arrays: Sequence[Any], numbers: dict[int, Any]) -> list[Any]:
    """The arguments in their places: arrays in order, Python numbers at theirs."""
    given = iter(arrays)
    return [numbers[k] if k in numbers else next(given) for k in range(len(arrays) + len(numbers))]


# ---- one call, as a function on flat lists of values with a rule ---------------------------------------------------------


class _Applied(_Rule):
    """A kernel with the numbers among its arguments, on arrays with so many leading axes, which are a batch."""

    def __init__(self, kernel: Kernel, numbers: dict[int, Any], outs: Sequence[Like], leading: int = 0) -> None:
        self.kernel = kernel
        self.numbers = numbers
        self.outs = outs
        self.leading = leading
        back = self._back if kernel.vjp is not None or kernel.jvp is None else None
        super().__init__(
            f"kernel {kernel.name}", self._call, back, self._push if kernel.jvp else None, lambda: len(outs)
        )

    def computed(self, values: Values) -> Values:
        """The results."""
        top = _newest(values)
        if isinstance(top, LinearTape):
            return self._linear(top, values)
        if isinstance(top, Batch):
            return self._mapped(top, values)
        if isinstance(top, Forward) or any(type(v) is trace.Tensor and v._mark is not None for v in values):
            return (
                _with_rule(self, values)[: len(self.outs)] if isinstance(top, Tape | Forward) else self._bound(values)
            )
        return self._bound(values)

    def _linear(self, tape: LinearTape, values: Values) -> Values:
        """In a rule that is transposed, on shapes alone: what the transpose needs is this kernel's own vjp."""
        kernel, parents = self.kernel, [tape.mark(v) for v in values]
        names = [n for k, n in enumerate(kernel.inputs) if k not in self.numbers]
        moving = [n for n, p in zip(names, parents, strict=True) if p is not None]
        if kernel.vjp is None or any(n in (*moving, *kernel.outputs) for n in _asked(kernel.vjp)):
            why = "has no vjp=" if kernel.vjp is None else f"is not linear in {', '.join(moving)}: its vjp reads them"
            raise errors.GraphError(
                f"kernel {kernel.name} {why}. It is called in a derivative rule that has to be transposed, for forward mode of a kernel without jvp=, or reverse mode of one without vjp=: give that one both, or this one a vjp= that reads none of them"
            )
        lead = values[0].shape[: self.leading]
        read = kernel.read(kernel.vjp, self.numbers, values, [])

        def pull(g: Any, _: Any, tracer: Any) -> Iterator[tuple[Node, Any]]:
            like = next(c for c in g if c is not None)
            full = [
                select.full((*lead, *o.shape), 0, like, o.dtype) if c is None else c
                for c, o in zip(g, self.outs, strict=True)
            ]
            assert self.back is not None
            for p, ct in zip(parents, self.back([*map(raised, full), *read]), strict=True):
                if p is not None and ct is not None:
                    yield p, lowered(ct)

        def call(given: Sequence[Any]) -> Values:
            moved = iter(given)
            return [
                lowered(o)
                for o in self.computed([raised(next(moved)) if p else v for v, p in zip(values, parents, strict=True)])
            ]

        shapes = tuple((*lead, *o.shape) for o in self.outs)
        node = Node(CALL, {"pull": pull, "call": call, "name": self.name}, [p for p in parents if p], (), shapes)
        return [
            value(Aval(s, o.dtype), tape, Node(ITEM, {"i": i}, (node,), (), s))
            for i, (s, o) in enumerate(zip(shapes, self.outs, strict=True))
        ]

    def _bound(self, values: Values) -> Values:
        if self.leading and self.kernel.vmap is not None:
            return self._by_its_own_vmap(values)
        numbers = tuple(self.numbers.items())  # which, unlike a dictionary, has a hash
        params = {"kernel": self.kernel, "numbers": numbers, "outs": tuple(self.outs), "leading": self.leading}
        data = [lowered(v) for v in values]
        return [raised(o) for o in bind(_kernel, data, params)]

    def _by_its_own_vmap(self, values: Values) -> Values:
        """All leading axes as one, which is what the user's function for batches expects."""
        assert self.kernel.vmap is not None
        n = self.leading
        lead = values[0].shape[:n]
        size = int(np.prod(lead, dtype=np.int64))
        flat = [reshape(v, to=(size, *v.shape[n:]), rank=len(v.shape)) for v in values]
        given = self.kernel.vmap(*_with_numbers(flat, self.numbers))
        found = self.kernel.each(given, len(self.outs), "vmap")
        for o, wanted in zip(found, self.outs, strict=True):
            self.kernel.check_like(o, Like((size, *wanted.shape), wanted.dtype), "vmap")
        return [reshape(o, to=(*lead, *o.shape[1:]), rank=len(o.shape)) for o in found]

    def _call(self, values: Values) -> Values:
        """The results, then what the reverse rule reads."""
        outs = self.computed(values)
        return [*outs, *self.kernel.read(self.kernel.vjp, self.numbers, values, outs)]

    def _back(self, values: Values) -> Values:
        kernel, n = self.kernel, len(self.outs)
        if kernel.vjp is None:
            raise errors.GraphError(
                f"kernel {kernel.name}: a derivative is asked for, and there is no rule. Give it one, gg.kernel(..., vjp=lambda g, ...: (cotangents,)) or jvp=, or cut it off: gg.stop_gradient"
            )
        given = kernel.vjp(values[0] if n == 1 else tuple(values[:n]), *values[n:])
        if type(given) is not tuple or len(given) != len(kernel.inputs):
            got = f"a tuple of {len(given)}" if type(given) is tuple else type(given).__name__
            raise errors.ShapeError(
                f"kernel {kernel.name}: vjp returned {got}; expected a tuple of {len(kernel.inputs)} cotangents, one for each of {', '.join(kernel.inputs)} (None for zero)"
            )
        return [None if c is None else as_value(c) for k, c in enumerate(given) if k not in self.numbers]

    def _push(self, values: Values) -> Values:
        kernel, n = self.kernel, len(values) // 2
        assert kernel.jvp is not None
        primals, numbers = values[:n], self.numbers
        outs = self.computed(primals) if kernel.asks_for_outputs(kernel.jvp) else []
        tangents = tuple(_with_numbers(values[n:], dict.fromkeys(numbers)))
        given = kernel.jvp(tangents, *kernel.read(kernel.jvp, numbers, primals, outs))
        found = kernel.each(given, len(self.outs), "jvp")
        for t, wanted in zip(found, self.outs, strict=True):
            kernel.check_like(t, wanted, "jvp")
        return found

    def _mapped(self, batch: Batch, values: Values) -> Values:
        """Below a batch the same kernel has one leading axis more, which every array carries."""

        def under(function: Callable[[Values], Values]) -> Callable[[Values], Values]:
            def run(vs: Values) -> Values:
                with Batch(batch.size) as fresh:  # opened each time: whatever traces are open then are outside of it
                    found = function([_into(fresh, v) for v in vs])
                return [_out_of(fresh, o) for o in found]

            return run

        lower = _Applied(self.kernel, self.numbers, self.outs, self.leading + 1)
        lower.back = under(self.back) if self.back else None
        lower.push = under(self.push) if self.push else None
        below = [
            raised(batch.lower(v) if batch.mark(v) is not None else repeated(lowered(v), batch.size)) for v in values
        ]
        return [value(lowered(o), batch, batch.size) for o in lower.computed(below)]


# ---- what the user declares -------------------------------------------------------------------------------------------------


class Kernel:
    """A kernel as it was declared. It has slots alone: what Numba keeps is not to be searched for tensors."""

    __slots__ = ("dtype", "inputs", "jvp", "name", "on", "outputs", "parameters", "sizes", "specify", "vjp", "vmap")

    def __init__(
        self,
        f: Any,
        like: Any,
        shape: Any,
        dtype: Any,
        vjp: Any,
        jvp: Any,
        vmap: Any,
        cuda: CudaKernel | None,
    ) -> None:
        self.name = function_name(f) if cuda is None or f is not None else cuda.name
        self.on: dict[str, NumbaKernel | CudaKernel] = {} if f is None else {"cpu": NumbaKernel(f, self.name)}
        """Kind of device -> what runs it there."""
        if cuda is not None:
            self.on["cuda"] = cuda
        self.parameters = cuda.names if cuda is not None and f is None else self._parameters(getattr(f, "py_func", f))
        self.sizes: dict[str, tuple[int, int]] = {}
        """Name of a size in the signature -> an argument, and its axis, that has it."""
        if (like is None) == (shape is None):
            raise errors.ArgumentError(
                f"kernel {self.name}: expected one of like= (a parameter's name) and shape= (a signature as '(n),(n)->(n)', or a function)"
            )
        inputs, self.specify = self._by_names(like) if like is not None else self._by_shape(shape)
        self.inputs, self.outputs = self.parameters[:inputs], self.parameters[inputs:]
        given = dtype if isinstance(dtype, list | tuple) else [dtype] * len(self.outputs)
        if len(given) != len(self.outputs):
            raise errors.ArgumentError(
                f"kernel {self.name}: {len(given)} dtypes for {len(self.outputs)} outputs ({', '.join(self.outputs)})"
            )
        self.dtype = [None if d is None else dtypes.dtype(d) for d in given]
        self.vjp, self.jvp, self.vmap = vjp, jvp, vmap
        if cuda is not None:
            cuda.named(self.parameters, self.sizes)
        for rule, what in ((vjp, "vjp"), (jvp, "jvp")):
            unknown = [n for n in _asked(rule) if n not in self.parameters]
            if unknown:
                raise errors.ArgumentError(
                    f"kernel {self.name}: {what} asks for {', '.join(unknown)}; after the {'cotangent' if rule is vjp else 'tangents'} expected names of the kernel's parameters: {', '.join(self.parameters)}"
                )

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"

    def _parameters(self, f: Any) -> tuple[str, ...]:
        if not inspect.isfunction(f):
            raise errors.UnsupportedError(f"gg.kernel of {f!r}; expected a Python function, or one of numba.njit's")
        found = inspect.signature(f).parameters.values()
        if any(p.kind > p.POSITIONAL_OR_KEYWORD or p.default is not p.empty for p in found):
            raise errors.UnsupportedError(
                f"kernel {self.name}: expected parameters that go by position, without defaults: the arguments, then the outputs"
            )
        return tuple(p.name for p in found)

    def _count(self, inputs: int) -> int:
        if not 1 <= inputs < len(self.parameters):
            raise errors.ArgumentError(
                f"kernel {self.name} has the parameters {', '.join(self.parameters)}, of which {inputs} are said to be arguments; expected one argument at least, then the outputs"
            )
        return inputs

    def _by_names(self, like: Any) -> tuple[int, Callable[..., list[Like]]]:
        names = [like] if isinstance(like, str) else list(like)
        inputs = self._count(len(self.parameters) - len(names))
        if any(n not in self.parameters[:inputs] for n in names):
            raise errors.ArgumentError(
                f"kernel {self.name}: like={like!r}; expected names among its arguments {', '.join(self.parameters[:inputs])}, one per output"
            )
        places = [self.parameters.index(n) for n in names]
        return inputs, lambda *given: [given[k] for k in places]

    def _by_shape(self, shape: Any) -> tuple[int, Callable[..., list[Like]]]:
        if isinstance(shape, str):
            ins, outs = (
                [tuple(re.findall(r"\w+", core)) for core in re.findall(r"\(([^()]*)\)", side)]
                for side in [*shape.split("->"), ""][:2]
            )
            for k, core in enumerate(ins):
                for axis, n in enumerate(core):
                    self.sizes.setdefault(n, (k, axis))
            known = self.sizes.keys()
            if len(ins) + len(outs) != len(self.parameters) or any(
                n not in known and not n.isdigit() for core in outs for n in core
            ):
                raise errors.ArgumentError(
                    f"kernel {self.name}: shape={shape!r}; expected a part for each of {', '.join(self.parameters)}, as in '(m,n),(n)->(m)', where an output has sizes of the arguments or numbers"
                )
            return self._count(len(ins)), lambda *given: self._fitted(shape, ins, outs, given)
        inputs = self._count(len(inspect.signature(shape).parameters))
        number = len(self.parameters) - inputs

        def specify(*given: Any) -> list[Like]:
            said = shape(*given)
            several = list(said) if isinstance(said, list) else [said]
            whole = (int, np.integer)
            if len(several) != number or not all(
                isinstance(s, tuple) and all(isinstance(n, whole) and n >= 0 for n in s) for s in several
            ):
                raise errors.ShapeError(
                    f"kernel {self.name}: shape= returned {said!r}; expected a shape, a tuple of integers{f', for each of {number} outputs, in a list' if number > 1 else ''}"
                )
            return [Like(tuple(map(int, s)), None) for s in several]

        return inputs, specify

    def _fitted(self, text: str, ins: Any, outs: Any, given: Sequence[Any]) -> list[Like]:
        sizes: dict[str, int] = {}
        for name, core, x in zip(self.inputs, ins, given, strict=True):
            shape = getattr(x, "shape", ())
            for n, size in zip(core, shape, strict=False):
                sizes.setdefault(n, int(n) if n.isdigit() else size)
            if len(shape) != len(core) or any(sizes[n] != size for n, size in zip(core, shape, strict=True)):
                have = ", ".join(f"{n}={size}" for n, size in sizes.items())
                raise errors.ShapeError(
                    f"kernel {self.name}: {name} has shape {shape}; expected ({', '.join(core)}) of {text}{f' with {have}' if have else ''}"
                )
        return [Like(tuple(int(n) if n.isdigit() else sizes[n] for n in core), None) for core in outs]

    def outs(self, given: Sequence[Any]) -> list[Like]:
        """Shapes and dtypes of the outputs for such arguments, arrays' shapes and dtypes or numbers; raises if they do not fit."""
        arrays = [(n, x) for n, x in zip(self.inputs, given, strict=True) if type(x) is Like]
        for name, x in arrays:
            self.check_dtype(name, x.dtype, self.on.values())
        common = ft.reduce(dtypes.promote, [x.dtype for _, x in arrays])
        made = []
        for name, said, o in zip(self.outputs, self.dtype, self.specify(*given), strict=True):
            if type(o) is not Like:
                raise errors.ShapeError(
                    f"kernel {self.name}: output {name} is said to be like the number {o!r}; expected an array"
                )
            made.append(Like(o.shape, said or o.dtype or common))
            self.check_dtype(name, made[-1].dtype, self.on.values())
        return made

    def check_dtype(self, name: str, d: Any, runs: Iterable[NumbaKernel | CudaKernel]) -> None:
        """DtypeError unless a parameter can be an array of such a dtype for one of those that run the kernel."""
        whys = [run.refuses(self.parameters.index(name), d) for run in runs]
        if all(whys):
            said = whys[0].replace("it: .", f"it: {name}.")
            raise errors.DtypeError(f"kernel {self.name}: {name} is of dtype {dtypes.name(d)}, {said}")

    def read(self, rule: Any, numbers: dict[int, Any], values: Values, outs: Values) -> Values:
        """The values that a rule's parameters ask for, after its first."""
        named = dict(zip(self.parameters, [*_with_numbers(values, numbers), *outs], strict=False))
        return [named[n] for n in _asked(rule)]

    def asks_for_outputs(self, rule: Any) -> bool:
        """Whether a rule reads what the kernel computed."""
        return any(n in self.outputs for n in _asked(rule))

    def each(self, given: Any, n: int, what: str) -> list[Any]:
        """What a function of the user's returned, one value per output."""
        several = (given,) if n == 1 and type(given) is not tuple else given
        if type(several) is not tuple or len(several) != n:
            got = f"a tuple of {len(given)}" if type(given) is tuple else type(given).__name__
            raise errors.ShapeError(
                f"kernel {self.name}: {what} returned {got}; expected {'one value' if n == 1 else f'a tuple of {n}'}, for {', '.join(self.outputs)}"
            )
        return [as_value(x) for x in several]

    def check_like(self, x: Any, wanted: Like, what: str) -> None:
        """ShapeError unless a value that stands for an output has its shape."""
        if x.shape != wanted.shape:
            raise errors.ShapeError(f"kernel {self.name}: {what} returned shape {x.shape}; expected {wanted.shape}")


def _asked(rule: Any) -> list[str]:
    return [] if rule is None else list(inspect.signature(rule).parameters)[1:]


def kernel(
    f: Callable[..., Any] | None = None,
    *,
    like: str | Sequence[str] | None = None,
    shape: str | Callable[..., Any] | None = None,
    dtype: Any = None,
    vjp: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    vmap: Callable[..., Any] | None = None,
    cuda: Any = None,
    launch: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Callable[..., Any]:
    """A loop of your own over raw arrays, for the CPU or a GPU, as an operation on tensors, with the derivative you give it.

    ``f(*arguments, *outputs)`` takes NumPy arrays in C's order, and writes its results into its last parameters, arrays
    that are there already and hold zeros; it returns nothing, does not write into its arguments (that does not compile)
    and computes the same each time. It is a plain function, compiled by Numba when first called with such dtypes, or
    what ``numba.njit`` made of one, with options of yours (``parallel=True``, ``fastmath=True``, ``cache=True``). Python
    numbers among the arguments reach it as numbers, and are constants of the derivative.

    What the outputs are is known before it runs. ``like``: names of arguments whose shape and dtype they have.
    ``shape``: a signature, ``"(m,n),(n)->(m)"``, by which the arguments are checked, or a function of the arguments
    (what has a shape and a dtype, or a number) that returns a shape, for several outputs a list of them. ``dtype``, or
    a list of dtypes, says what they are of; otherwise they have that of the arguments together. Without a signature,
    sizes that do not go together are the kernel's own business, and Numba does not check indices.

    ``vjp(g, ...)`` gets the cotangent of the output, a tuple of them for several, and whatever its further parameters
    name: arguments and outputs. It returns a tuple with a cotangent for each argument, None for zero. ``jvp(ts, ...)``
    gets a tuple with a tangent for each argument and returns that of the output, a tuple for several. Written in
    gpugrad's operations, either serves both modes and every order. A rule may call other kernels: they need rules for
    the second order, and for the other mode a ``vjp`` that reads nothing that the rule has to be linear in.

    Under ``gg.vmap`` the kernel runs item after item; ``vmap(*arguments)``, if given, computes all of them at once from
    arrays that each have one more leading axis. Under ``gg.jit`` it is one call of the plan.

    On a GPU what runs is ``cuda``: CUDA C++ as a string or the path of a file, of whose functions ``__global__ void f(...)``
    the only one is meant, the one called as the kernel is, or ``name``; or a function for ``numba.cuda.jit``. It has the
    same rules. Given in the place of ``f``, it is a kernel for a GPU alone. A function in C++ takes pointers to arrays in C's
    order, of the dtypes that it declares, and numbers by value, in the order of ``f``'s parameters; after them whatever
    sizes it names, integers: those of the signature, or ``x_size`` and ``x_shape_0``. ``launch(*arguments, *outputs)`` gets what
    has a shape and a dtype, and numbers, and returns how many blocks there are and how many threads each has, integers or
    tuples, and if it takes any the bytes of shared memory: 48 KiB at most, in C++ as many as a block of the device can have.
    Else there is a thread for each element of the first output, in blocks of 256, and some beyond. A compiled step with a function in C++ is still one CUDA graph; a
    function of Numba's, or a kernel that runs item after item, is a call of the library there.

    Raises ArgumentError where the declaration is not in itself right, ShapeError and DtypeError for arguments, rules and
    results that do not fit, UnsupportedError for what Numba or CUDA's compiler cannot compile, with its line, DeviceError for
    arrays that are where nothing runs it, GpugradError, from what the kernel itself raises, GraphError where a derivative is
    asked for and no rule gives it.

    >>> import gpugrad as gg
    >>> @gg.kernel(like="x", vjp=lambda g, y: (gg.flip(gg.cumsum(gg.flip(g * y))),))
    ... def scan(x, y):
    ...     total = 0.0
    ...     for i in range(x.shape[0]):
    ...         total += x[i]
    ...         y[i] = np.exp(total)
    >>> import numpy as np
    >>> x = gg.tensor([0.0, 1.0])
    >>> scan(x)
    tensor([1.        , 2.71828183])
    >>> gg.grad(lambda x: gg.sum(scan(x)))(x)
    tensor([3.71828183, 2.71828183])
    """
    if f is None:
        more = {"cuda": cuda, "launch": launch, "name": name}
        return ft.partial(kernel, like=like, shape=shape, dtype=dtype, vjp=vjp, jvp=jvp, vmap=vmap, **more)
    caller = sys._getframe(1)
    on_cpu, on_cuda = _implementations(f, cuda, launch, name, (caller.f_code.co_filename, caller.f_lineno))
    declared = Kernel(on_cpu, like, shape, dtype, vjp, jvp, vmap, on_cuda)

    def call(*args: Any, **kwargs: Any) -> Any:
        places = dict(zip(declared.inputs, args, strict=False)) | kwargs
        if len(args) + len(kwargs) != len(declared.inputs) or places.keys() != set(declared.inputs):
            raise TypeError(
                f"kernel {declared.name} takes {', '.join(declared.inputs)}; it got {len(args)} arguments{''.join(f', {k}=' for k in kwargs)}"
            )
        given = [places[n] for n in declared.inputs]
        numbers = {k: x for k, x in enumerate(given) if type(x) in _NUMBERS}
        values = [as_value(x) for k, x in enumerate(given) if k not in numbers]
        if not values:
            raise errors.DtypeError(f"kernel {declared.name}: expected an array among its arguments, not numbers alone")
        outs = declared.outs(_with_numbers([Like(v.shape, v.dtype) for v in values], numbers))
        found = _Applied(declared, numbers, outs).computed(values)
        found = [o if dtypes.is_inexact(o.dtype) else stopped(o) for o in found]
        return found[0] if len(found) == 1 else tuple(found)

    if on_cpu is not None:
        return ft.wraps(getattr(f, "py_func", f))(call)
    call.__name__ = call.__qualname__ = declared.name
    return call


def _implementations(f: Any, cuda: Any, launch: Any, name: str | None, site: tuple[str, int]) -> tuple[Any, Any]:
    """What runs on the CPU, a function, and what runs on a GPU; None for either that is not given."""
    alone = isinstance(f, str | os.PathLike) or type(f).__module__.startswith("numba.cuda")
    if cuda is None and not alone:
        if launch is not None or name is not None:
            raise errors.ArgumentError(
                f"kernel {function_name(f)}: launch= and name= are of a kernel for a GPU; expected cuda="
            )
        return f, None
    if cuda is not None and alone:
        raise errors.ArgumentError(
            "gg.kernel of what runs on a GPU, and cuda=; expected a function for the CPU beside cuda="
        )
    from gpugrad.cuda.user_kernel import CudaFunction, CudaText  # when there is a kernel for it

    on_cpu, given = (None, f) if alone else (f, cuda)
    if isinstance(given, str | os.PathLike):
        return on_cpu, CudaText(given, name, "" if alone else function_name(f), launch, site)
    if not callable(given):
        raise errors.ArgumentError(
            f"kernel {function_name(f)}: cuda={given!r}; expected CUDA C++, the path of a file with it, or a function for numba.cuda.jit"
        )
    return on_cpu, CudaFunction(given, launch)
