"""Random words, and keys from keys, bit for bit as on the host; see ``kernels/cuda/philox.cuh``."""

from __future__ import annotations

import ctypes
import math

from gpugrad.codegen.gpu_launch import Device
from gpugrad.cuda.routines.routine import Routine, Writer, Written, simple, stored
from gpugrad.graph.ir import Line


def _random_bits(line: Line, device: Device) -> Routine | None:
    (key,), (out,) = line.operands, line.results
    if not simple(line):
        return None
    keys, count = math.prod(key.shape[:-1]), math.prod(line.params["shape"])
    written = Written("philox.cuh", keys * count, device)
    written.function(
        "kernel",
        f"const unsigned* key, {stored(out)}* out, Index keys, Index count",
        "random_bits(key, out, keys, count);",
    )
    written.over(keys * -(-count * line.params["width"] // 128), "kernel", key, out, keys, count)
    return written.done()


def _random_below(line: Line, device: Device) -> Routine | None:
    (key,), (out,) = line.operands, line.results
    if not simple(line):
        return None
    keys, count, span = math.prod(key.shape[:-1]), math.prod(line.params["shape"]), line.params["span"]
    written = Written("philox.cuh", keys * count, device)
    written.function(
        "kernel",
        "const unsigned* key, unsigned long long* out, Index keys, Index count, unsigned long long span, unsigned long long last",
        "random_below(key, out, keys, count, span, last);",
    )
    last = 2**64 - 2**64 % span - 1
    word = ctypes.c_ulonglong
    written.over(keys * count, "kernel", key, out, keys, count, word(span % 2**64), word(last))
    return written.done()


def _split_key(line: Line, device: Device) -> Routine | None:
    (key,), (out,) = line.operands, line.results
    if not simple(line):
        return None
    keys, count = math.prod(key.shape[:-1]), line.params["count"]
    written = Written("philox.cuh", 2 * keys * count, device)
    written.function(
        "kernel",
        "const unsigned* key, unsigned* out, Index keys, Index count",
        "split_key(key, out, keys, count);",
    )
    written.over(keys * count, "kernel", key, out, keys, count)
    return written.done()


def _fold_key(line: Line, device: Device) -> Routine | None:
    key, number = line.operands
    (out,) = line.results
    if not simple(line):
        return None
    n, keys, numbers = math.prod(out.shape[:-1]), math.prod(key.shape[:-1]), math.prod(number.shape)
    if {keys, numbers} - {1, n}:
        return None  # each of them for several of the others
    written = Written("philox.cuh", 2 * n, device)
    written.function(
        "kernel",
        f"const unsigned* key, const {stored(number)}* number, unsigned* out, Index n, Index keys, Index numbers",
        "fold_key(key, number, out, n, keys, numbers);",
    )
    written.over(n, "kernel", key, number, out, n, keys, numbers)
    return written.done()


ROUTINES: dict[str, Writer] = {
    "fold_key": _fold_key,
    "random_below": _random_below,
    "random_bits": _random_bits,
    "split_key": _split_key,
}
