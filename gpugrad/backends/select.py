"""Which backend runs an operation: the one whose array type the operands have, among those in use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.backends.base import Backend
from gpugrad.ops import promotion
from gpugrad.primitive import Primitive, Resolver, registry
from gpugrad.trace import bind, raw_of

_classes: dict[str, Callable[[], Backend]] = {}
_made: dict[str, Backend] = {}
_in_use: dict[str, Backend] = {}
"""Device kind -> the backend chosen for it."""
_by_type: dict[type, Backend] = {}
_standby: dict[str, str] = {}
"""Device kind -> the backend that runs it as soon as somebody asks for such a device, or brings an array of it."""
compiled_types: set[type] = set()
"""Types of arrays that ``gg.jit`` has plans for, beside NumPy's."""


def register(name: str, make: Callable[[], Backend]) -> None:
    """Make a backend known under a name."""
    _classes[name] = make


def stand_by(kind: str, name: str) -> None:
    """Let the backend ``name`` run devices of a kind, from when one is first asked for: it is not imported before."""
    _standby[kind] = name


def wake(kind: str) -> errors.DeviceError | None:
    """Put to use the backend that stands by for a kind of device, unless one runs it; the error if it cannot be used."""
    if kind in _in_use or kind not in _standby:
        return None
    try:
        activate(get(_standby[kind]))
    except errors.DeviceError as why:
        return why
    return None


def known() -> list[str]:
    """Names of all backends: built in, then those that installed packages bring."""
    from importlib import metadata  # slow to import, and seldom needed

    for point in metadata.entry_points(group="gpugrad.backends"):
        _classes.setdefault(point.name, lambda point=point: point.load()())  # type: ignore[misc]
    return list(_classes)


def get(name: str) -> Backend:
    """The backend of that name; DeviceError says what is missing if it cannot run here."""
    if name not in _made:
        if name not in _classes and name not in known():
            raise errors.DeviceError(f"no backend named {name!r}; known are {', '.join(_classes)}")
        _made[name] = _attempted(name, _classes[name])
    made = _made[name]
    why = _attempted(name, lambda: made.why_not())
    if why is None and not (made.name and made.device_kind and made.array_types):
        why = f"{type(made).__name__} has no name, device_kind or array_types"
    if why is not None:
        raise errors.DeviceError(f"backend {name!r} cannot be used here: {why}")
    return made


def _attempted(name: str, step: Callable[[], Any]) -> Any:
    """What ``step`` gives; DeviceError if the package that brings the backend fails, whatever the way."""
    try:
        return step()
    except Exception as error:
        told = (str(error).splitlines() or [""])[0]
        raise errors.DeviceError(
            f"backend {name!r} cannot be used here: its package fails with {type(error).__name__}: {told}"
        ) from error


def activate(backend: Backend) -> None:
    """Let ``backend`` run every operation on arrays of its types."""
    _in_use[backend.device_kind] = backend
    for array_type in backend.array_types:
        _by_type[array_type] = backend
    if backend.compiles and backend.device_kind != "cpu":
        compiled_types.update(backend.array_types)
    for prim in registry.values():
        prim.impl.clear()


def attach(backend: Backend) -> None:
    """Let ``backend`` have its types, beside the backends that run devices."""
    for array_type in backend.array_types:
        _by_type[array_type] = backend


@contextmanager
def _restored(before: dict[str, Backend], types: dict[type, Backend]) -> Iterator[None]:
    try:
        yield
    finally:
        _in_use.clear()
        _in_use.update(before)
        _by_type.clear()
        _by_type.update(types)
        compiled_types.intersection_update(types)
        for prim in registry.values():
            prim.impl.clear()


def use_backend(name: str) -> Any:
    """Run operations on that backend's kind of device with it, in all threads; as a context, until the block ends.

    >>> import gpugrad as gg
    >>> with gg.use_backend("reference"):
    ...     gg.exp(gg.tensor([0.0, 1.0]))
    tensor([1.        , 2.71828183])
    """
    before, types = dict(_in_use), dict(_by_type)
    activate(get(name))
    return _restored(before, types)


def of(array: Any) -> Backend:
    """The backend of a raw array; TypeError if none has its type."""
    return of_type(type(array))


def of_type(array_type: type) -> Backend:
    """The backend of an array type."""
    found = _by_type.get(array_type)
    if found is None:
        for base in array_type.__mro__[1:]:
            if base in _by_type:
                found = _by_type[array_type] = _by_type[base]
                break
        else:
            library = array_type.__module__.partition(".")[0]
            for kind, name in _standby.items():
                if name == library and kind not in _in_use and wake(kind) is None:
                    return of_type(array_type)  # an array of a library whose backend nobody had asked for
            raise KeyError(array_type)
    return found


def known_type(array_type: type) -> Backend | None:
    """The backend of an array type; None if it has none."""
    try:
        return _by_type[array_type]
    except KeyError:
        pass
    try:
        return of_type(array_type)
    except KeyError:
        return None


def is_array(x: Any) -> bool:
    """Whether ``x`` is a raw array of a backend in use."""
    return known_type(type(x)) is not None


def on(device: str) -> Backend:
    """The backend in use for a device: "cpu", "cuda", "cuda:1"."""
    kind = device.split(":", 1)[0]
    if kind not in _in_use:
        why = wake(kind)
        if why is not None:
            raise errors.DeviceError(f"no device {device!r}: {why}. `gpugrad info` says what is missing")
    if kind not in _in_use:
        raise errors.DeviceError(
            f"no backend for device {device!r}: in use are {', '.join(f'{b.name} on {k}' for k, b in _in_use.items())}. `gpugrad info` says what is missing"
        )
    return _in_use[kind]


def resolve(device: str) -> str:
    """The device meant by a name: ``"auto"`` is a GPU if there is one, ``"cuda"`` the first of them."""
    if device == "auto":
        wake("cuda")
        device = "cuda" if "cuda" in _in_use else "cpu"
    backend = on(device)
    present = backend.devices()
    full_name = present[0] if ":" not in device and present else device
    if full_name not in present:
        raise errors.DeviceError(f"no device {device!r}; present are {', '.join(present) or 'none'}")
    return full_name


def devices() -> list[str]:
    """The devices that are present.

    >>> import gpugrad as gg
    >>> "cpu" in gg.devices()
    True
    """
    wake("cuda")
    return [d for backend in _in_use.values() for d in backend.devices()]


def synchronize() -> None:
    """Wait until every device has finished its work.

    >>> import gpugrad as gg
    >>> gg.synchronize()
    """
    for backend in _in_use.values():
        backend.synchronize()


class _Default(threading.local):
    device = "cpu"


_default = _Default()

redirected = 0
"""Positive while some thread makes its tensors elsewhere than on the CPU."""


@contextmanager
def device(name: str) -> Iterator[str]:
    """Make new tensors on a device, in this thread, until the block ends; gives the device's full name.

    Of several GPUs it is also the one that works: compute with tensors of ``"cuda:1"``, derivatives above all, inside a
    block ``with gg.device("cuda:1")``.

    >>> import gpugrad as gg
    >>> with gg.device("auto") as chosen:
    ...     gg.ones(2).device == chosen
    True
    """
    global redirected
    before = _default.device
    _default.device = resolve(name)
    redirected += 1
    try:
        with on(_default.device).current(_default.device):
            yield _default.device
    finally:
        redirected -= 1
        _default.device = before


def default_device() -> str:
    """Where new tensors are made, in this thread."""
    return _default.device


_HOST = frozenset({np.ndarray, np.float64, np.float32})
_ones: dict[Any, Any] = {}


def one(like: Any) -> Any:
    """The number 1 as a raw array of shape (), of the dtype and device of a raw array; the seed of a reverse sweep."""
    if type(like) not in _HOST:
        return of(like).full_beside(like, (), 1, like.dtype)
    found = _ones.get(like.dtype)
    if found is None:
        found = _ones[like.dtype] = like.dtype.type(1)  # a NumPy scalar, which computes quicker than an array does
    return found


def full(shape: tuple[int, ...], fill: Any, like: Any, dtype: Any = None) -> Any:
    """A raw array filled with a number, of the dtype (unless given) and on the device of an array or value."""
    like = raw_of(like)
    return of(like).full_beside(like, shape, fill, dtype or like.dtype)


def place(x: Any) -> str:
    """The device of an array or value."""
    x = raw_of(x)
    return of(x).device_of(x)


def planner(x: Any) -> tuple[str, str]:
    """Whose plans run on an array or value, and where: the names of its backend and of its device."""
    x = raw_of(x)
    backend = of(x)
    return backend.name, backend.device_of(x)


def apart(x: Any, y: Any) -> bool:
    """Whether two arrays or values are known to be on different devices."""
    a, b = raw_of(x), raw_of(y)
    here, there = _by_type.get(type(a)), _by_type.get(type(b))
    return here is not there and here is not None and there is not None and here.device_of(a) != there.device_of(b)


def in_use() -> dict[str, Backend]:
    """Device kind -> backend."""
    return dict(_in_use)


# ---- what a primitive asks for -----------------------------------------------------------------------------------------


def _find(prim: Primitive, array_type: type) -> Callable[..., Any]:
    if array_type in promotion.WEAK or array_type is complex:
        return lambda *args, **params: _by_other_operands(prim, args, params)
    try:
        backend = of_type(array_type)
    except KeyError:
        raise errors.UnsupportedError(
            f"{prim.name}: cannot compute with {array_type.__module__}.{array_type.__qualname__}; expected tensors, numbers or arrays of {', '.join(b.name for b in _in_use.values())}. Convert it: gg.asarray(x)"
        ) from None
    return backend.implementation(prim, array_type)


def _by_other_operands(prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    for a in [args[k] for k in prim.same] + list(args):  # the operands that set the dtype before a mask
        if type(a) not in promotion.WEAK and type(a) is not complex:
            return prim.impl[type(a)](*args, **params)
    return prim.impl[type(on("cpu").asarray(0.0))](*args, **params)


def _rescue(prim: Primitive, args: Sequence[Any], params: dict[str, Any], error: Exception) -> Any:
    """After a failed call: once more with promoted operands, or the error in the words of section "Errors"."""
    lead = _by_type.get(type(args[prim.leads]))
    if lead is None or not lead.absorbs:
        for a in args:
            found = _by_type.get(type(a))
            if found is not None and found.absorbs:
                return prim.impl[type(a)](*args, **params)
    if isinstance(error, errors.GpugradError | Warning):
        raise error
    promoted = promotion.promote(prim, args) if prim.same else None
    if promoted is not None:
        return bind(prim, promoted, params)
    raise explained(prim, args, params, error) from error


def _together(prim: Primitive, args: Sequence[Any]) -> None:
    """DeviceError if arrays are on two devices."""
    first: Any = None
    for v in args:
        a = raw_of(v)
        found = _by_type.get(type(a))
        if found is None:
            continue
        if found.absorbs:
            return  # what is constant while a program is made goes where the program runs
        if first is not None and found.device_of(a) != first:
            raise explained(prim, [raw_of(v) for v in args], {}, TypeError())
        first = found.device_of(a)


def _prefers(prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> bool:
    raw = raw_of(args[prim.leads])
    found = _by_type.get(type(raw))
    if found is not None and found.absorbs:  # what is written down for a program, which runs somewhere else
        found = on(found.device_of(raw))
    return found is not None and found.prefers(prim, args, params)


def explained(prim: Primitive, args: Sequence[Any], params: dict[str, Any], error: Exception) -> Exception:
    """``error`` as the user should read it: operation, shapes, dtypes, devices, what was expected."""
    arrays = [a for a in args if hasattr(a, "shape")]
    devices = sorted({of(a).device_of(a) for a in arrays if is_array(a)})
    what = ", ".join(f"{a.dtype}{list(a.shape)}" if hasattr(a, "shape") else repr(a) for a in args)
    given = f"{prim.name}({what}{''.join(f', {k}={v!r}' for k, v in params.items())})"
    if len(devices) > 1:
        return errors.DeviceError(
            f"{given}: tensors of two devices, {' and '.join(devices)}; expected one. Move one: t.to({devices[0]!r})"
        )
    if isinstance(error, MemoryError):
        return error
    cause = str(error).split("\n", 1)[0]
    if prim.kind == "elementwise" and len(arrays) > 1:
        try:
            prim.shape(*(a.shape for a in arrays))
        except errors.ShapeError as mismatch:
            return mismatch
    kind: type[Exception] = errors.GpugradError
    if isinstance(error, IndexError):
        kind = errors.AxisError
    elif isinstance(error, TypeError):
        kind = errors.DtypeError
        if cause.startswith("ufunc "):  # NumPy's words about its own types
            cause = f"not for operands of {' and '.join(dict.fromkeys(str(a.dtype) for a in arrays))}. Cast one: x.astype(...)"
    elif isinstance(error, OverflowError):
        kind, cause = errors.DtypeError, f"{cause}; expected a number that fits. Cast the array to a wider dtype"
    elif isinstance(error, ValueError):
        kind = errors.ShapeError
    return kind(f"{given}: {cause}")


Resolver.find = staticmethod(_find)
Resolver.rescue = staticmethod(_rescue)
Resolver.together = staticmethod(_together)
Resolver.prefers = staticmethod(_prefers)
