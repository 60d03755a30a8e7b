"""Prints the seconds that the first training step of an MLP takes in this process, after imports.

python benchmarks/first_call.py "gpugrad jit"
"""

from __future__ import annotations

import sys
import time
from functools import partial


def main(library: str) -> None:
    import networks

    import gpugrad as gg

    data = partial(networks.vectors, 128, 64)
    if library.startswith("gpugrad"):
        make = lambda: networks.our_step(partial(networks.perceptron, gg.nn, 128), data, True)
    elif library.startswith("torch"):
        make = lambda: networks.torch_step(partial(networks.perceptron, networks.torch.nn, 128), data, True)
    else:
        make = lambda: networks.jax_step(partial(networks.jax_perceptron, 128), data)
    step = make()
    began = time.perf_counter()
    step()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1])
