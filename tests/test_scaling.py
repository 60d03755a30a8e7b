"""LossScaler: overflow skips a step and changes nothing; eager and compiled."""

from __future__ import annotations

import pickle
from contextlib import nullcontext

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.cuda.host import COMPILER
from gpugrad.transforms.step import Step

compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")

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


# ---- skipped steps of compiled functions --------------------------------------------------------------------------------

ALL = {
    "sgd": lambda ps: gg.optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: gg.optim.SGD(ps, lr=0.1, momentum=0.9),
    "dampening": lambda ps: gg.optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.1),
    "nesterov": lambda ps: gg.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda ps: gg.optim.Adam(ps, lr=0.01, amsgrad=True, weight_decay=0.1),
    "adamw": lambda ps: gg.optim.AdamW(ps, lr=0.01),
    "rmsprop": lambda ps: gg.optim.RMSprop(ps, lr=0.01, momentum=0.9, centered=True),
}


class Both:
    """The same training twice, eager and compiled, with gradients that are finite or not as they are told to be."""

    def __init__(self, kind, device="cpu", compiled=True):
        start = np.array([1.0, -2.0, 3.0]), np.array(0.5)
        self.w = [gg.tensor(a, requires_grad=True, device=device) for a in start]
        self.opt = ALL[kind](self.w)
        self.scaler = gg.optim.LossScaler(init_scale=1024.0, growth_interval=2, device=device)
        self.traces = 0
        self.plain = self.step
        self.compiled = gg.jit(self.step)
        self.call = self.compiled if compiled else self.plain

    def step(self, x, y):
        self.traces += 1
        self.opt.zero_grad()
        w, b = self.w
        loss = (w * w * x).sum() + b * b * y
        self.scaler.scale(loss).backward()
        self.scaler.step(self.opt)
        return loss

    def steps(self, plan):
        for letter in plan:
            bad = {"N": np.nan, "I": np.inf}.get(letter, 1.0)
            on = self.w[0].device
            self.call(gg.tensor([1.0, 0.5, bad], device=on), gg.tensor(2.0, device=on))

    def agrees(self, other):
        for p, q in zip(self.w, other.w, strict=True):
            np.testing.assert_allclose(
                p.detach().to("cpu").numpy(), q.detach().to("cpu").numpy(), rtol=1e-12, atol=1e-14
            )
        assert self.scaler.state_dict() == other.scaler.state_dict()
        mine, others = (o.opt.state_dict()["state"] for o in (self, other))
        for a, b in zip(mine, others, strict=True):
            for name in a.keys() | b.keys():  # a compiled function begins moments with zeros, even for steps left out
                x, y = (np.asarray(gg.tensor(d.get(name, 0)).to("cpu")) for d in (a, b))
                np.testing.assert_allclose(x, y + np.zeros_like(x), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", sorted(ALL))
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=compiler)])
def test_skipped_steps_are_as_if_they_had_not_been(kind, device):
    """Step by step as in eager execution; whoever looks at the state looks at each step, or at the end alone."""
    with gg.use_backend("cuda_on_host") if device == "cuda" else nullcontext():
        eager, seen, unseen = Both(kind, compiled=False), Both(kind, device), Both(kind, device)
        plan = "NFIFFNNFFF"
        for letter in plan:
            eager.steps(letter)
            seen.steps(letter)
            seen.agrees(eager)
        unseen.steps(plan)
        unseen.agrees(eager)
        # Counted before looked at: the first time settles nothing, and looking makes no other program.
        assert unseen.traces <= 2 and seen.traces <= 2


@pytest.mark.parametrize("kind", ["adam", "dampening"])
def test_eager_and_compiled_steps_take_turns(kind):
    eager, mixed = Both(kind, compiled=False), Both(kind)
    for k, plan in enumerate(("NF", "FN", "IFF", "N", "FF")):
        mixed.call = mixed.plain if k % 2 else mixed.compiled
        eager.steps(plan)
        mixed.steps(plan)
    mixed.agrees(eager)


def test_skips_are_nobody_elses():
    """A state that is loaded, and copies of an optimizer, begin with the counts that they have."""
    eager, compiled = Both("adam", compiled=False), Both("adam")
    for both in (eager, compiled):
        both.steps("FNF")
        saved = both.opt.state_dict()
        assert saved["state"][0]["step"] == 2
        both.steps("NNF")
        both.opt.load_state_dict(saved)
        both.steps("FNF")
    compiled.agrees(eager)
    compiled.steps("N")
    opt = pickle.loads(pickle.dumps(compiled.opt))
    assert opt.state_dict()["state"][0]["step"] == 4


def test_parameters_that_step_apart():
    """Programs that move some parameters, all of them, or step without a scaler, one after another."""

    def trained(compiled):
        a, b, frozen = (gg.tensor(np.array([1.0, -2.0]), requires_grad=True) for _ in range(3))
        frozen.requires_grad = False
        opt = gg.optim.Adam([a, b, frozen], lr=0.01)
        scaler = gg.optim.LossScaler(init_scale=8.0)

        def step(x, both, scaled):
            opt.zero_grad()
            loss = (a * a * x).sum() + ((b * b * x * 2.0).sum() if both else 0.0)
            (scaler.scale(loss) if scaled else loss).backward()
            if scaled:
                scaler.step(opt)
            else:
                opt.step()

        call = gg.jit(step, static_argnums=(1, 2)) if compiled else step
        fine, bad = np.array([1.0, 0.5]), np.array([1.0, np.nan])
        for x, both, scaled in [
            (fine, True, True), (bad, True, True), (fine, False, True), (bad, False, True), (bad, False, True),
            (fine, True, True), (fine, True, False), (bad, True, True), (fine, False, False), (fine, True, True),
            (bad, True, True), (fine, True, True),
        ]:  # fmt: skip
            call(gg.tensor(x), both, scaled)
        return [p.detach().numpy() for p in (a, b, frozen)], [s.get("step") for s in opt.state_dict()["state"]]

    (eager, steps), (compiled, counted) = trained(False), trained(True)
    assert counted == steps == [7, 5, None]
    for p, q in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(q, p, rtol=1e-12)


def test_frozen_parameters_do_not_make_a_program_for_each_step(monkeypatch):
    begun, first = [], Step.first
    monkeypatch.setattr(Step, "first", lambda *args: (begun.append(1), first(*args))[1])
    w, frozen = (gg.tensor(np.ones(3), requires_grad=True) for _ in range(2))
    frozen.requires_grad = False
    opt, traces = gg.optim.Adam([w, frozen]), []

    @gg.jit
    def step(x):
        traces.append(1)
        opt.zero_grad()
        (w * x * frozen).sum().backward()
        opt.step()

    for _ in range(5):
        step(gg.ones(3))
    assert len(traces) <= 2 and len(begun) <= 2  # nor is what was bound for one bound again for the next


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
