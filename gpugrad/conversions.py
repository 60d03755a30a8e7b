"""What is said when a tensor that is part of a derivative is about to become a number or an array, and to whom.

C code of NumPy and of Python's ``math`` asks for ``float(t)`` as a user may, and no protocol says who is asking. The
instruction at which the caller stands does: its names tell ``math.sin(t)``, ``buffer.fill(t)`` and ``buffer[i] = t``,
which would detach a result in silence, from ``float(t)``, which says what is meant.
"""

from __future__ import annotations

import dis
import functools as ft
import inspect
import sys
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from gpugrad import errors

_MEANT = frozenset({"ceil", "floor", "isclose", "isfinite", "isinf", "isnan", "trunc"})
"""Functions of ``math`` whose result is constant almost everywhere: nothing is lost."""

_INSTEAD = {
    "math.fsum": "np.sum", "math.pow": "np.power", "math.dist": "np.linalg.norm of the difference",
    "math.gamma": "gg.special.gamma", "math.lgamma": "gg.special.gammaln", "math.erf": "gg.erf",
    "math.erfc": "gg.erfc", "numpy.array": "np.stack([t, u]) or gpugrad.numpy.array([[t, 2.0], [3.0, u]])",
    "numpy.asarray": "the tensor itself, or gpugrad.numpy.asarray", "numpy.full": "np.full_like(x, t) or gg.full(shape, t)",
    "numpy.arange": "start + step * np.arange(n), with a number of elements that is known",
    "numpy.vectorize": "gg.vmap(f)(t), or f(t) if it computes with NumPy's functions",
    "numpy.fromiter": "np.stack of a list", "numpy.ndarray.fill": "np.full_like(x, t) or gg.full(shape, t)",
    "numpy.ndenumerate": "np.ndindex(t.shape)", "r_": "np.concatenate", "c_": "np.column_stack",
}  # fmt: skip
"""What to write instead, where it is not the function of the same name on tensors."""


# ---- the call that a frame stands at ------------------------------------------------------------------------------------


@ft.lru_cache(maxsize=512)
def _names(code: CodeType, at: int) -> tuple[str, tuple[str, ...]]:
    """The kind of instruction at ``at``, and the dotted name with which its expression begins; () where it is none."""
    instructions = [i for i in dis.get_instructions(code) if i.offset <= at]
    if not instructions:
        return "", ()
    *before, last = instructions
    here = last.positions
    chain: tuple[str, ...] = ()
    for i in before:
        there = i.positions
        if (
            here is None
            or there is None
            or there == here
            or (there.lineno, there.col_offset) != (here.lineno, here.col_offset)
        ):
            continue  # it is part of the call itself, or begins elsewhere
        if i.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain = (*chain, str(i.argval))
        elif i.opname.startswith("LOAD_") and isinstance(i.argval, str):
            chain = (i.argval,)
        else:
            chain = ("…",)  # something computed, whose methods can still be named
    return last.opname, chain


def asked_by(frame: FrameType) -> tuple[str, str]:
    """What the code in ``frame`` is doing, as a user wrote it, and the full name of the function it calls.

    >>> import sys
    >>> asked_by(sys._getframe())[1]
    'gpugrad.conversions.asked_by'
    """
    kind, chain = _names(frame.f_code, frame.f_lasti)
    name = ".".join(chain)
    if kind == "STORE_SUBSCR":
        return (f"{name}[…] = t" if name else "buffer[i] = t"), ""
    if not chain:
        return "", ""
    if "SUBSCR" in kind:
        return f"{name}[…]", chain[-1]
    if not kind.startswith(("CALL", "PRECALL")):
        return "", ""
    return f"{name}(…)", _full_name(_found(frame, chain), chain[-1])


def _found(frame: FrameType, chain: tuple[str, ...]) -> Any:
    """The object of that name, looked up without running anything of the user's; None where that cannot be."""
    for scope in (frame.f_locals, frame.f_globals, frame.f_builtins):
        if chain[0] in scope:
            found = scope[chain[0]]
            break
    else:
        return None
    for name in chain[1:]:
        plain = isinstance(found, ModuleType | np.ndarray)  # whose attributes run nothing
        found = getattr(found, name, None) if plain else inspect.getattr_static(found, name, None)
    return found


def _full_name(function: Any, name: str) -> str:
    bound = getattr(function, "__self__", None)
    owner = type(bound) if isinstance(bound, np.ndarray | np.flatiter) else getattr(function, "__objclass__", None)
    module = getattr(owner if owner is not None else function, "__module__", None) or ""
    return f"{module}.{owner.__name__}.{name}" if owner is not None else f"{module}.{name}"


# ---- what is said -------------------------------------------------------------------------------------------------------


def unsaid(frame: FrameType) -> bool:
    """Whether ``float(t)``, asked for from ``frame``, is not what the user wrote, and would detach a result in silence."""
    what, function = asked_by(frame)
    if what.endswith("= t") or errors.of_library(frame):
        return True
    root, name = function.split(".")[0], function.split(".")[-1]
    return root in ("cmath", "math", "numpy", "scipy") and not (root == "math" and name in _MEANT)


def message(frame: FrameType, shape: tuple[int, ...], kind: str) -> str:
    """For a tensor of a ``kind`` that cannot be detached: what the user wrote in ``frame``, why not, and the way out."""
    what, function = asked_by(frame)
    if what.startswith("…"):
        inside = _entered(frame)
        what, function = (f"numpy's {inside}", f"numpy.{inside}") if inside else (what, function)
    site = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    said = "or say that it is meant: float(t), t.detach()"
    if what.endswith("= t"):
        return f"{what} at {site}: the buffer is not a tensor, so the value of shape {shape}, {kind}, would be detached. Make the buffer with gg.zeros(shape) or np.zeros_like(t); {said}"
    return f"{what or 'this'} would make a NumPy array or a plain number of a tensor of shape {shape}, {kind}, at {site}, and detach the result. Use {_instead(function)}; {said}"


def _entered(frame: FrameType) -> str:
    """The function of NumPy's that the code in ``frame`` has called; "" if it is not written in Python."""
    name = ""
    below: FrameType | None = sys._getframe()
    while below is not None and below is not frame:
        name = below.f_code.co_qualname if errors.of_library(below) else name
        below = below.f_back
    return name.removesuffix(".__call__")


def _instead(function: str) -> str:
    name = function.split(".")[-1]
    known = _INSTEAD.get(function) or _INSTEAD.get(name)
    if known is not None:
        return known
    if function.startswith(("math.", "cmath.", "numpy.ndarray.", ".")) and hasattr(np, name):
        return f"np.{name} on the tensor"
    if function.startswith("numpy.polynomial"):
        return "np.polyval, or Horner's scheme"
    if function.startswith("scipy.special."):
        return f"gg.special.{name}, if it is there"
    return (
        "NumPy's functions on the tensor itself, np.stack to join tensors, gg.zeros or np.zeros_like(t) to write into"
    )
