"""A run: the cases that were asked for, prepared, checked to agree, and measured in rounds that take turns."""

from __future__ import annotations

import functools as ft
import itertools as it
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad import dtypes, errors, pytree
from gpugrad.backends.select import synchronize
from gpugrad.bench import limits
from gpugrad.bench.measure import Timed
from gpugrad.bench.peers import Peer, told
from gpugrad.bench.records import Case, Record, Results
from gpugrad.bench.workloads import Workload, way_of
from gpugrad.graph.work import Work
from gpugrad.tensor import Tensor
from gpugrad.transforms.cells import Cells
from gpugrad.transforms.jit import jit

MOST_INPUTS = 8
"""Arrays that take turns at most, so that none is found in the caches."""
TOLERANCE = {"float64": 1e-8, "float32": 2e-3, "float16": 5e-2, "bfloat16": 5e-2}
"""How far the libraries may be apart, relative to the largest element."""

Calls = dict[str, tuple[list[Callable[[], Any]], Callable[[], Any]]]
"""Library -> its call for each of the inputs, and what returns when their work is done."""


@dataclass(frozen=True)
class Prepared:
    """A case that is ready to be measured."""

    calls: Calls
    work: Work
    peak: int
    touched: int
    """As :class:`Record` has them, of gpugrad's program."""


@dataclass(frozen=True)
class Settings:
    """What is measured, and for how long."""

    workloads: Sequence[Workload]
    devices: Sequence[str] = ("cpu",)
    dtypes: Sequence[str] = ()
    """Those that are asked for; all of each workload if there are none."""
    peers: Sequence[Peer] = ()
    quick: bool = False
    eager: bool = True
    seconds: float = 0.25
    """For each case."""
    rounds: int = 5
    """How often all is prepared anew and measured for a part of that time.

    What else the machine does for some seconds, and where in memory arrays happen to lie, falls on one round of a case.
    """


@dataclass
class Session:
    """A run that is under way; ``results`` has what there is of it at any moment."""

    settings: Settings
    results: Results
    told: Callable[[str, int, int], None] = lambda what, done, all: None
    """Is told what comes next, and how many groups are done of how many, all rounds counted."""
    refused: set[Case] = field(default_factory=set)
    """What is left out of further rounds."""
    records: dict[Case, Record] = field(default_factory=dict)

    def run(self) -> None:
        """Measure all of it. What is interrupted keeps what was measured."""
        groups = list(self.groups())
        turns = [(n, *group) for n in range(self.settings.rounds) for group in groups]
        try:
            for device in self.settings.devices:
                self.told(f"limits of {device}", 0, len(turns))
                wanted = sorted({d for _, _, dev, d in groups if dev == device})
                self.results.limits[device] = limits.measured(device, wanted, self.settings.seconds)
            for k, (n, workload, way, device, dtype) in enumerate(turns):
                self.told(f"{workload.name}, {way}, {dtype}, {device}, round {n + 1}", k, len(turns))
                self.group(workload, way, device, dtype)
            self.told("", len(turns), len(turns))
        except KeyboardInterrupt:
            self.results.interrupted = True

    def groups(self) -> Iterator[tuple[Workload, str, str, str]]:
        """Workload, way, device and dtype of what is measured in turns."""
        s = self.settings
        for device, workload in it.product(s.devices, s.workloads):
            wanted = [d for d in workload.dtypes if not s.dtypes or d in s.dtypes]
            for way, dtype in it.product(workload.ways, wanted[:1] if s.quick and not s.dtypes else wanted):
                yield workload, way, device, dtype

    def group(self, workload: Workload, way: str, device: str, dtype: str) -> None:
        """One round of all sizes by all libraries, from the smallest on."""
        for size in workload.quick if self.settings.quick else workload.sizes:
            case = Case(workload.name, way, "gpugrad", device, dtype, size)
            if case in self.refused:
                return
            try:
                self.measured(workload, case)
            except MemoryError:  # gpugrad's own of a device is one, too
                self.results.left_out.append(f"{_named(case)}: not enough memory")
                self.refused.add(case)
                return

    def measured(self, workload: Workload, case: Case) -> None:
        """One round of a case, by all libraries."""
        found = self.prepared(workload, case)
        work = found.work
        for library, (turns, wait) in found.calls.items():
            one = replace(case, library=library)
            timed = Timed(turns, wait)
            timed.round(self.settings.seconds / self.settings.rounds)
            if one not in self.records:
                record = Record(one, [], work.bytes, work.products, work.operations, found.peak, found.touched)
                self.records[one] = record
                self.results.records.append(record)
            self.records[one].rounds.extend(timed.rounds)

    def prepared(self, workload: Workload, case: Case) -> Prepared:
        """Each library's calls, which are checked to agree the first time."""
        inputs = self.inputs(workload, case)
        program = ft.partial(way_of, workload, case.way, case.size, case.dtype, case.device)
        calls: Calls = {}
        programs = {"gpugrad": program()}
        compiled = jit(programs["gpugrad"])
        ours = [tuple(_array(a, case) for a in arrays) for arrays in inputs]
        work, peak = compiled.work(*ours[0]), compiled.memory(*ours[0]).peak
        touched = peak + (len(ours) - 1) * sum(t.nbytes for t in ours[0])
        calls["gpugrad"] = [ft.partial(compiled, *args) for args in ours], synchronize
        if self.settings.eager:
            eager = programs["gpugrad eager"] = program()
            calls["gpugrad eager"] = [ft.partial(eager, *args) for args in ours], synchronize
        for peer in self.settings.peers:
            if replace(case, library=peer.name) in self.refused:
                continue
            made = _tried(ft.partial(peer.calls, workload, case, inputs))
            if isinstance(made, str):
                self.leave_out(case, peer.name, f"{peer.name}: {made}")
            else:
                calls[peer.name] = made, peer.wait
        if case not in self.records:
            self.check(case, calls, programs)
        return Prepared(calls, work, peak, touched)

    def leave_out(self, case: Case, library: str, what: str) -> None:
        self.refused.add(replace(case, library=library))
        if what not in self.results.left_out:
            self.results.left_out.append(what)

    def inputs(self, workload: Workload, case: Case) -> list[tuple[Any, ...]]:
        """NumPy arrays, as many times as keep them out of the caches, where that is the question."""
        rng = np.random.default_rng(0)
        first = workload.data(case.size, rng)
        nbytes = sum(a.nbytes for a in first)
        turns = -(-2 * limits.cache(case.device) // max(nbytes, 1)) if workload.bound == "bandwidth" else 1
        return [first, *(tuple(_turned(a, k) for a in first) for k in range(1, min(turns, MOST_INPUTS)))]

    def check(self, case: Case, calls: Calls, programs: dict[str, Callable[..., Any]]) -> None:
        """Leave out the libraries that fail, or whose first results are not gpugrad's.

        ArgumentError if gpugrad's own two are apart.
        """
        wanted = _first(case, calls["gpugrad"][0][0], programs["gpugrad"])
        for library in [name for name in calls if name != "gpugrad"]:
            first = ft.partial(_first, case, calls[library][0][0], programs.get(library))
            found = first() if library in programs else _tried(first)
            if isinstance(found, str):
                self.leave_out(case, library, f"{_named(case)}: {library} fails: {found}")
                del calls[library]
                continue
            apart = _apart(found, wanted, TOLERANCE[case.dtype])
            if not apart:
                continue
            if library in programs:
                raise errors.ArgumentError(f"{_named(case)}: compiled and eager results differ: {apart}")
            said = f"{_named(case)}: refused, since {library} computes something else: {apart}"
            self.leave_out(case, library, said)
            del calls[library]


def _tried(call: Callable[[], Any]) -> Any:
    """What a peer gives, or what it says when it fails: no peer ends the run."""
    try:
        return call()
    except MemoryError:
        raise
    except Exception as error:
        return told(error)


def _first(case: Case, call: Callable[[], Any], program: Callable[..., Any] | None) -> list[Any]:
    """The numbers of the first result; of a step also how those of the second differ, which tells what it has updated.

    A step of gpugrad's that gives nothing stands for its parameters.
    """

    def numbers() -> list[Any]:
        out = call()
        return _numbers(_parameters(program) if out is None and program is not None else out)

    first = numbers()
    return [*first, *(b - a for a, b in zip(first, numbers(), strict=True))] if case.way == "step" else first


def _parameters(program: Callable[..., Any]) -> list[Any]:
    """Those that a step reaches, each once."""
    held = (slot.get() for slot in Cells(program).slots)
    return [*{id(t): t for t in held if isinstance(t, Tensor) and t.requires_grad}.values()]


def _named(case: Case) -> str:
    return f"{case.workload}, {case.way}, {case.dtype}, {case.device}, {case.size:,}"


def _turned(a: Any, k: int) -> Any:
    """The same numbers from another place on: as random as they were, and sooner there."""
    return np.roll(a, k * 1021, axis=0) if a.ndim else a + a.dtype.type(k)


def _array(a: Any, case: Case) -> Any:
    return gg.tensor(a, dtype=case.dtype if a.dtype.kind == "f" else None, device=case.device)


def _numbers(out: Any) -> list[Any]:
    """The arrays of a result, of any library, as float64."""
    return [_host(leaf) for leaf in pytree.leaves(out) if leaf is not None]


def _host(x: Any) -> Any:
    if isinstance(x, Tensor):
        x = x.detach().to("cpu").numpy()
    elif type(x).__module__.startswith("torch"):
        x = x.detach().cpu().double().numpy()
    elif type(x).__module__.startswith("cupy"):
        x = x.get()
    return np.array(x, dtype=np.complex128 if dtypes.dtype(np.asarray(x).dtype).kind == "c" else np.float64)


def _apart(found: list[Any], wanted: list[Any], tolerance: float) -> str:
    """In what results differ; "" if they agree."""
    if [a.shape for a in found] != [b.shape for b in wanted]:
        return f"shapes {[a.shape for a in found]}; expected {[b.shape for b in wanted]}"
    for a, b in zip(found, wanted, strict=True):
        scale = float(np.max(np.abs(b), initial=1e-3))
        worst = float(np.max(np.abs(a - b), initial=0.0))
        if not worst <= tolerance * scale:
            return f"{worst:.3g} apart, where the largest element is {scale:.3g}"
    return ""
