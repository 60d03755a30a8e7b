"""The operators of a tensor, which are operations of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpugrad import trace
from gpugrad.ops import elementwise as ew
from gpugrad.ops.arithmetic import power
from gpugrad.ops.bilinear import matmul
from gpugrad.primitive import Primitive
from gpugrad.transforms.binary import binary, operand
from gpugrad.transforms.node import NO_PARAMS

Operator = Callable[[Any, Any], Any]


def _forward(prim: Primitive) -> Operator:
    return lambda self, y: binary(prim, self, y)


def _reflected(prim: Primitive) -> Operator:
    return lambda self, y: binary(prim, y, self)


def _compared(prim: Primitive) -> Operator:
    """A comparison, which leaves what is no number to the other operand, and in the end to Python: ``t == None``."""

    def operator(self: Any, y: Any) -> Any:
        try:
            other = operand(y)
        except (TypeError, ValueError):
            return NotImplemented
        return binary(prim, self, other)

    return operator


def _logical(on_bool: Primitive, on_int: Primitive) -> tuple[Operator, Operator]:
    """A bit operator and its reflection, which on booleans is logic."""

    def forward(self: Any, y: Any) -> Any:
        return binary(on_bool if self.dtype.kind == "b" else on_int, self, y)

    def reflected(self: Any, y: Any) -> Any:
        return binary(on_bool if self.dtype.kind == "b" else on_int, y, self)

    return forward, reflected


def _in_place(name: str) -> Operator:
    plain = f"__{name}__"
    return lambda self, y: self._rebind(getattr(self, plain)(y), f"in-place {name}")


class Operators:
    """Mixed into Tensor."""

    __slots__ = ()

    # ---- arithmetic: written out where it is on the hot path --------------------------------------------------------

    def __add__(self: Any, y: Any) -> Any:
        return binary(ew.add, self, y)

    def __radd__(self: Any, y: Any) -> Any:
        return binary(ew.add, y, self)

    def __sub__(self: Any, y: Any) -> Any:
        return binary(ew.subtract, self, y)

    def __rsub__(self: Any, y: Any) -> Any:
        return binary(ew.subtract, y, self)

    def __mul__(self: Any, y: Any) -> Any:
        return binary(ew.multiply, self, y)

    def __rmul__(self: Any, y: Any) -> Any:
        return binary(ew.multiply, y, self)

    def __truediv__(self: Any, y: Any) -> Any:
        return binary(ew.divide, self, y)

    def __rtruediv__(self: Any, y: Any) -> Any:
        return binary(ew.divide, y, self)

    def __neg__(self: Any) -> Any:
        return self._trace.apply(ew.negative, self, NO_PARAMS)

    def __pos__(self: Any) -> Any:
        return self._trace.apply(ew.positive, self, NO_PARAMS)

    def __abs__(self: Any) -> Any:
        return self.abs()

    def __pow__(self: Any, y: Any) -> Any:
        return power(self, operand(y))

    def __rpow__(self: Any, y: Any) -> Any:
        return power(operand(y), self)

    def __matmul__(self: Any, y: Any) -> Any:
        return matmul(self, y if type(y) is trace.Tensor else operand(y))

    def __rmatmul__(self: Any, y: Any) -> Any:
        return matmul(operand(y), self)

    __mod__ = _forward(ew.remainder)
    __rmod__ = _reflected(ew.remainder)
    __floordiv__ = _forward(ew.floor_divide)
    __rfloordiv__ = _reflected(ew.floor_divide)

    def __divmod__(self: Any, y: Any) -> Any:
        return self // y, self % y

    def __rdivmod__(self: Any, y: Any) -> Any:
        return y // self, y % self

    # ---- comparisons ------------------------------------------------------------------------------------------------

    __eq__ = _compared(ew.equal)
    __ne__ = _compared(ew.not_equal)
    __lt__ = _compared(ew.less)
    __le__ = _compared(ew.less_equal)
    __gt__ = _compared(ew.greater)
    __ge__ = _compared(ew.greater_equal)

    def __hash__(self) -> int:
        return id(self)

    # ---- bits and logic ---------------------------------------------------------------------------------------------

    def __invert__(self: Any) -> Any:
        return (ew.logical_not if self.dtype.kind == "b" else ew.bitwise_invert)(self)

    __and__, __rand__ = _logical(ew.logical_and, ew.bitwise_and)
    __or__, __ror__ = _logical(ew.logical_or, ew.bitwise_or)
    __xor__, __rxor__ = _logical(ew.logical_xor, ew.bitwise_xor)
    __lshift__ = _forward(ew.bitwise_left_shift)
    __rlshift__ = _reflected(ew.bitwise_left_shift)
    __rshift__ = _forward(ew.bitwise_right_shift)
    __rrshift__ = _reflected(ew.bitwise_right_shift)

    # ---- in place: the tensor is rebound to the result ----------------------------------------------------------------

    __iadd__ = _in_place("add")
    __isub__ = _in_place("sub")
    __imul__ = _in_place("mul")
    __itruediv__ = _in_place("truediv")
    __ipow__ = _in_place("pow")
    __imatmul__ = _in_place("matmul")
    __imod__ = _in_place("mod")
    __ifloordiv__ = _in_place("floordiv")
    __iand__ = _in_place("and")
    __ior__ = _in_place("or")
    __ixor__ = _in_place("xor")
    __ilshift__ = _in_place("lshift")
    __irshift__ = _in_place("rshift")
