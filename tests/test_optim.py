"""Optimizers, schedules and clipping, beside PyTorch's where there is one."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors

SHAPES = ((3, 4), (4,), ())


def start(dtype: str = "float64", seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    draws = [rng.normal(size=s) + (1j * rng.normal(size=s) if dtype.startswith("c") else 0.0) for s in SHAPES]
    return [gg.tensor(d.astype(dtype) if "16" not in dtype else d, dtype=dtype, requires_grad=True) for d in draws]


def set_gradients(params: list[Any], step: int) -> None:
    """Gradients that depend on the parameters and on the step; now and then one is missing."""
    rng = np.random.default_rng(100 + step)
    for k, p in enumerate(params):
        g = rng.normal(size=p.shape)
        p.grad = None if (step + k) % 7 == 6 else gg.asarray(np.asarray(p.detach().numpy() + g).astype(p.dtype))


OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "SGD dampening decay": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    "SGD nesterov maximize": ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "maximize": True}),
    "Adam": ("Adam", {}),
    "Adam decay amsgrad": (
        "Adam",
        {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True},
    ),
    "Adam maximize": ("Adam", {"lr": 0.1, "maximize": True}),
    "AdamW": ("AdamW", {"lr": 0.1}),
    "AdamW amsgrad": ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    "RMSprop": ("RMSprop", {}),
    "RMSprop all": ("RMSprop", {"lr": 0.05, "alpha": 0.9, "weight_decay": 0.1, "momentum": 0.8, "centered": True}),
}
each_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def made(name: str, params: Any) -> Any:
    kind, options = OPTIMIZERS[name]
    return getattr(gg.optim, kind)(params, **options)


# ---- the same path as PyTorch's ---------------------------------------------------------------------------------------


@each_optimizer
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5), ("complex128", 1e-12)])
def test_trajectory(name: str, dtype: str, tolerance: float) -> None:
    torch = pytest.importorskip("torch")
    kind, options = OPTIMIZERS[name]
    ours = start(dtype)
    theirs = [torch.tensor(np.array(p.detach().numpy()), requires_grad=True) for p in ours]
    opt, other = made(name, ours), getattr(torch.optim, kind)(theirs, **options)
    for step in range(20):
        set_gradients(ours, step)
        for p, q in zip(ours, theirs, strict=True):
            q.grad = None if p.grad is None else torch.tensor(np.array(p.grad.numpy()))
        opt.step()
        other.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)
            assert p.dtype == dtype


def test_defaults_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for kind in ("SGD", "Adam", "AdamW", "RMSprop"):
        ours = getattr(gg.optim, kind)(start()).defaults
        theirs = getattr(torch.optim, kind)([torch.zeros(1, requires_grad=True)]).defaults
        assert ours == {k: theirs[k] for k in ours}, kind


@each_optimizer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_the_rounded_path_of_float32(name: str, dtype: str) -> None:
    half, single = start(dtype), [gg.tensor(p.detach().astype("float32"), requires_grad=True) for p in start(dtype)]
    opt, wide = made(name, half), made(name, single)
    for step in range(3):
        set_gradients(half, step)
        for p, q in zip(half, single, strict=True):
            q.grad = None if p.grad is None else p.grad.astype("float32")
        opt.step()
        wide.step()
        for p, q in zip(half, single, strict=True):
            assert p.dtype.name == dtype
            assert p.tolist() == q.detach().astype(dtype).tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_small_steps_of_halves_add_up_unless_the_parameter_is_set(dtype: str) -> None:
    w = gg.tensor([1.0, 2.0], dtype=dtype, requires_grad=True)
    opt = gg.optim.SGD([w], lr=1e-4)
    w.grad = gg.tensor([1.0, 1.0], dtype=dtype)
    for _ in range(1000):
        opt.step()
    np.testing.assert_allclose(w.detach().astype("float64").numpy(), [0.9, 1.9], rtol=4e-3)
    with gg.no_grad():
        w.copy_(gg.tensor([3.0, 4.0], dtype=dtype))
    opt.step()
    assert w.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles_have_their_state(copied: Callable[[Any], Any]) -> None:
    params = start()
    opt = gg.optim.Adam(params[:2])
    opt.add_param_group({"params": params[2], "lr": 0.1})
    for step in range(3):
        set_gradients(params, step)
        opt.step()
    others, other = copied((params, opt))
    for step in range(3, 6):
        for p, q in zip(params, others, strict=True):
            p.grad = q.grad = gg.tensor(np.full(p.shape, step - 4.5))
        opt.step()
        other.step()
    for p, q in zip(params, others, strict=True):
        assert p is not q and p.detach().numpy().tobytes() == q.detach().numpy().tobytes()
    assert other.state_dict()["state"][0]["step"] == opt.state_dict()["state"][0]["step"] > 3


@each_optimizer
def test_it_minimizes(name: str) -> None:
    params = start(seed=3)
    opt = made(name, params)
    for group in opt.param_groups:
        group.update(lr=0.05, weight_decay=0.0, maximize=False)

    def loss() -> Any:
        total = 0.0
        for p in params:
            total = ((p - 1.0) * (p - 1.0)).sum() + total
        return total

    before = loss().item()
    for _ in range(60):
        opt.zero_grad()
        loss().backward()
        opt.step()
    assert loss().item() < 0.1 * before


# ---- what a step may touch --------------------------------------------------------------------------------------------


@each_optimizer
def test_a_step_leaves_gradients_and_other_holders_of_the_values_alone(name: str) -> None:
    params = start()
    opt = made(name, params)
    for step in range(3):
        set_gradients(params, step)
        views = [p.detach() for p in params]
        before = [v.numpy().copy() for v in views]
        grads = [None if p.grad is None else p.grad.numpy().copy() for p in params]
        ids = [id(p) for p in params]
        opt.step()
        for p, v, b, g in zip(params, views, before, grads, strict=True):
            assert np.array_equal(v.numpy(), b)
            if g is None:
                assert np.array_equal(p.detach().numpy(), b)
            else:
                assert np.array_equal(p.grad.numpy(), g) and not np.array_equal(p.detach().numpy(), b)
            assert p.requires_grad and p.is_leaf
        assert ids == [id(p) for p in params]


def test_a_gradient_that_is_reused_does_not_share_the_velocity() -> None:
    w = gg.tensor([1.0], requires_grad=True)
    opt = gg.optim.SGD([w], lr=1.0, momentum=0.5)
    w.grad = gg.tensor([1.0])
    for wanted in (0.0, -1.5, -3.25):
        opt.step()
        assert w.item() == wanted and w.grad.tolist() == [1.0]


def test_zero_grad() -> None:
    w = gg.tensor([1.0, 2.0], dtype="float32", requires_grad=True)
    v = gg.tensor(1.0, requires_grad=True)
    opt = gg.optim.SGD([w, v])
    (w * w).sum().backward()
    opt.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0, 0.0] and w.grad.dtype == np.float32 and v.grad is None
    opt.zero_grad()
    assert w.grad is None
    opt.step()
    assert w.tolist() == [1.0, 2.0]


def test_closure() -> None:
    w = gg.tensor(1.0, requires_grad=True)
    opt = gg.optim.SGD([w], lr=0.5)

    def closure() -> Any:
        opt.zero_grad()
        loss = w * w
        loss.backward()
        return loss

    with gg.no_grad():
        assert opt.step(closure).item() == 1.0
    assert w.item() == 0.0 and opt.step() is None


# ---- groups and bad input ---------------------------------------------------------------------------------------------


def test_groups_have_options_of_their_own() -> None:
    a, b = gg.tensor(1.0, requires_grad=True), gg.tensor(1.0, requires_grad=True)
    opt = gg.optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.25)
    a.grad = b.grad = gg.tensor(1.0)
    opt.step()
    assert (a.item(), b.item()) == (0.75, 0.5)
    opt.param_groups[0]["lr"] = 0.0
    c = gg.tensor(1.0, requires_grad=True)
    opt.add_param_group({"params": (p for p in [c]), "lr": 1.0})
    c.grad = gg.tensor(1.0)
    opt.step()
    assert (a.item(), b.item(), c.item()) == (0.75, 0.0, 0.0)
    assert "SGD(1 parameters, lr=1.0" in repr(opt)


BAD_OPTIONS = [
    ("SGD", {"lr": -0.1}, r"lr=-0\.1; expected a learning rate of 0 or more"),
    ("SGD", {"lr": math.nan}, "lr=nan"),
    ("SGD", {"momentum": -1.0}, "momentum"),
    ("SGD", {"weight_decay": -1.0}, "weight_decay"),
    ("SGD", {"nesterov": True}, "nesterov with momentum=0"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "nesterov"),
    ("Adam", {"betas": (0.9, 1.0)}, "betas"),
    ("Adam", {"betas": (0.9,)}, "betas"),
    ("AdamW", {"eps": -1e-8}, "eps"),
    ("RMSprop", {"alpha": 1.0}, "alpha"),
    ("RMSprop", {"momentum": -0.1}, "momentum"),
]


@pytest.mark.parametrize(("kind", "options", "message"), BAD_OPTIONS)
def test_bad_options(kind: str, options: Any, message: str) -> None:
    with pytest.raises(errors.ArgumentError, match=message):
        getattr(gg.optim, kind)(start(), **options)
    opt = getattr(gg.optim, kind)(start())
    with pytest.raises(errors.ArgumentError, match=message):
        opt.add_param_group({"params": start(), **options})
    assert len(opt.param_groups) == 1


def test_bad_parameters() -> None:
    w = gg.tensor([1.0], requires_grad=True)
    with pytest.raises(errors.ArgumentError, match="no parameters"):
        gg.optim.SGD([])
    with pytest.raises(errors.ArgumentError, match="a group without parameters"):
        gg.optim.SGD([{"params": []}])
    with pytest.raises(errors.UnsupportedError, match="params is a Tensor; expected a list"):
        gg.optim.SGD(w)
    with pytest.raises(errors.UnsupportedError, match="parameter 1 is a float; expected a tensor"):
        gg.optim.SGD([w, 1.0])
    with pytest.raises(errors.GraphError, match=r"parameter 0, of shape .* is not a leaf"):
        gg.optim.SGD([w * 2.0])
    with pytest.raises(errors.ArgumentError, match="given twice"):
        gg.optim.SGD([w, w])
    with pytest.raises(errors.ArgumentError, match="given twice"):
        gg.optim.SGD([{"params": [w]}, {"params": [w]}])
    with pytest.raises(errors.UnsupportedError, match="no option weight_deacy; there are lr"):
        gg.optim.SGD([{"params": [w], "weight_deacy": 0.1}])
    with pytest.raises(errors.UnsupportedError, match="expected a dictionary with 'params'"):
        gg.optim.SGD([{"lr": 0.1}])
    with pytest.raises(errors.DtypeError, match=r"parameter 0, of shape \(2,\), has dtype int64"):
        gg.optim.SGD([gg.tensor([1, 2])])
    for options in ({"lr": "fast"}, {"betas": 0.9}):
        with pytest.raises(errors.UnsupportedError, match=r"Adam: lr=.*; expected numbers, and betas in a pair"):
            gg.optim.Adam([w], **options)


# ---- state ------------------------------------------------------------------------------------------------------------


@each_optimizer
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "complex64"])
def test_resuming_is_exact(name: str, dtype: str) -> None:
    params = start(dtype)
    opt = made(name, params)
    for step in range(4):
        set_gradients(params, step)
        opt.step()
    saved = opt.state_dict()
    copies = [gg.tensor(p, requires_grad=True) for p in params]
    other = made(name, copies)
    other.param_groups[0]["lr"] = 123.0
    other.load_state_dict(saved)
    for step in range(4, 9):
        for group in (params, copies):
            set_gradients(group, step)
        opt.step()
        other.step()
        for p, q in zip(params, copies, strict=True):
            assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()
    assert len(saved["state"]) == len(SHAPES)


def test_saved_state_is_a_copy() -> None:
    params = start()
    opt = gg.optim.Adam(params)
    set_gradients(params, 0)
    opt.step()
    saved = opt.state_dict()
    before = saved["state"][0]["exp_avg"].tolist()
    set_gradients(params, 1)
    opt.step()
    assert saved["state"][0]["exp_avg"].tolist() == before and saved["state"][0]["step"] == 1
    opt.load_state_dict(saved)
    opt.step()
    assert saved["state"][0]["exp_avg"].tolist() == before
    assert saved["param_groups"][0]["params"] == [0, 1, 2]


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    params = start()
    opt = gg.optim.Adam(params)
    set_gradients(params, 0)
    opt.step()
    good = opt.state_dict()

    def altered(change: Callable[[Any], Any]) -> Any:
        state = {"state": [dict(s) for s in good["state"]], "param_groups": [dict(g) for g in good["param_groups"]]}
        change(state)
        return state

    bad = {
        "instead of 'state'": {"state": []},
        "are not lists of dictionaries": {"state": [], "param_groups": [{"params": 3}]},
        "state of parameter 2 is a int": altered(lambda s: s["state"].__setitem__(2, 5)),
        "parameter 0, step, is 1.5": altered(lambda s: s["state"][0].update(step=1.5)),
        "lr='fast'|not supported": altered(lambda s: s["param_groups"][0].update(lr="fast")),
        "groups of": altered(lambda s: s["param_groups"].append(s["param_groups"][0])),
        "and 2 states": altered(lambda s: s["state"].pop()),
        "has the options": altered(lambda s: s["param_groups"][0].pop("eps")),
        "lr=-1; expected": altered(lambda s: s["param_groups"][0].update(lr=-1)),
        "state of parameter 1 has exp_avg, exp_avg_sq where": altered(lambda s: s["state"][1].pop("step")),
        "where this one has exp_avg, exp_avg_sq, step": altered(lambda s: s["state"][0].update(other=gg.zeros(2))),
        r"parameter 0, exp_avg, has shape \(2,\)": altered(lambda s: s["state"][0].update(exp_avg=gg.zeros(2))),
        "and dtype float32 for": altered(lambda s: s["state"][0].update(exp_avg=gg.zeros((3, 4), dtype="float32"))),
    }
    for message, state in bad.items():
        with pytest.raises(errors.FormatError, match=message):
            opt.load_state_dict(state)
        now = opt.state_dict()
        assert now["param_groups"] == good["param_groups"]
        assert all(
            np.array_equal(a["exp_avg"].numpy(), b["exp_avg"].numpy())
            for a, b in zip(now["state"], good["state"], strict=True)
        )


def test_state_of_sgd_is_none_without_momentum() -> None:
    params = start()
    opt = gg.optim.SGD(params)
    set_gradients(params, 0)
    opt.step()
    assert opt.state_dict()["state"] == [{}, {}, {}]
    with pytest.raises(errors.FormatError, match="has momentum_buffer where this one has nothing"):
        momentum = gg.optim.SGD(params, momentum=0.9)
        momentum.step()
        saved = momentum.state_dict()
        saved["param_groups"][0]["momentum"] = 0.0
        opt.load_state_dict(saved)


# ---- schedules --------------------------------------------------------------------------------------------------------


def pytorch_rates(make: Callable[[Any, Any], Any], steps: int) -> list[float]:
    torch = pytest.importorskip("torch")
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = make(torch.optim.lr_scheduler, opt)
    rates = []
    for _ in range(steps):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return rates


SCHEDULES: dict[str, tuple[Any, Callable[[Any, Any], Any], int]] = {
    "constant": (gg.optim.constant(0.5), lambda s, o: s.ConstantLR(o, 0.5, 100), 10),
    "stepwise": (gg.optim.stepwise(3, 0.3), lambda s, o: s.StepLR(o, 3, 0.3), 12),
    "multistep": (gg.optim.multistep([7, 2, 3], 0.3), lambda s, o: s.MultiStepLR(o, [2, 3, 7], 0.3), 12),
    "exponential": (gg.optim.exponential(0.9), lambda s, o: s.ExponentialLR(o, 0.9), 12),
    "cosine": (gg.optim.cosine(10, 0.2), lambda s, o: s.CosineAnnealingLR(o, 10, 0.1), 11),
    "cosine restarts": (
        gg.optim.cosine(3, 0.2, restarts=1.0),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 1, 0.1),
        20,
    ),
    "cosine longer restarts": (
        gg.optim.cosine(3, restarts=2.0),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
        40,
    ),
    "linear_warmup": (gg.optim.linear_warmup(5, 0.1), lambda s, o: s.LinearLR(o, 0.1, 1.0, 5), 9),
    "one_cycle": (gg.optim.one_cycle(20), lambda s, o: s.OneCycleLR(o, 0.5, 20, cycle_momentum=False), 20),
    "one_cycle rise": (
        gg.optim.one_cycle(15, 0.4, 0.1, 0.001),
        lambda s, o: s.OneCycleLR(o, 0.5, 15, pct_start=0.4, div_factor=10, final_div_factor=100, cycle_momentum=False),
        15,
    ),
    "chained": (
        gg.optim.chained(gg.optim.exponential(0.9), gg.optim.stepwise(4)),
        lambda s, o: s.ChainedScheduler([s.ExponentialLR(o, 0.9), s.StepLR(o, 4)]),
        10,
    ),
    "sequential": (
        gg.optim.sequential((4, gg.optim.linear_warmup(4, 0.2)), (10, gg.optim.cosine(10))),
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.2, 1.0, 4), s.CosineAnnealingLR(o, 10)], [4]),
        14,
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")
def test_schedule(name: str) -> None:
    factor, theirs, steps = SCHEDULES[name]
    opt = gg.optim.SGD([{"params": start()}, {"params": start(), "lr": 1.0}], lr=0.5)
    schedule = gg.optim.Schedule(opt, factor)
    rates = []
    for _ in range(steps):
        rates.append(schedule.rates)
        schedule.step()
    np.testing.assert_allclose([r[0] for r in rates], pytorch_rates(theirs, steps), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose([r[1] for r in rates], [2.0 * r[0] for r in rates])


def test_schedules_stay_at_their_ends() -> None:
    assert gg.optim.cosine(5, 0.1)(1000) == 0.1
    assert gg.optim.linear_warmup(5)(1000) == 1.0
    assert gg.optim.one_cycle(5)(1000) == pytest.approx(1 / 250_000)


def test_bad_schedules() -> None:
    for make in (
        lambda: gg.optim.stepwise(0),
        lambda: gg.optim.cosine(0),
        lambda: gg.optim.cosine(3, restarts=0.5),
        lambda: gg.optim.linear_warmup(0),
        lambda: gg.optim.one_cycle(1),
        lambda: gg.optim.one_cycle(10, 1.0),
        lambda: gg.optim.sequential(),
        lambda: gg.optim.sequential((-1, gg.optim.constant())),
    ):
        with pytest.raises(errors.ArgumentError, match="expected"):
            make()


def test_a_factor_that_is_no_rate_changes_nothing() -> None:
    opt = gg.optim.SGD([gg.tensor(1.0, requires_grad=True)], lr=0.5)
    schedule = gg.optim.Schedule(opt, lambda step: 1.0 - step)
    schedule.step()
    with pytest.raises(errors.ArgumentError, match=r"factor of step 2 is -1\.0; expected 0 or more"):
        schedule.step()
    assert schedule.count == 1 and schedule.rates == [0.0]


def test_schedule_state() -> None:
    opt = gg.optim.SGD(start(), lr=0.5)
    schedule = gg.optim.Schedule(opt, gg.optim.exponential(0.5))
    for _ in range(3):
        schedule.step()
    saved = schedule.state_dict()
    assert saved == {"count": 3, "base": [0.5]}
    other = gg.optim.SGD(start(), lr=7.0)
    resumed = gg.optim.Schedule(other, gg.optim.exponential(0.5))
    resumed.load_state_dict(saved)
    assert resumed.rates == schedule.rates == [0.0625]
    resumed.step()
    assert resumed.rates == [0.03125]
    for bad in (
        {},
        {"count": -1, "base": [1.0]},
        {"count": 1, "base": []},
        {"count": 1.5, "base": [1.0]},
        {"count": 1, "base": ["a"]},
    ):
        with pytest.raises(errors.FormatError, match="expected 'count'"):
            resumed.load_state_dict(bad)
    assert resumed.rates == [0.03125]


def test_a_group_that_joins_later_is_scheduled_from_its_own_rate() -> None:
    opt = gg.optim.SGD(start(), lr=1.0)
    schedule = gg.optim.Schedule(opt, gg.optim.exponential(0.5))
    schedule.step()
    opt.add_param_group({"params": start(), "lr": 8.0})
    schedule.step()
    assert schedule.rates == [0.25, 2.0]


# ---- clipping ---------------------------------------------------------------------------------------------------------


# A complex gradient counts as pairs of real numbers, which is PyTorch's norm for order 2 only.
NORMS = [*((n, d) for n in (2.0, 1.0, 3.0, math.inf) for d in ("float64", "float32")), (2.0, "complex128")]


@pytest.mark.parametrize(("norm_type", "dtype"), NORMS)
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 100.0])
def test_clip_grad_norm(norm_type: float, max_norm: float, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    params = start(dtype)
    set_gradients(params, 0)
    theirs = [torch.tensor(np.array(p.detach().numpy()), requires_grad=True) for p in params]
    for p, q in zip(params, theirs, strict=True):
        q.grad = torch.tensor(np.array(p.grad.numpy()))
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    total = gg.optim.clip_grad_norm_(params, max_norm, norm_type)
    np.testing.assert_allclose(
        total.item(), torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type).item(), rtol=tolerance
    )
    for p, q in zip(params, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=tolerance)
        assert p.grad.dtype == dtype


def test_clip_grad_norm_neither_overflows_nor_vanishes() -> None:
    for scale in (1e-30, 1e30):
        w = gg.tensor([3.0, 4.0], dtype="float32", requires_grad=True)
        w.grad = gg.tensor([3.0 * scale, 4.0 * scale], dtype="float32")
        assert gg.optim.clip_grad_norm_([w], 1e-31).item() == pytest.approx(5.0 * scale, rel=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_clip_grad_norm_that_is_not_finite(bad: float) -> None:
    a, b = start()[:2]
    a.grad, b.grad = gg.ones((3, 4)), gg.tensor([1.0, bad, 1.0, 1.0])
    with pytest.raises(errors.TrainingError, match="the norm of the gradients is"):
        gg.optim.clip_grad_norm_([a, b], 1.0, error_if_nonfinite=True)
    assert a.grad.tolist() == np.ones((3, 4)).tolist()
    total = gg.optim.clip_grad_norm_([a, b], 1.0)
    assert not np.isfinite(total.item()) and np.isnan(b.grad.tolist()[1])


def test_clip_grad_norm_of_nothing_and_of_halves() -> None:
    params = start()
    assert gg.optim.clip_grad_norm_(params, 1.0).item() == 0.0
    empty = gg.tensor(np.zeros((0, 3)), requires_grad=True)
    empty.grad = gg.zeros((0, 3))
    assert gg.optim.clip_grad_norm_(empty, 1.0).item() == 0.0
    w = gg.tensor([3.0, 4.0], dtype="bfloat16", requires_grad=True)
    w.grad = gg.tensor([300.0, 400.0], dtype="bfloat16")
    assert gg.optim.clip_grad_norm_([w], 5.0).item() == 500.0
    assert w.grad.dtype.name == "bfloat16" and w.grad.tolist() == [3.0, 4.0]


def test_clip_grad_norm_of_mixed_precisions() -> None:
    a = gg.tensor([3.0], dtype="float32", requires_grad=True)
    b = gg.tensor([4.0], requires_grad=True)
    a.grad, b.grad = gg.tensor([3.0], dtype="float32"), gg.tensor([4.0])
    assert gg.optim.clip_grad_norm_([a, b], 1.0).dtype == np.float64
    assert a.grad.dtype == np.float32 and a.grad.item() == pytest.approx(0.6, rel=1e-6)


def test_clip_grad_value() -> None:
    params = start()
    set_gradients(params, 0)
    before = [p.grad.numpy().copy() for p in params]
    gg.optim.clip_grad_value_(params, 0.5)
    for p, b in zip(params, before, strict=True):
        assert np.array_equal(p.grad.numpy(), np.clip(b, -0.5, 0.5))


def test_clipping_refuses() -> None:
    with pytest.raises(errors.ArgumentError, match="max_norm=-1"):
        gg.optim.clip_grad_norm_(start(), -1)
    with pytest.raises(errors.ArgumentError, match="norm_type=0"):
        gg.optim.clip_grad_norm_(start(), 1.0, 0)
    with pytest.raises(errors.ArgumentError, match="clip_value=nan"):
        gg.optim.clip_grad_value_(start(), math.nan)
    with pytest.raises(errors.UnsupportedError, match="parameter 0 is a float"):
        gg.optim.clip_grad_norm_([1.0], 1.0)


def test_optimizers_run_on_every_backend(other_backend: str) -> None:
    device = gg.backends.select.get(other_backend).devices()[0]
    for name in OPTIMIZERS:
        here = start()
        there = [p.to(device) for p in here]
        opt, other = made(name, here), made(name, there)
        for step in range(3):
            set_gradients(here, step)
            for p, q in zip(here, there, strict=True):
                q.grad = None if p.grad is None else p.grad.to(device)
            gg.optim.clip_grad_norm_(here, 2.0)
            gg.optim.clip_grad_norm_(there, 2.0)
            opt.step()
            other.step()
        other.load_state_dict(other.state_dict())
        for p, q in zip(here, there, strict=True):
            assert q.device == device
            np.testing.assert_allclose(q.detach().to("cpu").numpy(), p.detach().numpy(), rtol=1e-12)
