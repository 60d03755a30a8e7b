"""The state of a module as a dictionary: what is copied out, and what must hold before anything is copied in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpugrad import creation, dtypes, errors
from gpugrad.transforms.lift import as_value
from gpugrad.transforms.modes import no_grad


def copied(t: Any) -> Any:
    """An untracked copy: training on does not change it."""
    return creation.tensor(t)


def load(owner: str, own: Mapping[str, Any], values: Mapping[str, Any], strict: bool) -> None:
    """Copy ``values`` into the tensors of ``own``, all or none of them."""
    problems = []
    missing = [name for name in own if name not in values]
    unexpected = [name for name in values if name not in own]
    if strict and missing:
        problems.append(f"missing: {', '.join(missing)}")
    if strict and unexpected:
        problems.append(f"unexpected: {', '.join(unexpected)}")
    new = {}
    unfitting = []
    for name, tensor in own.items():
        if name in values:
            v = as_value(values[name])
            if v.shape != tensor.shape:
                unfitting.append(f"{name} has shape {v.shape}, expected {tensor.shape}")
            elif not _castable(v.dtype, tensor.dtype):
                unfitting.append(f"{name} has dtype {v.dtype.name}, expected {tensor.dtype.name}")
            else:
                new[name] = v
    if unfitting:
        problems.append("do not fit: " + "; ".join(unfitting))
    if problems:
        way_out = "" if unfitting or not strict else ". Pass strict=False to load the names that both have"
        raise errors.FormatError(f"load_state_dict: the state is not that of this {owner}. {'. '.join(problems[:1])}{''.join('. ' + p for p in problems[1:])}{way_out}")
    with no_grad():
        fitted = {name: copied(v).astype(own[name].dtype).to(own[name].device) for name, v in new.items()}
        for name, v in fitted.items():
            own[name].copy_(v)


def _castable(have: Any, want: Any) -> bool:
    if dtypes.is_inexact(want):
        return dtypes.is_inexact(have) and (dtypes.is_complex(want) or not dtypes.is_complex(have))
    return bool(have == want)


__all__ = ["copied", "load"]
