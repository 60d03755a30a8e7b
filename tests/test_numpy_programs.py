"""Programs of science as they are written for NumPy, differentiated unmodified: by grad, jvp, backward and under vmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg

V = np.array([0.3, 0.7, 1.1, 0.45])

Program = Callable[[Any], Any]
PROGRAMS: dict[str, Program] = {}
CHOOSING: set[str] = set()
"""Programs that look at values to decide what to do next, which a batch cannot."""


def program(f: Program) -> Program:
    PROGRAMS[f.__name__] = f
    return f


def choosing(f: Program) -> Program:
    CHOOSING.add(f.__name__)
    return program(f)


@program
def kalman(x: Any) -> Any:
    """The likelihood of a track under a Kalman filter."""
    move, see = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    noise, error = np.eye(2) * np.exp(x[0]), np.exp(x[1]) * np.eye(1)
    m, spread, total = np.stack([x[2], x[3]]), np.eye(2), 0.0
    for z in (0.1, 0.3, 0.2):
        m, spread = move @ m, move @ spread @ move.T + noise
        s = see @ spread @ see.T + error
        gain, r = spread @ see.T @ np.linalg.inv(s), z - see @ m
        total = total - 0.5 * (r @ np.linalg.solve(s, r) + np.log(np.linalg.det(s)))
        m, spread = m + gain @ r, (np.eye(2) - gain @ see) @ spread
    return total


@program
def hidden_markov(x: Any) -> Any:
    """The forward algorithm in log space."""
    steps = np.log(np.array([[0.7, 0.3], [0.4, 0.6]]))
    at = np.log(np.full(2, 0.5))
    for seen in (0.1, 0.5, 0.9):
        at = np.logaddexp.reduce(at[:, None] + steps, axis=0) - 0.5 * (seen - x[:2]) ** 2 / np.exp(x[2])
    return np.logaddexp.reduce(at)


@program
def bodies(x: Any) -> Any:
    """Energy after a few steps of two attracting bodies."""
    q = x.reshape(2, 2)
    v = np.zeros_like(q)
    for _ in range(3):
        d = q[:, None] - q[None]
        r = np.sqrt((d**2).sum(-1) + 0.1)
        v = v - 0.01 * (d / r[..., None] ** 3).sum(1)
        q = q + 0.01 * v
    i, j = np.triu_indices(2, 1)
    return 0.5 * (v**2).sum() - (1.0 / np.linalg.norm(q[i] - q[j], axis=1)).sum()


@program
def mean_field(x: Any) -> Any:
    """The free energy of an Ising model at its mean-field magnetisation."""
    m, coupling = np.tanh(x), np.outer(V, V)
    for _ in range(10):
        m = np.tanh(coupling @ m + x)
    return -0.5 * m @ coupling @ m - x @ m


@program
def bar(x: Any) -> Any:
    """A bar of finite elements, assembled by += at np.ix_, and again by np.add.at."""
    stiff = np.zeros_like(x, shape=(5, 5))
    for e in range(4):
        stiff[np.ix_([e, e + 1], [e, e + 1])] += x[e] * np.array([[1.0, -1.0], [-1.0, 1.0]])
    again, k = np.zeros_like(stiff), np.arange(4)
    np.add.at(again, (k, k), x)
    np.add.at(again, (k + 1, k + 1), x)
    np.subtract.at(again, (k, k + 1), x)
    np.subtract.at(again, (k + 1, k), x)
    load = np.ones(4)
    return load @ np.linalg.solve(stiff[1:, 1:], load) + np.linalg.solve(again[1:, 1:], load).sum()


@program
def heat(x: Any) -> Any:
    """Explicit steps of the heat equation in one and two dimensions, in place."""
    u = x.copy()
    for _ in range(4):
        u[1:-1] += 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
    w = np.outer(x, x)
    for _ in range(3):
        change = np.zeros_like(w)
        change[1:-1, 1:-1] = w[:-2, 1:-1] + w[2:, 1:-1] + w[1:-1, :-2] + w[1:-1, 2:] - 4.0 * w[1:-1, 1:-1]
        w += 0.1 * change
    return (u**2).sum() + (w**3).sum()


@program
def spline(x: Any) -> Any:
    """A natural cubic spline through the data, at three points."""
    step = np.ones(3)
    second = np.zeros_like(x)
    matrix = np.diag(2.0 * (step[:-1] + step[1:])) + np.diag(step[1:-1], 1) + np.diag(step[1:-1], -1)
    second[1:-1] = np.linalg.solve(matrix, 6.0 * np.diff(np.diff(x) / step))
    t = np.array([0.3, 1.2, 2.7])
    k = np.searchsorted(np.arange(4.0), t) - 1
    s = t - k
    curve = ((1.0 - s) ** 3 - (1.0 - s)) * second[k] / 6.0 + (s**3 - s) * second[k + 1] / 6.0
    return (x[k] * (1.0 - s) + x[k + 1] * s + curve).sum()


@program
def components(x: Any) -> Any:
    """Principal components: the share of two of them."""
    n = np.arange(6.0)
    data = (
        np.outer(np.sin(n), x)
        + np.outer(np.cos(n**2), V)
        + np.outer(0.1 * n, x**2)
        + np.outer(np.sin(n**3), np.arange(4.0))
    )
    data = data - data.mean(axis=0)
    w, v = np.linalg.eigh(np.cov(data, rowvar=False))
    return ((data @ v[:, ::-1][:, :2]) ** 2).sum() / w.sum() + np.log(w[-1])


@choosing
def k_means(x: Any) -> Any:
    points = np.array([0.1, 0.2, 0.9, 1.0])
    centres = x[:2].copy()
    for _ in range(3):
        nearest = np.argmin((points[:, None] - centres[None]) ** 2, axis=1)
        new = np.zeros_like(centres)
        for k in range(2):
            new[k] = 0.5 * centres[k] + 0.5 * points[nearest == k].mean() if (nearest == k).any() else centres[k]
        centres = new
    return ((points - centres[nearest]) ** 2).sum() + x.sum()


@program
def lens(x: Any) -> Any:
    """A ray through two spherical surfaces."""
    y, angle = x[0], x[1] * 0.1
    for radius, n, m, gap in ((1.0, 1.0, 1.5, x[2]), (-2.0, 1.5, 1.0, x[3])):
        normal = np.arcsin(np.clip(y / radius, -0.99, 0.99))
        angle = np.arcsin(np.sin(angle + normal) * n / m) - normal
        y = y + gap * np.tan(angle)
    return y**2


@program
def layers(x: Any) -> Any:
    """A network that writes into its buffers."""
    h = np.ones_like(x, shape=(3, 2))
    h *= np.array([0.1, 0.2])
    h[0] += 0.3
    h @= x.reshape(2, 2)
    np.maximum(h, 0.05, out=h)
    np.tanh(h, h)
    h -= h.mean(0)
    return (h**2).sum() + np.sum(np.exp(h), where=np.array([True, False]))


@choosing
def growth(x: Any) -> Any:
    """A loop that runs until the norm is large, and one with a step of its own choice."""
    y, t, h, z = x, 0.0, 0.1, x[:2]
    while np.linalg.norm(y) < 100.0:
        y = y * 1.5 + np.sin(y)
    while t < 1.0:
        slope = np.array([1.0, 0.0]) * z[1] - np.array([0.0, 1.0]) * z[0] * x[2]
        t, z = t + h, z + h * slope
        h = min(h * (0.9 if float(np.max(np.abs(h * slope))) > 0.2 else 1.1), 0.3)
    return y.sum() + (z**2).sum()


@choosing
def masks(x: Any) -> Any:
    y, m = np.empty_like(x), x > 0.5
    y[m] = x[m] ** 2
    y[~m] = np.sqrt(x[~m])
    return y @ V + x[np.where(x > 0.4)].sum()


@program
def signal(x: Any) -> Any:
    y = x - x.mean()
    lags = np.correlate(y, y, mode="full")[3:] / np.arange(4, 0, -1)
    turned = np.exp(1j * np.outer(np.arange(4), np.arange(4)) * np.pi / 2.0) @ x
    return (
        lags.sum() / np.var(x)
        + np.convolve(x, np.hanning(5)[1:4], "same")[1]
        + (np.abs(turned) ** 2).sum()
        + np.angle(turned[1])
        + (turned * turned.conj()).real.sum()
        + turned[1].imag
    )


@program
def normal(x: Any) -> Any:
    """A Gaussian whose covariance is written as a triangle."""
    lower = np.zeros_like(x, shape=(2, 2))
    lower[np.tril_indices(2)] = x[:3]
    lower[np.diag_indices(2)] = np.exp(np.diag(lower))
    s = lower @ lower.T
    inverse = np.linalg.inv(s)
    return np.linalg.slogdet(s)[1] + np.trace(inverse) + np.einsum("i,ij,j", V[:2], inverse, V[:2])


@program
def rotations(x: Any) -> Any:
    c, s = np.cos(x[0]), np.sin(x[0])
    w, a, b, d = x / np.linalg.norm(x)
    turned = np.block([[c, -s], [s, c]]) @ x[1:3]
    return (
        turned[0]
        + np.stack([np.stack([c, -s]), np.stack([s, c])])[1] @ x[1:3]
        + np.cross(np.stack([a, b, d]), V[:3])[1]
        + w
    )


@program
def windows(x: Any) -> Any:
    rolled = np.lib.stride_tricks.sliding_window_view(x, 2).mean(-1).max()
    return rolled + np.median(x) + np.percentile(x, 30) + np.ptp(x) + np.trapezoid(x * x, V) + np.polyval(x, 1.3)


@program
def names(x: Any) -> Any:
    """Two names of one array, and elements that change places."""
    y = x * 1.0
    z = y
    z += 1.0
    z *= x
    w = x.copy()
    w[0], w[1] = w[1], w[0]
    w[[2, 3]] = w[[3, 2]]
    return y.sum() + w @ np.arange(4.0)


@choosing
def loops(x: Any) -> Any:
    """Python's own functions over an array."""
    ordered = sorted(x)
    return (
        sum(i * v**2 for i, v in enumerate(x))
        + sum(a * b for a, b in zip(x, V, strict=True))
        + max(x[0], x[1]) * min(v for v in x)
        + abs(-x[0])
        + ordered[1] * 3.0
        + divmod(x[2], 0.2)[1]
    )


@program
def untaken(x: Any) -> Any:
    """NaN in a branch that is not taken, and among the data."""
    y = np.where(x > 0.4, x, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(x > 1e9, np.log(-x), x**2)
    return np.nansum(y) + 2.0 * np.nanmean(y) + np.nan_to_num(y).max() + z.sum()


@program
def dtypes(x: Any) -> Any:
    return ((x * np.arange(4)) + x * np.float32(2) + np.int64(3) * x + x * True + x / np.array([1, 2, 3, 4])).sum()


def differences(f: Program, x: Any, h: float = 1e-6) -> Any:
    """The gradient of ``f``, which NumPy runs on arrays, by central differences."""
    out = np.zeros_like(x)
    for k in range(x.size):
        step = np.zeros_like(x)
        step[k] = h
        out[k] = (float(f(x + step)) - float(f(x - step))) / (2.0 * h)
    return out


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_for_numpy_is_differentiated_unmodified_in_every_mode(name: str) -> None:
    f = PROGRAMS[name]
    wanted = differences(f, V)
    scale = float(np.max(np.abs(wanted)))
    value, gradient = gg.value_and_grad(f)(V)
    np.testing.assert_allclose(float(value), float(f(V)), rtol=1e-10)
    np.testing.assert_allclose(gradient.numpy(), wanted, rtol=1e-5, atol=1e-7 * scale)
    t = gg.tensor(V, requires_grad=True)
    f(t).backward()
    np.testing.assert_allclose(t.grad.numpy(), gradient.numpy(), rtol=1e-12, atol=1e-13 * scale)
    along = np.cos(np.arange(4.0))
    _, moved = gg.jvp(f, (V,), (along,))
    np.testing.assert_allclose(float(moved), gradient.numpy() @ along, rtol=1e-9, atol=1e-11 * scale)
    if name not in CHOOSING:
        batch = gg.vmap(gg.value_and_grad(f))(np.stack([V, V[::-1]]))
        np.testing.assert_allclose(batch[0].numpy(), [float(f(V)), float(f(V[::-1].copy()))], rtol=1e-10)
        np.testing.assert_allclose(batch[1].numpy()[0], gradient.numpy(), rtol=1e-8, atol=1e-10 * scale)
