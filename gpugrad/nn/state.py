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
    if not isinstance(values, Mapping):
        raise errors.UnsupportedError(
            f"load_state_dict: {type(values).__name__}; expected a dictionary of arrays by name, as state_dict gives"
        )
    missing = [name for name in own if name not in values] if strict else []
    unexpected = [name for name in values if name not in own] if strict else []
    new, unfitting = {}, []
    for name, tensor in own.items():
        if name in values:
            v = new[name] = as_value(values[name])
            if v.shape != tensor.shape:
                unfitting.append(f"{name} of shape {v.shape}, expected {tensor.shape}")
            elif not _castable(v.dtype, tensor.dtype):
                unfitting.append(f"{name} of dtype {v.dtype.name}, expected {tensor.dtype.name}")
    listed = {"missing": ", ".join(missing), "unexpected": ", ".join(unexpected), "not fitting": "; ".join(unfitting)}
    if any(listed.values()):
        what = ". ".join(f"{kind}: {names}" for kind, names in listed.items() if names)
        way_out = "" if unfitting else ". To load what both have, pass strict=False"
        raise errors.FormatError(
            f"load_state_dict: this is not the state of {owner}, which is unchanged. {what}{way_out}"
        )
    with no_grad():
        fitted = {name: copied(v).astype(own[name].dtype).to(own[name].device) for name, v in new.items()}
        for name, v in fitted.items():
            own[name].copy_(v)


def _castable(have: Any, want: Any) -> bool:
    if dtypes.is_inexact(want):
        return dtypes.is_inexact(have) and (dtypes.is_complex(want) or not dtypes.is_complex(have))
    return bool(have == want)


__all__ = ["copied", "load"]
