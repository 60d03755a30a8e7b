"""Programs that test_distributed.py starts on several ranks: ``mpiexec -n 2 python -m mpi4py THIS_FILE NAME``.

The inputs of every rank are known to all, so that each checks its results against the same thing done by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

import gpugrad as gg
from gpugrad import dtypes, errors

dist = gg.distributed
WORLD = MPI.COMM_WORLD
RANK, SIZE = WORLD.rank, WORLD.size
LAST = SIZE - 1

Arrays = Sequence[Any]


def inputs(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> list[Any]:
    """An array for each rank."""
    out = []
    for k in range(SIZE):
        rng = np.random.default_rng([seed, k])
        x = rng.standard_normal(shape) * 3.0
        if dtype.startswith("complex"):
            x = x + 1j * rng.standard_normal(shape)
        out.append(np.asarray(x).astype(dtypes.dtype(dtype)))
    return out


def total(xs: Arrays) -> Any:
    """The sum in the order of ranks; of half precision in float32, rounded once."""
    half = isinstance(xs[0], np.ndarray) and dtypes.is_half(xs[0].dtype)
    terms = [x.astype(np.float32) for x in xs] if half else list(xs)
    out = terms[0]
    for x in terms[1:]:
        out = out + x
    return out.astype(xs[0].dtype) if half else out


def zeros_but(root: int, x: Any, k: int) -> Any:
    return x if k == root else np.zeros_like(x)


def joined(xs: Arrays, axis: int) -> Any:
    return np.concatenate(xs, axis) if isinstance(xs[0], np.ndarray) else gg.concat(list(xs), axis=axis)


def share(x: Any, k: int, axis: int) -> Any:
    n = x.shape[axis] // SIZE
    at = [slice(None)] * len(x.shape)
    at[axis] = slice(k * n, (k + 1) * n)
    return x[tuple(at)]


COLLECTIVES: dict[str, tuple[Callable[[Any], Any], Callable[[Arrays, int], Any]]] = {
    "all_reduce": (dist.all_reduce, lambda xs, k: total(xs)),
    "broadcast": (lambda x: dist.broadcast(x, LAST), lambda xs, k: xs[LAST]),
    "reduce": (lambda x: dist.reduce(x, LAST), lambda xs, k: zeros_but(LAST, total(xs), k)),
    "all_gather": (dist.all_gather, lambda xs, k: joined(xs, 0)),
    "all_gather axis 1": (lambda x: dist.all_gather(x, 1), lambda xs, k: joined(xs, 1)),
    "reduce_scatter": (dist.reduce_scatter, lambda xs, k: share(total(xs), k, 0)),
    "reduce_scatter axis 1": (lambda x: dist.reduce_scatter(x, -1), lambda xs, k: share(total(xs), k, 1)),
    "gather": (lambda x: dist.gather(x, LAST, 1), lambda xs, k: zeros_but(LAST, joined(xs, 1), k)),
    "scatter": (lambda x: dist.scatter(x, LAST, 1), lambda xs, k: share(xs[LAST], k, 1)),
}
"""Each collective, and what rank k gets from it, written in ordinary operations on the arrays of all ranks."""

SHAPE = (6, 12)
"""Divisible by 2 and by 3."""


def equal(got: Any, wanted: Any, what: str) -> None:
    """The same dtype, shape and bits."""
    got = got.numpy()
    assert got.dtype == wanted.dtype and got.shape == wanted.shape, (what, got.dtype, got.shape, wanted.dtype)
    assert got.tobytes() == np.ascontiguousarray(wanted).tobytes(), (what, got, wanted)


def close(got: Any, wanted: Any, what: str) -> None:
    np.testing.assert_allclose(
        gg.asarray(got).numpy(), gg.asarray(wanted).numpy(), rtol=1e-12, atol=1e-12, err_msg=what
    )


# ---- values ---------------------------------------------------------------------------------------------------------

DTYPES = (
    "float64", "float32", "float16", "bfloat16", "complex64", "complex128", "int8", "int16", "int32", "int64", "uint8",
    "uint16", "uint32", "uint64",
)  # fmt: skip


def values() -> None:
    for name, (f, same) in COLLECTIVES.items():
        for dtype in DTYPES:
            if dtype.startswith("u"):
                xs = [np.abs(x).astype(dtype) for x in inputs(SHAPE)]
            else:
                xs = inputs(SHAPE, dtype)
            equal(f(xs[RANK]), same(xs, RANK), f"{name} {dtype}")
    for name in ("broadcast", "all_gather", "scatter", "gather"):
        f, same = COLLECTIVES[name]
        xs = [x > 0 for x in inputs(SHAPE)]
        equal(f(xs[RANK]), same(xs, RANK).astype(bool), f"{name} of booleans")
    layouts()
    sizes()
    means()
    groups()


def layouts() -> None:
    def strided(x: Any) -> Any:
        buffer = np.zeros(tuple(2 * n for n in x.shape))
        view = buffer[::-2, ::2]
        view[...] = x
        return view

    xs = inputs(SHAPE)
    for name, (f, same) in COLLECTIVES.items():
        for layout in (strided, np.asfortranarray):
            equal(f(layout(xs[RANK])), same(xs, RANK), f"{name} {layout.__name__}")
        ones = [np.broadcast_to(np.float64(k + 1), SHAPE) for k in range(SIZE)]
        equal(f(ones[RANK]), same(ones, RANK), f"{name} of one number")


def sizes() -> None:
    """Numbers, nothing, fewer elements than ranks, and as many as do not divide."""
    for shape in ((), (0,), (0, 3), (1,), (7,), (1000, 7)):
        xs = inputs(shape)
        equal(dist.all_reduce(xs[RANK]), np.asarray(total(xs)), f"all_reduce {shape}")
        equal(dist.reduce(xs[RANK]), np.asarray(zeros_but(0, total(xs), RANK)), f"reduce {shape}")
        equal(dist.broadcast(xs[RANK]), xs[0], f"broadcast {shape}")
        if shape:
            equal(dist.all_gather(xs[RANK]), joined(xs, 0), f"all_gather {shape}")


def means() -> None:
    close(dist.all_reduce([RANK], "mean"), [(SIZE - 1) / 2], "mean of integers")
    top = gg.full((3,), 60000.0, dtype="float16")  # a sum of which would overflow
    mean = dist.all_reduce(top, "mean")
    assert mean.dtype == top.dtype and (mean == top).all(), mean
    assert gg.isinf(dist.all_reduce(top)).all()  # on every rank, without a warning on the one that adds


def groups() -> None:
    assert (dist.rank(), dist.size()) == (RANK, SIZE)
    pair = dist.world().split(color=int(RANK == 2))  # ranks 0 and 1, and rank 2 by itself
    assert dist.size(pair) == (1 if RANK == 2 else 2)
    assert dist.all_reduce([1.0], group=pair).tolist() == [float(pair.size)]
    assert dist.all_reduce([1.0], group=WORLD).tolist() == [float(SIZE)]
    assert dist.all_reduce([1.0], group=dist.Group(checked=False)).tolist() == [float(SIZE)]
    dist.barrier(pair)
    dist.barrier()


# ---- derivatives ----------------------------------------------------------------------------------------------------


def derivatives() -> None:
    """Against the derivative of the whole program, written as one function of the arrays of all ranks."""
    shape = (SIZE, 2 * SIZE)
    xs, vs = inputs(shape), inputs(shape, seed=1)
    x, v = xs[RANK], vs[RANK]
    for name, (f, same) in COLLECTIVES.items():

        def loss(x: Any, k: int = RANK, y: Any = None, f: Any = f) -> Any:
            """What rank ``k`` computes: not linear, other on each rank, of the collective and of its own array."""
            y = f(gg.sin(x)) if y is None else y
            weight = gg.cos(gg.arange(float(np.prod(y.shape))).reshape(y.shape) + k)
            return gg.sum(weight * gg.cos(y)) * gg.mean(x * x)

        def whole(*xs: Any, same: Any = same, loss: Any = loss) -> Any:
            ys = [same([gg.sin(x) for x in xs], k) for k in range(SIZE)]
            return sum(loss(x, k, y) for k, (x, y) in enumerate(zip(xs, ys, strict=True)))

        every = tuple(range(SIZE))
        gradient = gg.grad(whole, every)
        close(gg.grad(loss)(x), gradient(*xs)[RANK], f"{name}: gradient")
        close(gg.grad(gg.checkpoint(loss))(x), gradient(*xs)[RANK], f"{name}: gradient with checkpoint")

        moved = WORLD.allreduce(gg.jvp(loss, (x,), (v,))[1].item())
        close(moved, gg.jvp(whole, xs, vs)[1], f"{name}: tangent")

        wanted = gg.jvp(gradient, xs, vs)[1][RANK]
        close(gg.jvp(gg.grad(loss), (x,), (v,))[1], wanted, f"{name}: forward over reverse")
        slope = lambda x, loss=loss: gg.sum(gg.grad(loss)(x) * v)
        close(gg.grad(slope)(x), wanted, f"{name}: reverse over reverse")
        along = lambda x, loss=loss: gg.jvp(loss, (x,), (v,))[1]
        close(gg.grad(along)(x), wanted, f"{name}: reverse over forward")

        leaf = gg.tensor(x, requires_grad=True)
        loss(leaf).backward(create_graph=True)
        first, leaf.grad = leaf.grad, None
        gg.sum(first * v).backward()
        close(leaf.grad, wanted, f"{name}: backward twice")

        batch = np.stack([x, v, x * v])
        close(gg.vmap(gg.grad(loss))(batch), np.stack([gg.grad(loss)(b).numpy() for b in batch]), f"{name}: vmap")
        close(gg.vmap(f, in_axes=2)(batch.transpose(1, 2, 0)), np.stack([f(b).numpy() for b in batch]), f"{name}: axes")
        transposed(name, f)


def transposed(name: str, f: Callable[[Any], Any]) -> None:
    """The transpose identity, summed over ranks: real, complex, and in float32."""
    for dtype in ("float64", "complex128", "float32"):
        v = inputs((SIZE, SIZE), dtype, seed=2)[RANK]
        out, pull = gg.vjp(f, v)
        u = np.random.default_rng([3, RANK]).standard_normal(out.shape).astype(v.dtype)
        (g,) = pull(u)
        push = gg.jvp(f, (v,), (v,))[1]
        assert push.dtype == g.dtype == v.dtype, (name, push.dtype, g.dtype)
        # Cotangents of complex numbers stand for steepest ascent, so pairings are real parts with a conjugate.
        left = WORLD.allreduce(np.sum(np.conj(u) * push.numpy()).real)
        right = WORLD.allreduce(np.sum(np.conj(g.numpy()) * v).real)
        np.testing.assert_allclose(left, right, rtol=1e-12 if dtype != "float32" else 1e-4, err_msg=f"{name} {dtype}")


# ---- ranks that differ ------------------------------------------------------------------------------------------------


def fails(kind: type[Exception], parts: Sequence[str], call: Callable[[], Any]) -> None:
    """An error on this rank (and, as this runs on each, on all), which says all of ``parts``."""
    try:
        call()
    except kind as error:
        absent = [p for p in parts if p not in str(error)]
        assert not absent, f"{absent} not in: {error}"
    else:
        raise AssertionError(f"no error; expected {kind.__name__} with {parts}")
    assert dist.all_reduce([1.0]).tolist() == [float(SIZE)]  # nothing is out of step


def differences() -> None:
    first, other = RANK == 0, np.ones((3,))
    fails(
        errors.ShapeError,
        ["rank 0 has all_reduce(float64[2])", "float64[3]", "the same shape"],
        lambda: dist.all_reduce(np.ones(2) if first else other),
    )
    fails(
        errors.DtypeError,
        ["rank 0 has all_reduce(float32[3])", "float64[3]", "the same dtype"],
        lambda: dist.all_reduce(other.astype("float32") if first else other),
    )
    fails(
        errors.DistributedError,
        [
            "rank 0 has all_reduce(float64[3])",
            "have broadcast_root" if SIZE > 2 else "has broadcast_root",
            "in the same order on every rank",
        ],
        lambda: dist.all_reduce(other) if first else dist.broadcast(other),
    )
    order = "the same operations in the same order"
    fails(
        errors.DistributedError,
        ["barrier", "all_reduce(float64[3])", order],
        lambda: dist.all_reduce(other) if first else dist.barrier(),
    )
    fails(
        errors.DistributedError,
        ["average_gradients", "all_reduce(float64[3])", order],
        lambda: dist.all_reduce(other) if first else dist.average_gradients([]),
    )
    fails(errors.DistributedError, ["root=0", "root=1"], lambda: dist.broadcast(other, 0 if first else 1))
    fails(
        errors.DistributedError,
        ["with a derivative", "rank 0 has all_reduce(float64[3]),"],
        lambda: dist.all_reduce(gg.tensor(other, requires_grad=not first)),
    )
    axis_error, told = (errors.AxisError, []) if first else (errors.DistributedError, ["rank 0 could not take part"])
    fails(axis_error, [*told, "axis 1 is out of range"], lambda: dist.all_gather(other, 1 if first else 0))
    fails(errors.AxisError, ["root=7", f"0 to {LAST}"], lambda: dist.broadcast(other, 7))
    fails(errors.DtypeError, ["booleans"], lambda: dist.all_reduce(other > 0))
    fails(ValueError, ["'sum' or 'mean'"], lambda: dist.all_reduce(other, "max"))
    fails(errors.ShapeError, [f"a multiple of {SIZE}"], lambda: dist.reduce_scatter(np.ones(SIZE + 1)))
    with gg.no_grad():  # nothing is recorded, so nobody would wait
        dist.all_reduce(gg.tensor(other, requires_grad=not first))
    parameters()


def parameters() -> None:
    model = gg.nn.Sequential(gg.nn.Linear(2, 3), gg.nn.Linear(3, 1))
    x = gg.ones((4, 2), dtype="float32")
    model(x).sum().backward()
    if RANK == 0:
        model[1].bias.grad = None
    before = [None if p.grad is None else p.grad.numpy().copy() for p in model.parameters()]
    fails(
        errors.DistributedError,
        ["1.bias", "rank 0 has no gradient", "float32[1]"],
        lambda: dist.average_gradients(model),
    )
    for p, g in zip(model.parameters(), before, strict=True):
        assert (p.grad is None and g is None) or (p.grad.numpy() == g).all()
    fails(
        ValueError if RANK == 0 else errors.DistributedError,
        ["weight=-1"],
        lambda: dist.average_gradients(model, weight=1.0 - 2.0 * (RANK == 0)),
    )
    other = gg.nn.Linear(2, 2 if RANK == 0 else 3)
    fails(
        errors.DistributedError, ["weight", "float32[2, 2]", "float32[3, 2]"], lambda: dist.broadcast_parameters(other)
    )
    fails(errors.DistributedError, ["root 0", "root 1"], lambda: dist.broadcast_parameters(model, int(RANK == 0)))
    short = list(model.parameters())[: 3 if RANK == 0 else 4]
    fails(errors.DistributedError, ["3 tensors", "4 tensors"], lambda: dist.broadcast_parameters(short))


# ---- training -------------------------------------------------------------------------------------------------------


def averages() -> None:
    """Of several dtypes at once, weighted; and what has no gradient anywhere."""
    weights = [1.0 + k for k in range(SIZE)]
    leaves = {}
    for k, dtype in enumerate(("float32", "float64", "bfloat16", "float32", "complex64")):
        leaves[f"{dtype} {k}"] = gg.tensor(np.zeros((2, k)), dtype=dtype, requires_grad=True)
        leaves[f"{dtype} {k}"].grad = gg.asarray(inputs((2, k), dtype, seed=k)[RANK])
    leaves["unused"] = gg.tensor(0.0, requires_grad=True)
    dist.average_gradients(leaves.items(), weight=weights[RANK])
    for k, (_, t) in enumerate(list(leaves.items())[:-1]):
        wanted = np.average(
            [x.astype("complex128") for x in inputs((2, k), t.dtype.name, seed=k)], axis=0, weights=weights
        )
        tol = {"float64": 1e-14, "bfloat16": 1e-2}.get(t.dtype.name, 1e-6)
        np.testing.assert_allclose(t.grad.numpy().astype("complex128"), wanted, rtol=tol, atol=tol)
    assert leaves["unused"].grad is None


def trained(model: Any, batch_size: int, shard: tuple[int, int], average: Callable[[Any, int], None]) -> int:
    """One epoch of digits, in float64, so that only rounding is between two ways; the number of items."""
    opt = gg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    data = gg.data.digits()[0]
    seen = 0
    for x, y in gg.data.DataLoader(data, batch_size, shuffle=True, key=gg.random.key(5), shard=shard):
        model.zero_grad()
        gg.cross_entropy(model(x.astype("float64")), y).backward()
        average(model, len(y))
        opt.step()
        seen += len(y)
    return seen


def mlp(seed: int) -> Any:
    gg.random.seed(seed)
    return gg.nn.Sequential(gg.nn.Flatten(), gg.nn.Linear(64, 32), gg.nn.ReLU(), gg.nn.Linear(32, 10)).astype("float64")


def training() -> None:
    averages()
    model = mlp(seed=LAST - RANK)
    dist.broadcast_parameters(model, root=LAST)
    seen = trained(model, 32, (RANK, SIZE), lambda m, n: dist.average_gradients(m, weight=n))
    mine = [p.detach().numpy() for p in model.parameters()]
    everywhere = WORLD.allgather(b"".join(p.tobytes() for p in mine))
    assert len(set(everywhere)) == 1, "parameters differ between ranks"
    alone = mlp(seed=0)
    assert trained(alone, 32 * SIZE, (0, 1), lambda m, n: None) == WORLD.allreduce(seen)
    for p, q in zip(mine, alone.parameters(), strict=True):
        np.testing.assert_allclose(p, q.detach().numpy(), rtol=1e-9, atol=1e-11)


def failing() -> None:
    """One rank fails while the others wait."""
    if RANK == 1:
        raise ZeroDivisionError("rank 1 is gone")
    dist.barrier()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print(f"rank {RANK} of {SIZE} is done")
