"""The libraries beside which gpugrad is measured: what each has to prepare, on the same numbers.

A module ``peer_<library>`` has the ways to use a library, with ``peers()``; nothing else imports the library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import gpugrad as gg
from gpugrad.bench.records import Case
from gpugrad.bench.workloads import Workload

Call = Callable[[], Any]

LIBRARIES = {
    "torch": "pip install torch",
    "torch.compile": "pip install torch",
    "jax": 'pip install jax, for a GPU "jax[cuda13]"',
    "autograd": "pip install autograd",
    "cupy": 'pip install "gpugrad[cuda13]"',
}
"""Library, or a way to use it -> how to install it."""


class Peer(Protocol):
    """A library, or a way to use it."""

    name: str

    def wait(self) -> None:
        """Return when all of its work is done."""

    def calls(self, workload: Workload, case: Case, inputs: Sequence[tuple[Any, ...]]) -> list[Call] | str:
        """A call for each of the inputs (NumPy arrays, floats in float32), or why there is none.

        They run one program, which is made the first time that a case is asked for, and trains on from round to round.

        A call gives what gpugrad's gives: an array; of "gradient" the value and the gradient in the first argument; of "step"
        the loss, and where there is none the parameters.
        """


def found(names: Iterable[str]) -> tuple[list[Peer], list[str]]:
    """The peers of those of ``LIBRARIES`` that are installed, and for each other one why it is left out."""
    there: list[Peer] = []
    missing = []
    for name in names:
        library = name.partition(".")[0]
        try:
            importlib.import_module(library)
        except ModuleNotFoundError:
            missing.append(f"{name}: is not installed; {LIBRARIES[name]}")
        except (ImportError, OSError) as error:
            missing.append(f"{name}: {told(error)}; to install it again: {LIBRARIES[name]}")
        else:
            ways = importlib.import_module(f"gpugrad.bench.peer_{library}").peers()
            there += [peer for peer in ways if peer.name == name]
    return there, missing


def parameters(workload: Workload, case: Case) -> dict[str, Any]:
    """The parameters with which gpugrad's step begins, as NumPy arrays by name."""
    gg.random.seed(0)
    return {name: p.numpy() for name, p in workload.function(case.size).state_dict().items()}


def unwritten(workload: Workload, library: str) -> str:
    """Why there is no call for a workload that a library's module does not know."""
    return f"{workload.name} is not written for {library}"


def told(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
