"""Linear algebra with NumPy's names and results: what ``gg.linalg`` shows.

Matrices lie in the last two axes and leading axes are a batch. Integers become float64. A failure of the algorithm (a
singular matrix, one that is not positive definite) is a :class:`~gpugrad.ops.matrices.LinAlgError`, also NumPy's.
"""

from __future__ import annotations

import itertools as it
from collections.abc import Sequence
from typing import Any, NamedTuple

from gpugrad import dtypes, errors
from gpugrad.ops import determinants, factorizations, solving
from gpugrad.ops import linear as lin
from gpugrad.ops.arithmetic import abs as absolute
from gpugrad.ops.bilinear import batches, matmul, mm, shape_of
from gpugrad.ops.contraction import tensordot, vecdot
from gpugrad.ops.elementwise import multiply, subtract
from gpugrad.ops.linear import reduce_sum, reshape, slice_, unslice
from gpugrad.ops.matrices import H, identity, matrix_of, square_of
from gpugrad.ops.norms import cond, count_above, matrix_norm, matrix_rank, norm, vector_norm
from gpugrad.ops.rearranging import matrix_transpose
from gpugrad.ops.reductions import floating
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.ops.solving import tolerance
from gpugrad.primitive import broadcast_shapes
from gpugrad.shapes import axis_of, integer_of
from gpugrad.trace import Array, raw_of


class SlogdetResult(NamedTuple):
    """The sign of a determinant and the logarithm of its modulus."""

    sign: Array
    logabsdet: Array


class EighResult(NamedTuple):
    """Eigenvalues, rising, and eigenvectors, as columns."""

    eigenvalues: Array
    eigenvectors: Array


class SVDResult(NamedTuple):
    """Left singular vectors, as columns; singular values, falling; right singular vectors, as rows."""

    U: Array
    S: Array
    Vh: Array


class QRResult(NamedTuple):
    """A matrix with orthonormal columns, and an upper triangular one."""

    Q: Array
    R: Array


# ---- systems of equations -------------------------------------------------------------------------------------------


def _sides(x: Any, y: Any, name: str) -> tuple[Any, Any, bool]:
    """Both sides in floating point, the right one as matrices, and whether it was a vector."""
    x, shape = square_of(x, name), shape_of(y)
    vector = len(shape) == 1
    if not shape or shape[-1 if vector else -2] != x.shape[-1]:
        raise errors.ShapeError(
            f"{name}: matrices {x.shape} and right side {shape}; expected (..., n, n) with (n,) or (..., n, k)"
        )
    y = floating(y)
    batches(name, x.shape, shape, x.shape[:-2], shape[:-2])
    return x, reshape(y, to=(*shape, 1), rank=1) if vector else y, vector


def _as_given(out: Any, vector: bool) -> Any:
    return reshape(out, to=out.shape[:-1], rank=len(out.shape)) if vector else out


def solve(a: Array, b: Array) -> Array:
    """The x with a @ x = b. ``b`` is a vector if it has one axis, and otherwise matrices; leading axes broadcast.

    O(n³) in each of forward and derivative. Raises ShapeError if the shapes do not fit, LinAlgError if ``a`` is
    singular.

    >>> import gpugrad as gg
    >>> gg.linalg.solve(gg.tensor([[2.0, 0.0], [0.0, 4.0]]), gg.tensor([1.0, 1.0]))
    tensor([0.5 , 0.25])
    """
    x, y, vector = _sides(a, b, "solve")
    return _as_given(solving.solve(x, y), vector)


def solve_triangular(a: Array, b: Array, lower: bool = False, unit_diagonal: bool = False) -> Array:
    """:func:`solve` with one triangle of ``a``, the upper one unless ``lower``; the other is not read.

    With ``unit_diagonal`` the diagonal is not read either, and counts as ones. Raises ShapeError if the shapes do not
    fit, LinAlgError for a zero on the diagonal.

    >>> import gpugrad as gg
    >>> gg.linalg.solve_triangular(gg.tensor([[2.0, 1.0], [9.0, 1.0]]), gg.tensor([3.0, 1.0]))
    tensor([1., 1.])
    """
    x, y, vector = _sides(a, b, "solve_triangular")
    return _as_given(solving.solve_triangular(x, y, lower=bool(lower), unit=bool(unit_diagonal)), vector)


def inv(x: Array) -> Array:
    """The inverse of square matrices. To apply it once, :func:`solve` is faster and more accurate.

    Raises ShapeError if they are not square, LinAlgError for a singular one.

    >>> import gpugrad as gg
    >>> gg.linalg.inv(gg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return solving.inv(square_of(x, "inv"))


def pinv(x: Array, rtol: float | Array | None = None) -> Array:
    """The pseudo-inverse of any matrices, by singular values; those of at most ``rtol`` times the largest count as 0.

    ``rtol``, a number or one for each matrix, is max(rows, columns) · eps unless given. The derivative is that
    among matrices of the same rank.

    >>> import gpugrad as gg
    >>> gg.linalg.pinv(gg.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5, 0. ],
            [0. , 0. ]])
    """
    x = matrix_of(x, "pinv")
    return solving.pinv(x, tolerance(x, rtol, "pinv"))


def lstsq(a: Array, b: Array, rcond: float | None = None) -> tuple[Array, Array, Array, Array]:
    """The x that minimises the norm of a @ x - b, the shortest if there are many; as NumPy, (x, residuals, rank, s).

    ``residuals`` are the sums of squares of a @ x - b, empty unless ``a`` has more rows than columns and full rank;
    ``rank`` counts the singular values ``s`` above ``rcond`` times the largest (max(rows, columns) · eps unless given,
    eps for a negative one); the others count as 0.
    x is differentiated through the pseudo-inverse, so the derivative holds among matrices of the same rank, and the
    condition number of ``a`` is not squared. Raises ShapeError if the shapes do not fit.

    >>> import gpugrad as gg
    >>> x, residuals, rank, s = gg.linalg.lstsq(gg.tensor([[1.0], [1.0]]), gg.tensor([1.0, 3.0]))
    >>> x, residuals
    (tensor([2.]), tensor([2.]))
    """
    x, shape = matrix_of(a, "lstsq"), shape_of(b)
    if len(x.shape) != 2 or len(shape) not in (1, 2) or shape[0] != x.shape[0]:
        raise errors.ShapeError(
            f"lstsq: matrix {x.shape} and right side {shape}; expected (m, n) with (m,) or (m, k). For a batch use gg.vmap, or gg.linalg.pinv(a) @ b"
        )
    y = floating(b)
    tol = tolerance(x, rcond, "lstsq")
    if isinstance(tol, float) and tol < 0.0:
        tol = float(dtypes.finfo(dtypes.of(x)).eps)
    s = factorizations.svdvals(x)
    out = matmul(solving.pinv(x, tol), y)
    rest = absolute(subtract(matmul(x, out), y))
    rank = count_above(s, tol)
    if x.shape[0] > x.shape[1] and _is_full(rank, x.shape[1]):
        residuals = reduce_sum(rest * rest, axis=(-len(shape),))
        residuals = residuals if len(shape) == 2 else reshape(residuals, to=(1,), rank=0)
    else:
        residuals = lin.zeros(rest, (0,))
    return out, residuals, rank, s


def _is_full(rank: Any, n: int) -> bool:
    """Whether a rank is ``n``; taken for granted where it is not one known number: under vmap, while tracing."""
    rank = raw_of(rank)
    return not hasattr(rank, "__int__") or shape_of(rank) != () or int(rank) == n


# ---- determinants ---------------------------------------------------------------------------------------------------


def det(x: Array) -> Array:
    """The determinant.

    The gradient is the matrix of cofactors, and the Hessian is right too, at every rank: a singular matrix is nothing
    special. Both cost O(n³) per direction. Third and higher derivatives cost O(n⁴) and lose digits as n grows (some 4
    of 16 at n = 20). Raises ShapeError unless the matrices are square.

    >>> import gpugrad as gg
    >>> gg.grad(gg.linalg.det)(gg.tensor([[1.0, 2.0], [2.0, 4.0]]))
    tensor([[ 4., -2.],
            [-2.,  1.]])
    """
    return determinants.det(square_of(x, "det"))


def slogdet(x: Array) -> SlogdetResult:
    """(sign, logabsdet): the determinant is sign · exp(logabsdet), which may be beyond the floating-point range.

    The gradient of logabsdet is the transposed inverse; taking it raises LinAlgError at a singular matrix.

    >>> import gpugrad as gg
    >>> gg.linalg.slogdet(gg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    SlogdetResult(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    return SlogdetResult(*determinants.slogdet(square_of(x, "slogdet")))


# ---- factorizations -------------------------------------------------------------------------------------------------


def cholesky(x: Array, upper: bool = False) -> Array:
    """The lower triangular L with L @ Lᴴ = x, or with ``upper`` the upper triangular U = Lᴴ.

    ``x`` is taken to be Hermitian: its lower triangle is read, and gradients are Hermitian. Raises LinAlgError if it is
    not positive definite.

    >>> import gpugrad as gg
    >>> gg.linalg.cholesky(gg.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    out = factorizations.cholesky(square_of(x, "cholesky"))
    return H(out) if upper else out


def _read(x: Any, UPLO: str, name: str) -> Any:
    """The Hermitian matrix whose chosen triangle is in ``x``, in its lower one."""
    if UPLO not in ("L", "U", "l", "u"):
        raise errors.ShapeError(f"{name}: UPLO={UPLO!r}; expected 'L' or 'U', the triangle that is read")
    x = square_of(x, name)
    return H(x) if UPLO in ("U", "u") else x


def eigh(x: Array, UPLO: str = "L") -> EighResult:
    """(eigenvalues, eigenvectors) of Hermitian matrices: x = V diag(w) Vᴴ with w rising and V's columns orthonormal.

    ``x`` is taken to be Hermitian: one triangle, ``UPLO``, is read, and gradients are Hermitian. Eigenvectors are
    determined up to sign (phase, if complex), and up to a rotation where eigenvalues are equal: a derivative is
    meaningful for what does not depend on that choice.

    Where eigenvalues are equal to rounding, the part of the vectors' derivative that divides by their difference is
    taken as 0, with a GradientWarning: w and V alone cannot tell whether it matters. It does not in sums of eigenvalues,
    which do not warn, or of squares of V diag(w) Vᴴ. A function that is seen to depend on it, or on the phases of
    complex vectors, raises LinAlgError in reverse mode, and so do second derivatives.

    >>> import gpugrad as gg
    >>> gg.linalg.eigh(gg.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    return EighResult(*factorizations.eigh(_read(x, UPLO, "eigh")))


def eigvalsh(x: Array, UPLO: str = "L") -> Array:
    """The eigenvalues of Hermitian matrices, rising; see :func:`eigh`.

    >>> import gpugrad as gg
    >>> gg.linalg.eigvalsh(gg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    tensor([-1.,  1.])
    """
    return factorizations.eigvalsh(_read(x, UPLO, "eigvalsh"))


def svd(x: Array, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """(U, S, Vh) with x = U diag(S) Vh: orthonormal columns of U and rows of Vh, singular values S falling.

    U and Vh are bases, unless ``full_matrices=False`` leaves them min(rows, columns) columns and rows; what depends on
    how they are completed is refused in reverse mode, with LinAlgError. ``compute_uv=False`` gives S alone. What :func:`eigh`
    says of equal eigenvalues holds for equal singular values, and for singular values of 0.

    >>> import gpugrad as gg
    >>> gg.linalg.svd(gg.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    x = matrix_of(x, "svd")
    if not compute_uv:
        return factorizations.svdvals(x)
    u, s, vh = factorizations.svd(x)
    if full_matrices:
        u, vh = _completed(u), H(_completed(H(vh)))
    return SVDResult(u, s, vh)


def _completed(x: Any) -> Any:
    """Orthonormal columns with those added that make them a basis."""
    n, k = x.shape[-2:]
    return x if n == k else lin.concat(x, factorizations.complement(x), axis=-1, bounds=(0, k, n))


def svdvals(x: Array) -> Array:
    """The singular values, falling.

    >>> import gpugrad as gg
    >>> gg.linalg.svdvals(gg.tensor([[0.0, 2.0], [1.0, 0.0]]))
    tensor([2., 1.])
    """
    return factorizations.svdvals(matrix_of(x, "svdvals"))


def qr(x: Array, mode: str = "reduced") -> Any:
    """(Q, R) with x = Q @ R, of min(rows, columns) columns and rows; R alone with ``mode="r"``.

    ``mode="complete"`` completes Q to a basis, and R with rows of zeros; what depends on how is refused in reverse mode,
    with LinAlgError. The derivative needs the first min(rows, columns) columns of ``x`` to be independent: LinAlgError
    otherwise. Raises ShapeError for another mode.

    >>> import gpugrad as gg
    >>> q, r = gg.linalg.qr(gg.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> bool(gg.allclose(q @ r, gg.tensor([[3.0, 1.0], [4.0, 2.0]])))
    True
    """
    if mode not in ("reduced", "r", "complete"):
        raise errors.ShapeError(f"qr: mode={mode!r}; expected 'reduced', 'complete' or 'r'")
    q, r = factorizations.qr(matrix_of(x, "qr"))
    if mode == "complete":
        rows, cols = x.shape[-2:]
        q, r = _completed(q), unslice(r, spec=((0, r.shape[-2], 1), (0, cols, 1)), sizes=(rows, cols))
    return r if mode == "r" else QRResult(q, r)


# ---- products -------------------------------------------------------------------------------------------------------


def matrix_power(x: Array, n: int) -> Array:
    """Square matrices to an integer power, by repeated squaring; the inverse's power for a negative one.

    Raises ShapeError unless they are square, DtypeError for a power that is not an integer, LinAlgError for a negative
    power of a singular matrix.

    >>> import gpugrad as gg
    >>> gg.linalg.matrix_power(gg.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    shape = shape_of(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise errors.ShapeError(f"matrix_power: shape {shape}; expected square matrices in the last two axes")
    n = integer_of(n, "matrix_power", "n")
    power = solving.inv(floating(x)) if n < 0 else x
    n, out = (-n if n < 0 else n), None
    while n:
        if n & 1:
            out = power if out is None else mm(out, power)
        n >>= 1
        if n:
            power = mm(power, power)
    return identity(x) if out is None else out


def multi_dot(arrays: Sequence[Array]) -> Array:
    """The product of two or more matrices, in the order that costs least; the first and the last may be vectors.

    The order is found by dynamic programming, in O(k³) for k matrices. Raises ShapeError if they do not contract.

    >>> import gpugrad as gg
    >>> gg.linalg.multi_dot([gg.ones((2, 9)), gg.ones((9, 1)), gg.ones((1, 3))]).shape
    (2, 3)
    """
    shapes = [shape_of(x) for x in arrays]
    inside = all(len(s) == 2 for s in shapes[1:-1])
    if len(shapes) < 2 or not inside or any(len(s) not in (1, 2) for s in shapes):
        raise errors.ShapeError(
            f"multi_dot: shapes {', '.join(map(str, shapes))}; expected two matrices or more, of which the first and the last may be vectors"
        )
    if any(s[-1] != t[0] for s, t in it.pairwise(shapes)):
        raise errors.ShapeError(
            f"multi_dot: shapes {', '.join(map(str, shapes))}; expected as many columns in each as the next has rows"
        )
    sizes = [
        shapes[0][0] if len(shapes[0]) == 2 else 1,
        *(s[0] for s in shapes[1:]),
        shapes[-1][-1] if len(shapes[-1]) == 2 else 1,
    ]
    return _chained(arrays, _splits(sizes), 0, len(arrays) - 1)


def _splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """For matrices i to j of a chain, ``sizes[i]`` by ``sizes[i + 1]`` each, the last one of the left factor."""
    k = len(sizes) - 1
    cost = {(i, i): 0 for i in range(k)}
    split = {}
    for length in range(1, k):
        for i in range(k - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, s] + cost[s + 1, j] + sizes[i] * sizes[s + 1] * sizes[j + 1], s) for s in range(i, j)
            )
    return split


def _chained(arrays: Sequence[Any], split: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return arrays[i]
    s = split[i, j]
    return matmul(_chained(arrays, split, i, s), _chained(arrays, split, s + 1, j))


def cross(x: Array, y: Array, axis: int = -1) -> Array:
    """The cross product of vectors of three elements along ``axis``; other axes broadcast.

    Raises ShapeError for another size, AxisError for an axis out of range.

    >>> import gpugrad as gg
    >>> gg.linalg.cross(gg.tensor([1.0, 0.0, 0.0]), gg.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    s, t = shape_of(x), shape_of(y)
    i, j = axis_of(axis, s, "cross"), axis_of(axis, t, "cross")
    if s[i] != 3 or t[j] != 3:
        raise errors.ShapeError(f"cross: shapes {s} and {t} along axis {axis}; expected three elements in each")
    broadcast_shapes("cross", (s, t))

    def part(v: Any, at: int, k: int) -> Any:
        return slice_(v, spec=((k, k + 1, 1), *((0, n, 1) for n in v.shape[len(v.shape) + at + 1 :])))

    pairs = ((1, 2), (2, 0), (0, 1))
    parts = [subtract(multiply(part(x, i, a), part(y, j, b)), multiply(part(x, i, b), part(y, j, a))) for a, b in pairs]
    return lin.concat(*parts, axis=i, bounds=(0, 1, 2, 3))


# ---- rearrangements -------------------------------------------------------------------------------------------------


def diagonal(x: Array, offset: int = 0) -> Array:
    """The diagonals of matrices, ``offset`` above the main one.

    >>> import gpugrad as gg
    >>> gg.linalg.diagonal(gg.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor([2.])
    """
    return _diagonal(x, offset, "diagonal")


def _diagonal(x: Any, offset: int, name: str) -> Any:
    if len(shape_of(x)) < 2:
        raise errors.ShapeError(f"{name}: shape {shape_of(x)}; expected matrices in the last two axes")
    return lin.diagonal(x, integer_of(offset, name, "offset"))


def trace(x: Array, offset: int = 0, dtype: Any = None) -> Array:
    """The sum along the diagonals of matrices, ``offset`` above the main one.

    >>> import gpugrad as gg
    >>> gg.linalg.trace(gg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    return sum_of(_diagonal(x, offset, "trace"), axis=-1, dtype=dtype)


def outer(x: Array, y: Array) -> Array:
    """The products of every element of one vector with every element of another.

    Raises ShapeError unless both have one axis.

    >>> import gpugrad as gg
    >>> gg.linalg.outer(gg.tensor([1.0, 2.0]), gg.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    s, t = shape_of(x), shape_of(y)
    if len(s) != 1 or len(t) != 1:
        raise errors.ShapeError(f"outer: shapes {s} and {t}; expected two vectors. gg.outer flattens")
    return multiply(reshape(x, to=(*s, 1), rank=1), y)


__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal",
    "eigh", "eigvalsh", "inv", "lstsq", "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose",
    "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals", "tensordot",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip
