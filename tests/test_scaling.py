"""LossScaler: overflow skips a step and changes nothing; eager and compiled."""

from __future__ import annotations

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors

OPTIMIZERS = {
    "sgd": lambda ps: gg.optim.SGD(ps, lr=0.1, momentum=0.9),
    "adam": lambda ps: gg.optim.Adam(ps, lr=0.01),
}


def parts(kind, **options):
    w = gg.tensor(np.array([1.0, -2.0, 3.0], np.float32), requires_grad=True)
    opt = OPTIMIZERS[kind]([w])
    scaler = gg.optim.LossScaler(**options)

    def step(x):
        opt.zero_grad()
        loss = (w * w * x).sum()
        scaler.scale(loss).backward()
        scaler.step(opt)
        return loss

    return w, opt, scaler, step


def held(w, opt):
    moments = [{k: np.asarray(v).copy() for k, v in s.items() if k != "step"} for s in opt._state.values()]
    return [w.detach().numpy().copy(), *[m[k] for m in moments for k in sorted(m)]]


FINE = gg.tensor(np.array([1.0, 0.5, 0.25], np.float32))
BAD = gg.tensor(np.array([1.0, np.inf, 1.0], np.float32))
NAN = gg.tensor(np.array([1.0, 1.0, np.nan], np.float32))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_overflow_skips_the_step_and_halves_the_scale(kind, compiled):
    w, opt, scaler, step = parts(kind, init_scale=1024.0)
    step = gg.jit(step) if compiled else step
    step(FINE)
    step(FINE)
    for bad, scale in ((BAD, 512.0), (NAN, 256.0)):
        before = held(w, opt)
        step(bad)
        assert all(np.array_equal(a, b) for a, b in zip(before, held(w, opt), strict=True))
        assert scaler.get_scale() == scale
    before = held(w, opt)
    step(FINE)
    assert not np.array_equal(before[0], held(w, opt)[0])
    assert np.isfinite(w.detach().numpy()).all()


@pytest.mark.parametrize("compiled", [False, True])
def test_good_steps_double_the_scale_and_a_bad_one_begins_anew(compiled):
    _, _, scaler, step = parts("sgd", init_scale=8.0, growth_interval=3)
    step = gg.jit(step) if compiled else step
    scales = []
    for x in (FINE, FINE, FINE, FINE, FINE, BAD, FINE, FINE, FINE):
        step(x)
        scales.append(scaler.get_scale())
    assert scales == [8.0, 8.0, 16.0, 16.0, 16.0, 8.0, 8.0, 8.0, 16.0]


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_scaling_by_a_power_of_two_changes_no_bit(kind):
    w, _, _, step = parts(kind)
    v = gg.tensor(np.array([1.0, -2.0, 3.0], np.float32), requires_grad=True)
    opt = OPTIMIZERS[kind]([v])
    for _ in range(5):
        step(FINE)
        opt.zero_grad()
        (v * v * FINE).sum().backward()
        opt.step()
    assert np.array_equal(w.detach().numpy(), v.detach().numpy())


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_compiled_is_eager(kind):
    w, _, _, step = parts(kind)
    v, _, _, other = parts(kind)
    other = gg.jit(other)
    for _ in range(5):
        assert np.allclose(float(step(FINE).detach()), float(other(FINE).detach()), rtol=1e-6)
    assert np.allclose(w.detach().numpy(), v.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_an_eager_skip_is_not_counted():
    _, opt, _, step = parts("adam")
    for x in (BAD, FINE, BAD, FINE):
        step(x)
    assert opt.state_dict()["state"][0]["step"] == 2


def test_small_gradients_of_float16_survive():
    def gradient(scaler):
        w = gg.tensor(np.array([[1.0]], np.float32), requires_grad=True)
        opt = gg.optim.SGD([w], lr=1.0)
        with gg.autocast("float16"):
            loss = (gg.ones((1, 1), dtype="float32") @ w).sum() * 1e-8
        scaler.scale(loss).backward()
        scaler.step(opt)
        return float(w.grad.detach().item())

    assert gradient(gg.optim.LossScaler(enabled=False)) == 0.0
    assert gradient(gg.optim.LossScaler()) == pytest.approx(1e-8, rel=1e-2)


def test_state_goes_on():
    _, _, scaler, step = parts("sgd", init_scale=4.0, growth_interval=2)
    step(FINE)
    saved = scaler.state_dict()
    assert saved == {"scale": 4.0, "good": 1}
    _, _, other, step = parts("sgd", growth_interval=2)
    other.load_state_dict(saved)
    step(FINE)
    assert other.state_dict() == {"scale": 8.0, "good": 0}
    with pytest.raises(errors.FormatError, match="expected 'scale'"):
        other.load_state_dict({"scale": 1.0})
    assert other.get_scale() == 8.0


def test_half_parameters_and_options_out_of_range_are_refused():
    w = gg.tensor(np.ones(2), dtype="float16", requires_grad=True)
    w.sum().backward()
    with pytest.raises(errors.DtypeError, match="expected float32"):
        gg.optim.LossScaler().step(gg.optim.SGD([w], lr=1.0))
    for bad in ({"init_scale": 0.0}, {"growth_factor": 1.0}, {"backoff_factor": 1.0}, {"growth_interval": 0}):
        with pytest.raises(errors.ArgumentError, match="LossScaler"):
            gg.optim.LossScaler(**bad)
