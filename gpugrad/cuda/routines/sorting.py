"""Sorting of positions along an axis, as the first part of a routine; see ``kernels/cuda/sorting.cuh``."""

from __future__ import annotations

import ctypes
from typing import Any

from gpugrad.codegen.gpu_launch import Launch
from gpugrad.cuda.routines.routine import Scratch, Written

DIGIT = 4
"""Bits in a round."""
ITEMS = 16
"""Elements of a tile for each thread."""


def sorted_positions(written: Written, index: Any, count: int, size: int) -> tuple[Scratch, Scratch]:
    """Launches that sort ``count`` positions below ``size``: where the sorted ones lie, and where their places before."""
    threads = written.device.threads
    tiles = -(-count // (threads * ITEMS))
    counts = Scratch(4 * tiles << DIGIT)
    keys: Any = index
    places: Any = ctypes.c_void_p(0)
    spare = [(Scratch(4 * count), Scratch(4 * count)) for _ in range(2)]
    grid, block, n = (tiles, 1), (threads, 1), ctypes.c_int(count)
    made: set[str] = set()
    for shift in range(0, max(1, (size - 1).bit_length()), DIGIT):
        key, kind = ("long long", "first") if keys is index else ("int", "next")
        if kind not in made:
            made.add(kind)
            written.function(
                f"count_{kind}",
                f"const {key}* keys, int* counts, int n, int shift",
                f"sort_count<{threads}>(keys, counts, n, shift);",
            )
            written.function(
                f"move_{kind}",
                f"const {key}* keys, const int* order, const int* counts, int* sorted, int* places, int n, int shift",
                f"sort_move<{threads}>(keys, order, counts, sorted, places, n, shift);",
            )
        if "sum" not in made:
            made.add("sum")
            written.function("sum", "int* counts, int n", f"sort_sum<{threads}>(counts, n);")
        to = spare[0]
        spare.reverse()
        written.call(Launch(f"count_{kind}", grid, block), keys, counts, n, ctypes.c_int(shift))
        written.call(Launch("sum", (1, 1), block), counts, ctypes.c_int(tiles << DIGIT))
        written.call(Launch(f"move_{kind}", grid, block), keys, places, counts, *to, n, ctypes.c_int(shift))
        keys, places = to
    return keys, places
