"""Products of matrices by NVIDIA's cuBLASLt.

CuPy's cuBLAS refuses to be captured into a graph, copies what is transposed, and has no bfloat16 with batches. Here a
:class:`Matmul` asks for an algorithm once and then does nothing but launch it: no memory is allocated, nothing waits.
"""

from __future__ import annotations

import ctypes
import functools as ft
import threading
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from gpugrad import errors
from gpugrad.config import config
from gpugrad.cuda import cublaslt_library as names
from gpugrad.cuda.cublaslt_library import EPILOGUES, Heuristic
from gpugrad.cuda.matmul_layout import LayoutPlan, Matrix, Misfit, Operand, alignment, plan

WORKSPACE_ALIGNMENT = 256

_POINTER = ctypes.c_void_p
_SCALES = {"float64": "float64", "complex64": "complex64", "complex128": "complex128"}
"""dtype -> that of alpha and beta, if it is not float32."""


class Workspace(NamedTuple):
    """Memory on the device, at a multiple of 256, that products on one stream may write to, one after another."""

    address: int = 0
    nbytes: int = 0


NO_WORKSPACE = Workspace()


class CublasLt:
    """cuBLASLt on the device whose context is current where this is made."""

    def __init__(self, library: ctypes.CDLL | None = None) -> None:
        """Raises DeviceError if the library is not found, or has no device to work on."""
        self.library = names.load() if library is None else library
        self.algorithms: dict[Any, Heuristic] = {}
        """What was chosen for each kind of product, so that the library is asked once."""
        handle = _POINTER()
        self.check(self.library.cublasLtCreate(ctypes.byref(handle)), "cublasLtCreate")
        self.handle = handle
        # not at exit, when the driver may be gone already
        weakref.finalize(self, self.library.cublasLtDestroy, handle).atexit = False

    @property
    def version(self) -> tuple[int, int, int]:
        """The library's version."""
        number = self.library.cublasLtGetVersion()
        return number // 10000, number // 100 % 100, number % 100

    def check(self, status: int, what: str) -> None:
        """Raise DeviceError for what did not go well."""
        if status:
            said = (self.library.cublasLtGetStatusString(status) or b"").decode()
            raise errors.DeviceError(f"{what}: cuBLASLt answered with status {status} ({said})")

    def matmul(
        self,
        x: Operand,
        y: Operand,
        out: Operand,
        *,
        alpha: complex = 1.0,
        beta: complex = 0.0,
        epilogue: str = "default",
        tf32: bool | None = None,
        workspace: Workspace = NO_WORKSPACE,
        aligned: int = 16,
    ) -> Matmul:
        """The product ``out[...] = epilogue(alpha * x @ y + beta * out)``, ready to run on any memory that is laid out so.

        x and y are float16, bfloat16, float32, float64, complex64 or complex128, both the same; out has that dtype, or
        is float32 for halves, which are added up in float32. ``tf32`` (by default ``gg.config.tf32``) rounds factors of
        float32 and complex64 to 10 bits, which is faster. All addresses will be multiples of ``aligned``, a power of two.

        Epilogues, for real numbers: ``bias`` adds a vector of out's dtype to each row, ``relu`` and ``gelu`` (its tanh
        form) follow it; with ``aux`` they leave what their derivative needs in a second result of ``Matmul.aux_shape``.
        ``drelu`` and ``dgelu`` multiply by that derivative, and with ``bgrad`` sum the result's rows into a vector;
        ``bgrad_x`` and ``bgrad_y`` sum x or y over what the product sums over (the gradient of a bias beside that of its
        weight). Those that have a second result, or take one, are for a product without a batch. See ``EPILOGUES``.

        Raises ShapeError; DtypeError; ArgumentError for what the library cannot be told (``matmul_layout.plan`` says
        before what is to be copied) and for a sum of no products, which is for the caller to fill in; DeviceError where
        the library has no algorithm.
        """
        return Matmul(
            self, (x, y, out), (alpha, beta), epilogue, config.tf32 if tf32 is None else tf32, workspace, aligned
        )


class Matmul:
    """A product; see :meth:`CublasLt.matmul`. It may be run by several threads."""

    def __init__(
        self,
        lt: CublasLt,
        operands: tuple[Operand, Operand, Operand],
        scales: tuple[complex, complex],
        epilogue: str,
        tf32: bool,
        workspace: Workspace,
        aligned: int,
    ) -> None:
        x, y, out = operands
        self.lt = lt
        self.said = f"matmul of {x} and {y} into {out}" + ("" if epilogue == "default" else f" with {epilogue}")
        """How errors call it."""
        if epilogue not in EPILOGUES:
            raise errors.ArgumentError(f"matmul: epilogue={epilogue!r}; expected one of {', '.join(EPILOGUES)}")
        self.epilogue = EPILOGUES[epilogue]
        self._check_dtypes(x, y, out)
        if workspace.address % WORKSPACE_ALIGNMENT or aligned < 1 or aligned & (aligned - 1):
            raise errors.ArgumentError(
                f"{self.said}: a workspace at {workspace.address:#x} and addresses aligned to {aligned}; expected a "
                f"workspace at a multiple of {WORKSPACE_ALIGNMENT}, and a power of two"
            )
        self.plan = self._planned(x, y, out)
        self.workspace = workspace
        self.starts = [
            (i * x.dtype.itemsize, j * y.dtype.itemsize, k * out.dtype.itemsize) for i, j, k in self.plan.offsets
        ]
        """Bytes after the addresses where each call begins."""
        self._beyond = aligned - 1
        """The bits that no address has."""
        self._lock: Any = threading.Lock() if self.epilogue.vector or self.epilogue.aux else nullcontext()
        self._pointed = (-1, -1)
        """Where the vector and the auxiliary matrix are by the description, which is shared by all runs."""
        if self.starts:
            self._describe(x, out, scales, tf32, alignment(aligned, *(n for start in self.starts for n in start)))

    @property
    def aux_shape(self) -> tuple[int, int] | None:
        """Of the auxiliary matrix, if there is one: bytes (uint8) for ReLU, which has a bit for each element, else elements
        of out's dtype. There is a row for each row of the result.
        """
        if not self.epilogue.aux:
            return None
        length = self._aux_length()
        return self.plan.d.columns, length // 8 if self.epilogue.aux == 128 else length

    def run(self, x: int, y: int, out: int, stream: int, vector: int = 0, aux: int = 0) -> None:
        """Begin the product of what is at these addresses of the device, on a stream; ``vector`` and ``aux`` for epilogues.

        Raises ArgumentError for an address that is not aligned as was promised, DeviceError if the library refuses.
        """
        if (x | y | out | vector | aux) & self._beyond:
            raise self._not_aligned(x, y, out, vector, aux)
        with self._lock:
            self._point(vector, aux)
            for to_x, to_y, to_out in self.starts:
                first, second = (y + to_y, x + to_x) if self.plan.swapped else (x + to_x, y + to_y)
                status = self._launch(first, second, out + to_out, stream)
                if status:
                    self.lt.check(status, self.said)

    def bound(self, x: int, y: int, out: int, stream: int, vector: int = 0, aux: int = 0) -> Callable[[], None]:
        """``run`` with these arguments each time it is called, at less cost.

        Raises ArgumentError as ``run`` does.
        """
        if (x | y | out | vector | aux) & self._beyond:
            raise self._not_aligned(x, y, out, vector, aux)
        self._check_pointers(vector, aux)
        calls = []
        for to_x, to_y, to_out in self.starts:
            first, second = (y + to_y, x + to_x) if self.plan.swapped else (x + to_x, y + to_y)
            calls.append(self._arguments(*map(_POINTER, (first, second, out + to_out, stream))))
        return ft.partial(self._again, calls, vector, aux)

    def _again(self, calls: list[tuple[Any, ...]], vector: int, aux: int) -> None:
        matmul = self.lt.library.cublasLtMatmul
        with self._lock:
            self._point(vector, aux)
            for arguments in calls:
                status = matmul(*arguments)
                if status:
                    self.lt.check(status, self.said)

    def _launch(self, first: int, second: int, out: int, stream: int) -> int:
        return self.lt.library.cublasLtMatmul(*self._arguments(first, second, out, stream))  # type: ignore[no-any-return]

    def _arguments(self, first: Any, second: Any, out: Any, stream: Any) -> tuple[Any, ...]:
        p = self._parts
        return (p.handle, p.description, p.alpha, first, p.a, second, p.b, p.beta, out, p.d, out, p.d, *p.rest, stream)

    # ---- before the first run -------------------------------------------------------------------------------------------

    def _check_dtypes(self, x: Operand, y: Operand, out: Operand) -> None:
        name = x.dtype.name
        results = (name, "float32") if name in ("float16", "bfloat16") else (name,)
        if name not in names.DATA_TYPES or y.dtype != x.dtype or out.dtype.name not in results:
            raise errors.DtypeError(
                f"{self.said}; expected one of {', '.join(names.DATA_TYPES)} for all of them, where the result of halves may "
                "be float32; cast first"
            )
        if x.dtype.kind == "c" and self.epilogue.number != 1:
            raise errors.DtypeError(f"{self.said}; expected real numbers; add the bias afterwards")

    def _planned(self, x: Operand, y: Operand, out: Operand) -> LayoutPlan:
        told = plan(x, y, out, rows=self.epilogue.number != 1)
        if isinstance(told, Misfit):
            raise errors.ArgumentError(
                f"{self.said}: cuBLASLt cannot be told how {' and '.join(told.names)} lies in memory; expected rows or "
                "columns of adjacent elements (rows, for a result with an epilogue); copy it in C's order"
            )
        if told.offsets and not told.k:
            raise errors.ArgumentError(
                f"{self.said}: a sum of no products; expected at least one; fill in zeros instead"
            )
        alone = told.batch == 1 and len(told.offsets) == 1
        if told.offsets and not alone and (self.epilogue.aux or self.epilogue.gradient):
            raise errors.ArgumentError(f"{self.said}: expected a product without a batch; use the epilogue by itself")
        return told

    def _describe(self, x: Operand, out: Operand, scales: tuple[complex, complex], tf32: bool, aligned: int) -> None:
        name = x.dtype.name
        scale = _SCALES.get(name, "float32")
        fast = tf32 and name in ("float32", "complex64")
        double = name in ("float64", "complex128")
        compute = names.COMPUTE_64F if double else names.COMPUTE_32F_FAST_TF32 if fast else names.COMPUTE_32F
        self._scales = np.array([s if scale.startswith("c") else s.real for s in scales], scale)
        d = self._new("MatmulDesc", names.DESCRIPTION, compute, names.DATA_TYPES[scale])
        d.set(TRANSA=names.OP_T if self.plan.a.transposed else names.OP_N)
        d.set(TRANSB=names.OP_T if self.plan.b.transposed else names.OP_N)
        d.set(EPILOGUE=self.epilogue.number)
        if self.epilogue.vector:  # the address is not read yet, but tells how vectors are aligned
            d.set(BIAS_POINTER=aligned)
        if self.epilogue.aux:
            d.set(EPILOGUE_AUX_POINTER=aligned, EPILOGUE_AUX_LD=self._aux_length())
        self._description = d
        a, b, result = (self._layout(m, t) for m, t in zip(self.plan[:3], (name, name, out.dtype.name), strict=True))
        key = self.plan, name, out.dtype.name, self.epilogue, compute, self.workspace.nbytes, aligned
        chosen = self.lt.algorithms.get(key)
        if chosen is None:
            chosen = self.lt.algorithms[key] = self._choose(d, (a, b, result), aligned)
        first = self._scales.ctypes.data
        self._parts = _Parts(
            self.lt.handle,
            d.handle,
            _POINTER(first),
            _POINTER(first + self._scales.itemsize),
            a.handle,
            b.handle,
            result.handle,
            (
                ctypes.addressof(chosen),
                _POINTER(self.workspace.address),
                ctypes.c_size_t(self.workspace.nbytes),
            ),
        )
        self._layouts, self._chosen = (a, b, result), chosen  # as long as they are used

    def _new(self, kind: str, attributes: Any, *arguments: Any) -> _Descriptor:
        return _Descriptor(self.lt, kind, attributes, *arguments)

    def _layout(self, m: Matrix, dtype: str) -> _Descriptor:
        layout = self._new("MatrixLayout", names.LAYOUT, names.DATA_TYPES[dtype], m.rows, m.columns, m.leading)
        if self.plan.batch > 1:
            layout.set(BATCH_COUNT=self.plan.batch, STRIDED_BATCH_OFFSET=m.batch_stride)
        return layout

    def _choose(self, description: _Descriptor, layouts: tuple[_Descriptor, ...], aligned: int) -> Heuristic:
        """What the library takes to be the fastest algorithm."""
        preference = self._new("MatmulPreference", names.PREFERENCE)
        preference.set(MAX_WORKSPACE_BYTES=self.workspace.nbytes)
        preference.set(**{f"MIN_ALIGNMENT_{m}_BYTES": aligned for m in "ABCD"})
        chosen, found = Heuristic(), ctypes.c_int()
        a, b, d = (layout.handle for layout in layouts)
        status = self.lt.library.cublasLtMatmulAlgoGetHeuristic(
            self.lt.handle, description.handle, a, b, d, d, preference.handle, 1, chosen, found
        )
        if status == names.NOT_SUPPORTED or (not status and not found.value):
            raise errors.DeviceError(
                f"{self.said}: cuBLASLt has no algorithm for it on this device, with {self.workspace.nbytes} bytes of "
                f"workspace and addresses that are multiples of {aligned}; expected one; give it more of either, or leave "
                "out the epilogue, in compiled programs by gg.config.epilogues = False"
            )
        self.lt.check(status or chosen.state, self.said)
        return chosen

    # ---- epilogues ------------------------------------------------------------------------------------------------------

    def _aux_length(self) -> int:
        """How many elements are between rows of the auxiliary matrix."""
        return -(-self.plan.d.rows // self.epilogue.aux) * self.epilogue.aux

    def _check_pointers(self, vector: int, aux: int) -> None:
        if bool(vector) != self.epilogue.vector or bool(aux) != bool(self.epilogue.aux):
            raise errors.ArgumentError(
                f"{self.said}: vector={vector:#x}, aux={aux:#x}; expected the address of each that the epilogue has, and 0 "
                "for the other"
            )

    def _point(self, vector: int, aux: int) -> None:
        """Let the description say where the vector and the auxiliary matrix are."""
        if (vector, aux) == self._pointed or not self.starts:
            return
        self._check_pointers(vector, aux)
        if self.epilogue.vector:
            self._description.set(BIAS_POINTER=vector)
        if self.epilogue.aux:
            self._description.set(EPILOGUE_AUX_POINTER=aux)
        self._pointed = vector, aux

    def _not_aligned(self, *addresses: int) -> errors.ArgumentError:
        return errors.ArgumentError(
            f"{self.said}: addresses {', '.join(map(hex, addresses))}; expected multiples of {self._beyond + 1}; prepare "
            "the product for addresses that are less aligned"
        )


class _Parts(NamedTuple):
    """What a call of ``cublasLtMatmul`` takes that is the same in each."""

    handle: Any
    description: Any
    alpha: Any
    beta: Any
    a: Any
    b: Any
    d: Any
    rest: tuple[Any, ...]
    """Algorithm, workspace and its size."""


class _Descriptor:
    """Something opaque of the library's, with attributes, for as long as this is held."""

    def __init__(self, lt: CublasLt, kind: str, attributes: dict[str, tuple[int, Any]], *arguments: Any) -> None:
        self.lt, self.kind, self.attributes = lt, kind, attributes
        self.handle = _POINTER()
        lt.check(getattr(lt.library, f"cublasLt{kind}Create")(self.handle, *arguments), f"cublasLt{kind}Create")
        destroy = getattr(lt.library, f"cublasLt{kind}Destroy")
        weakref.finalize(self, destroy, self.handle).atexit = False

    def set(self, **values: int) -> None:
        """Set attributes by their names."""
        for name, value in values.items():
            number, kind = self.attributes[name]
            given = kind(value)
            status = getattr(self.lt.library, f"cublasLt{self.kind}SetAttribute")(
                self.handle, number, ctypes.addressof(given), ctypes.sizeof(given)
            )
            self.lt.check(status, f"cublasLt{self.kind}SetAttribute of {name} = {value}")
