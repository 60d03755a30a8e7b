"""Backends: their registry, what they must have, how one is chosen."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.backends import select
from gpugrad.backends.base import Backend
from gpugrad.cuda.host import COMPILER, HostArray


def test_every_backend_keeps_to_the_protocol():
    for name in select.known():
        try:
            backend = select.get(name)
        except errors.DeviceError:
            continue
        for method, function in inspect.getmembers(Backend, inspect.isfunction):
            if method == "__init__":
                continue
            mine, theirs = inspect.signature(getattr(type(backend), method)), inspect.signature(function)
            assert list(mine.parameters.values()) == list(theirs.parameters.values()), (name, method)
        public = {n for n, _ in inspect.getmembers(type(backend), inspect.isfunction) if not n.startswith("_")}
        assert public <= {n for n, _ in inspect.getmembers(Backend, inspect.isfunction)}, name
        assert backend.name == name and backend.device_kind and backend.array_types


def test_overrides_name_primitives():
    from gpugrad.ops import random  # brings primitives of its own when first imported
    from gpugrad.primitive import registry

    assert random.random_bits.name in registry
    assert set(select.get("numpy").overrides) <= set(registry)


def test_the_reference_can_be_used_for_a_while():
    x = gg.tensor([0.5, 1.5], requires_grad=True)
    with gg.use_backend("reference"):
        gg.sum(gg.exp(x) / x).backward()
    first, x.grad = x.grad, None
    gg.sum(gg.exp(x) / x).backward()
    np.testing.assert_allclose(first.numpy(), x.grad.numpy())
    assert select.in_use()["cpu"].name == "numpy"


def test_a_package_can_bring_a_backend(monkeypatch):
    class Mine(type(select.get("reference"))):
        name = "mine"

    class Point:
        name = "mine"

        def load(self):
            return Mine

    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [Point()] if group == "gpugrad.backends" else []
    )
    monkeypatch.setattr(select, "_classes", dict(select._classes))
    assert "mine" in select.known()
    with gg.use_backend("mine"):
        assert gg.exp(gg.tensor(0.0)).item() == 1.0
        assert select.in_use()["cpu"].name == "mine"


def test_a_backend_that_cannot_run_says_why():
    class Broken(type(select.get("reference"))):
        name = "broken"

        def why_not(self):
            return 'no driver; install one: pip install "gpugrad[cuda13]"'

    select.register("broken", Broken)
    try:
        with pytest.raises(errors.DeviceError, match=r"gpugrad\[cuda13\]"):
            gg.use_backend("broken")
    finally:
        del select._classes["broken"], select._made["broken"]


def test_default_device_is_the_threads():
    assert gg.devices() == ["cpu"] or gg.devices()[0] == "cpu"
    with gg.device("cpu") as name:
        assert name == "cpu" == gg.ones(1).device
    with pytest.raises(errors.DeviceError), gg.device("tpu"):
        pass
    gg.synchronize()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: (_ for _ in ()).throw(ImportError("libfoo.so\nsecond line")), "ImportError: libfoo.so$"),
        (lambda: lambda: 1 / 0, "AttributeError"),
        (Backend, "no name, device_kind or array_types"),
    ],
)
def test_a_broken_package_hurts_nobody(monkeypatch, make, words):
    from gpugrad import info

    monkeypatch.setitem(select._classes, "broken", make)
    with pytest.raises(errors.DeviceError, match=f"'broken' cannot be used here: .*{words}"):
        gg.use_backend("broken")
    told = dict(info.backends())
    assert "\n" not in told["broken"] and told["numpy"].startswith("in use")
    select._made.pop("broken", None)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, y: x + y,
        lambda x, y: y + x,
        lambda x, y: np.ones(2) + x,
        lambda x, y: gg.where(y > 0, y, x),
        lambda x, y: gg.jvp(lambda x: x * x, (x,), (y,)),
        pytest.param(
            lambda x, y: gg.vjp(lambda x: x * x, x)[1](y),
            marks=pytest.mark.filterwarnings("ignore:You are comparing a array_api_strict dtype"),
        ),
        lambda x, y: (x * 1.0).requires_grad_().backward(y),
        lambda x, y: (x * 1.0).requires_grad_().backward(np.ones(2)),
        lambda x, y: (x * 1.0).copy_(y),
        lambda x, y: setattr((x * 1.0).requires_grad_(), "grad", y),
    ],
)
def test_two_devices_are_named(call):
    with pytest.raises(errors.DeviceError, match=r"(?=.*\bcpu\b)(?=.*\bstrict\b)"):
        call(gg.asarray([1.0, 2.0], device="strict"), gg.ones(2))


def test_a_cotangent_without_a_device_goes_where_the_tensor_is():
    x = gg.asarray([1.0, 2.0], device="strict").requires_grad_()
    (x * 2.0).backward([1.0, 3.0])
    assert x.grad.device == "strict" and x.grad.to("cpu").tolist() == [2.0, 6.0]


def test_all_that_is_new_is_made_where_the_block_says():
    with gg.device("strict"):
        made = [
            gg.ones(2), gg.tensor([1.0]), gg.tensor(np.ones(2)), gg.asarray([1.0]), gg.arange(3.0), gg.linspace(0.0, 1.0, 3),
            gg.logspace(0.0, 1.0, 3), gg.geomspace(1.0, 2.0, 3), gg.eye(2), gg.tri(2), gg.random.key(0), gg.random.normal((2,)),
        ]  # fmt: skip
    assert {t.device for t in made} == {"strict"}
    with gg.device("strict"):
        assert gg.asarray(np.ones(2)).device == "cpu"  # shares memory, so it is not new


def test_what_is_made_here_is_not_watched_for_changes_by_others():
    from gpugrad import trace

    before = trace.watching
    made = [
        gg.arange(3.0),
        gg.linspace(0.0, 1.0, 3),
        gg.eye(2),
        gg.tri(2),
        gg.tensor(np.ones(2)),
        gg.random.normal((2,)),
    ]
    assert len(made) == 6 and trace.watching == before


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64"])
@pytest.mark.parametrize("zero", [0, 0.0, -0.0, 1.0])
def test_masking_many_numbers_is_where_bit_for_bit(rng, dtype, zero):
    x = rng.normal(size=(3, 40, 60)).astype(dtype).transpose(2, 0, 1)
    if x.dtype.kind == "f":
        x[0], x[1, 0], x[2, 1] = np.nan, -0.0, np.inf
    masks = [rng.random(x.shape) < 0.5, np.zeros(x.shape, bool), rng.random((60, 1, 80))[..., ::2] < 0.5, np.True_]
    with gg.use_backend("numpy"):
        for c in masks:
            ours = np.asarray(gg.where(gg.asarray(c), gg.asarray(x), zero))
            wanted = np.where(c, x, zero)
            assert ours.shape == wanted.shape and np.array_equal(ours, wanted, equal_nan=dtype != "int64")
            if x.dtype.kind == "f":
                assert np.array_equal(np.signbit(ours), np.signbit(wanted))


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which the backend takes")
def test_a_backend_that_is_left_has_no_plans_any_more() -> None:
    assert HostArray not in select.compiled_types
    with gg.use_backend("cuda_on_host"):
        assert HostArray in select.compiled_types
    assert HostArray not in select.compiled_types
