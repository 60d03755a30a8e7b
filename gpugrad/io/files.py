"""Files in the safetensors format: https://huggingface.co/docs/safetensors. Eight bytes that say how long a header of
JSON is, the header (name, dtype, shape and place of each tensor, and strings as metadata), then the numbers.

A description of the containers that the tensors were in goes into the metadata, under ``gpugrad``. A file that is read
is taken for hostile: nothing in it is run, and whatever does not hold raises FormatError before a tensor is made.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.io import structure
from gpugrad.io.atomic import written
from gpugrad.trace import value
from gpugrad.transforms.tape import EAGER

OUR_KEY = "gpugrad"
VERSION = 1
LONGEST_HEADER = 100_000_000
"""Bytes, as in the reference implementation."""

_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64",
}  # fmt: skip

_FOREIGN = {
    b"\x80\x02": "a pickle, which gpugrad never opens", b"\x80\x03": "a pickle, which gpugrad never opens",
    b"\x80\x04": "a pickle, which gpugrad never opens", b"\x80\x05": "a pickle, which gpugrad never opens",
    b"PK\x03\x04": "a zip archive (as torch.save and numpy.savez write)", b"\x93NUMPY": "an array that numpy.save wrote",
    b"\x89HDF": "an HDF5 file", b"\x1f\x8b": "a gzip archive",
}  # fmt: skip

Path = str | os.PathLike[str]


def _package() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise errors.missing_extra("safetensors", "train", "gg.io") from None
    return safetensors


# ---- saving -----------------------------------------------------------------------------------------------------------


def save(tree: Any, path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write a tensor, or a nest of dictionaries, lists and tuples of tensors, numbers, strings and None, to a file.

    A kill or a power cut at any moment leaves the file that was there, or the new one, whole. ``metadata`` are strings
    for other programs; they read the tensors too, under names such as ``model.0.weight``. float16 and bfloat16 are kept.

    Raises UnsupportedError for another type and DtypeError for a dtype that the format does not have, both with the
    place, OSError if the file cannot be written; the old file is then as it was.

    >>> import gpugrad as gg, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "w.safetensors")
    >>> gg.io.save([gg.tensor([1, 2]), "two"], path, metadata={"author": "me"})
    >>> gg.io.load(path), gg.io.read_metadata(path)
    ([tensor([1, 2]), 'two'], {'author': 'me'})
    """
    strings = dict(metadata or {})
    if OUR_KEY in strings or not all(isinstance(s, str) for pair in strings.items() for s in pair):
        raise errors.UnsupportedError(
            f"save: metadata={strings!r}; expected strings by strings other than {OUR_KEY!r}. Numbers can go into the tree"
        )
    try:
        arrays, description = structure.taken_apart(tree)
    except RecursionError:
        raise errors.UnsupportedError("save: containers that are nested too deep, or hold themselves") from None
    strings[OUR_KEY] = json.dumps({"version": VERSION, "tree": description})
    package = _package()
    name = os.fsdecode(path)
    try:
        written(name, lambda temporary: package.numpy.save_file(arrays, temporary, strings))
    except package.SafetensorError as error:
        raise OSError(f"{name}: could not be written: {error}") from error
    except UnicodeEncodeError as error:
        raise errors.UnsupportedError(f"save: {error.object!r} as a name; expected text that UTF-8 can hold") from None


def save_model(model: Any, path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write what ``model.state_dict()`` gives; :func:`load_model` reads it into a model like it.

    >>> import gpugrad as gg, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> gg.io.save_model(gg.nn.Linear(2, 3), path)
    >>> gg.io.load_model(gg.nn.Linear(2, 3), path)
    """
    if not hasattr(model, "state_dict"):
        raise errors.UnsupportedError(
            f"save_model: {type(model).__name__} has no state_dict; expected a module. gg.io.save takes nests of tensors"
        )
    save(model.state_dict(), path, metadata=metadata)


# ---- loading ----------------------------------------------------------------------------------------------------------


def load(path: Path, *, device: str = "cpu") -> Any:
    """What :func:`save` wrote, with tensors on ``device``; of a file from another program, its tensors by name.

    Raises FormatError, which names the file and the reason, for one that is cut short, damaged, hostile or of another
    format, and FileNotFoundError if there is none. Nothing in a file is ever run.

    >>> import gpugrad as gg, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("Dear diary")
    >>> gg.io.load(path)
    Traceback (most recent call last):
        ...
    gpugrad.errors.FormatError: ...notes.txt: is not a safetensors file: it begins with b'Dear dia'...
    """
    name = os.fsdecode(path)
    package = _package()
    place = select.resolve(device)
    with open(name, "rb") as file:
        header = _header(file, name)
        file.seek(0)
        data = file.read()
    try:
        found = package.deserialize(data)
    except package.SafetensorError as error:
        raise _refused(name, f"is damaged: {error}") from None
    arrays = {key: _array(name, key, spec) for key, spec in found}

    def make(array: Any) -> Any:
        backend = select.on(place)
        return value(backend.to_device(backend.asarray(array), select.resolve(place)), EAGER, None)

    described = header["__metadata__"].get(OUR_KEY)
    if described is None:
        return {key: make(array) for key, array in arrays.items()}
    return _rebuilt(name, described, arrays, make)


def load_model(model: Any, path: Path, *, strict: bool = True, device: str = "cpu") -> None:
    """Give a model the parameters and buffers in a file, by ``model.load_state_dict``; with ``strict``, all of them.

    Raises FormatError that names the file and every name that is missing, unexpected or of another shape, before
    anything is changed.
    """
    state = load(path, device=device)
    name = os.fsdecode(path)
    if not isinstance(state, dict) or not all(type(t) is trace.Tensor for t in state.values()):
        raise _refused(
            name,
            "does not hold the state of a model: expected tensors by name, as save_model writes them. gg.io.load reads it",
        )
    try:
        model.load_state_dict(state, strict=strict)
    except errors.FormatError as error:
        raise errors.FormatError(f"{name}: {error}") from None


def read_metadata(path: Path) -> dict[str, str]:
    """The strings that were saved with a file, reading only its header. Raises as :func:`load`."""
    name = os.fsdecode(path)
    with open(name, "rb") as file:
        strings = _header(file, name)["__metadata__"]
    return {k: v for k, v in strings.items() if k != OUR_KEY}


def _refused(name: str, reason: str) -> errors.FormatError:
    return errors.FormatError(f"{name}: {reason}")


def _header(file: BinaryIO, name: str) -> Any:
    """The header of an open file, which is of the form that the format prescribes."""
    size = os.fstat(file.fileno()).st_size
    start = file.read(9)
    if not start:
        raise _refused(name, "is empty (0 bytes): nothing was ever written, or it was cut short")
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9:
        raise _refused(
            name, f"is cut short: it has {size} bytes; expected 8 for the length of a header, and the header"
        )
    if start[8:] != b"{":
        for magic, what in _FOREIGN.items():
            if start.startswith(magic):
                raise _refused(name, f"is {what}, not a safetensors file")
        raise _refused(name, f"is not a safetensors file: it begins with {start[:8]!r}")
    if length > LONGEST_HEADER:
        raise _refused(name, f"is damaged: its header claims {length} bytes; expected at most {LONGEST_HEADER}")
    if length > size - 8:
        raise _refused(name, f"is cut short: its header claims {length} bytes, and {size - 8} follow")
    file.seek(8)
    try:
        header = json.loads(file.read(length).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refused(name, f"is damaged: its header is not JSON ({error})") from None
    _check_size(header, size - 8 - length, name)
    strings = header.setdefault("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(strings, dict) or not all(isinstance(v, str) for v in strings.values()):
        raise _refused(name, "is damaged: its header is not an object with strings as metadata")
    return header


def _check_size(header: Any, follow: int, name: str) -> None:
    """Before they are read: that as many bytes follow as the header describes."""
    described = list(header.values()) if isinstance(header, dict) else []
    offsets = [spec["data_offsets"] for spec in described if isinstance(spec, dict) and "data_offsets" in spec]
    ends = [pair[1] for pair in offsets if isinstance(pair, list) and len(pair) == 2 and type(pair[1]) is int]
    end = max(ends, default=0)
    if len(ends) == len(offsets) and end != follow:
        kind = "cut short" if follow < end else "damaged"
        raise _refused(name, f"is {kind}: {follow} bytes follow its header, which describes {end}")


def _array(name: str, key: str, spec: Mapping[str, Any]) -> Any:
    """A tensor's numbers as a NumPy array."""
    kind = _DTYPES.get(spec["dtype"])
    if kind is None:
        raise _refused(name, f"holds a tensor {key!r} of dtype {spec['dtype']}; expected one of {', '.join(_DTYPES)}")
    shape, data = tuple(spec["shape"]), spec["data"]
    numbers = np.frombuffer(data, np.uint8 if kind == "bool" else dtypes.dtype(kind))
    try:
        array = numbers.reshape(shape)
    except ValueError as error:  # more axes than NumPy has, or sizes beyond its integers beside one that is 0
        raise _refused(name, f"holds a tensor {key!r} of shape {shape}, which cannot be an array: {error}") from None
    if kind == "bool":  # any byte may stand in the file, only two in an array
        return array != 0
    return array if sys.byteorder == "little" else array.byteswap()


def _rebuilt(name: str, described: str, arrays: Mapping[str, Any], make: Callable[[Any], Any]) -> Any:
    try:
        found = json.loads(described)
        if not isinstance(found, dict) or found.get("version") != VERSION:
            version = found.get("version") if isinstance(found, dict) else None
            raise structure.Damaged(
                f"its description is of version {version!r}; expected {VERSION}. A later gpugrad may read it"
            )
        return structure.put_together(found.get("tree"), arrays, make)
    except (ValueError, RecursionError) as error:
        raise _refused(name, f"is damaged: its description is not JSON, or is too deep ({error})") from None
    except structure.Damaged as error:
        raise _refused(name, f"is damaged: {error}") from None
