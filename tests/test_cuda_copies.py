"""Copies in C's order on a CUDA device (the host, if no other is asked for)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuda_on_host import cuda, on_host  # noqa: F401

from gpugrad import errors
from gpugrad.backends import select
from gpugrad.codegen.gpu_launch import Device
from gpugrad.cuda import nvrtc
from gpugrad.cuda.device import Parameters
from gpugrad.cuda.host import COMPILER, together
from gpugrad.cuda.routines.copying import copied

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")
TYPES = ["uint8", "int16", "float32", "float64", "complex128"]


def view_of(x: Any, order: list[int], cuts: list[Any]) -> Any:
    return x.transpose(order)[tuple(slice(a, None, c) for a, c in cuts)]


@st.composite
def views(draw: Any) -> tuple[str, tuple[int, ...], list[int], list[Any]]:
    rank = draw(st.integers(1, 5))
    shape = tuple(draw(st.sampled_from([1, 2, 3, 5, 8, 35])) for _ in range(rank))
    cuts = [(draw(st.integers(0, 1)) if n > 2 else 0, draw(st.sampled_from([1, 1, 1, 2]))) for n in shape]
    return draw(st.sampled_from(TYPES)), shape, draw(st.permutations(range(rank))), cuts


@settings(max_examples=150, deadline=None)
@given(views())
def test_views(drawn: Any) -> None:
    dtype, shape, order, cuts = drawn
    backend = select.on("cuda")
    device = backend.device
    x = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    source = view_of(backend.asarray(x), order, cuts)
    wanted = view_of(x, order, cuts)
    routine = copied(device.address(source), 0, source.shape, source.strides, x.dtype.itemsize, device.limits)
    if routine is None:
        assert wanted.size <= 1
        return
    out = device.view(device.memory(wanted.nbytes), 0, wanted.shape, x.dtype)
    routine = copied(
        device.address(source), device.address(out), source.shape, source.strides, x.dtype.itemsize, device.limits
    )
    (functions,) = device.load([routine.text])
    for call in routine.calls:
        device.launch(functions[call.launch.function], call.launch, Parameters(call.arguments))
    np.testing.assert_array_equal(backend.to_numpy(out), wanted)


def test_how() -> None:
    """What lies in runs is copied 16 bytes at a time; a transposition goes through tiles."""
    heads = copied(0, 0, (2, 4, 64, 32), (64 * 4 * 32 * 4, 32 * 4, 4 * 32 * 4, 4), 4, Device())
    turned = copied(0, 0, (3, 64, 48), (64 * 48 * 4, 4, 64 * 4), 4, Device())
    assert heads is not None and "copy_in_order" in heads.text and "Pack<unsigned, 4>" in heads.text
    assert turned is not None and "copy_tiles" in turned.text


def test_nvrtc_takes_them() -> None:
    found = [
        copied(0, 0, shape, strides, size, Device())
        for size in (1, 2, 4, 8, 16)
        for shape, strides in (((3, 5), (size, 3 * size)), ((3, 5), (7 * size, size)))
    ]
    texts = list(dict.fromkeys(r.text for r in found if r))
    assert len(texts) == 10
    for architecture in ("sm_80", "sm_90", "sm_100", "sm_120"):
        try:
            _, said = nvrtc.compiled_now(together(texts), architecture, "--ptxas-options=-v")
        except errors.MissingExtraError as missing:
            pytest.skip(str(missing))
        assert said.count("0 bytes spill stores") == 10
