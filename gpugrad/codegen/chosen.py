"""What of a pass over a row is done at the one element that an index names, and not at each.

Of a class among the scores of its row a kernel asks at each element whether that is the one: a sum of what is zero
elsewhere picks it, and a choice between a value and zero places it. A GPU does this once for a row: the thread that
comes to the element computes there what is picked, and what is written there; the loops over the row are those of all
other elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpugrad.codegen.loops import ELEMENT, REDUCTIONS, Array, LoopKernel, Step

_OF_ZERO = frozenset({"negative", "cast", "round_float16", "round_bfloat16"})
"""What makes a zero of a zero."""


@dataclass(frozen=True)
class Chosen:
    """An element of a row that an index names, in a pass."""

    index: Step
    sums: tuple[Step, ...]
    """The sums over the row that are what there is here, as all else is zero."""
    writes: tuple[tuple[Step, Array], ...]
    """What is written here, and nowhere else."""
    steps: tuple[Step, ...]
    """What they are computed from here, in order."""


@dataclass(frozen=True)
class Pass:
    """A pass over a row."""

    steps: tuple[Step, ...]
    """What is computed for each element, in order; those in ``elsewhere`` as at an element that no index names."""
    elsewhere: frozenset[int]
    """id of each test whether an element is the one, which it is not."""
    chosen: tuple[Chosen, ...]


def divided(k: LoopKernel, turn: int) -> Pass:
    """What pass ``turn`` does at each element, and at those alone that an index names."""
    needed = k.needed_in(turn)
    ends = [s for s in k.steps if s.op in REDUCTIONS and s.turn == turn + 1]
    writes = [(s, a) for s, a in k.writes if s.level == ELEMENT and s.turn == turn]
    tests = {id(s): s.operands[1] for s in needed if _asks(s)}
    """id of a test -> the index."""
    if not tests or not any(s.op in REDUCTIONS for s in k.steps):  # where nothing is reduced, no thread comes to rows
        return Pass(tuple(needed), frozenset(), ())
    named = _named(k, needed, tests, turn)
    zero = _zero_elsewhere(needed, tests)
    sums = [s for s in ends if s.op == "reduce_sum" and _one(zero, s) is not None]
    patched = [(s, a) for s, a in writes if named[id(s)]]
    kept = [s for s in needed if id(s) in k.kept and s.turn == turn and named[id(s)]]
    mixed = kept or any(k.sums_rows(s, a) or a.scratch for s, a in patched)
    mixed = mixed or any(named.get(id(s.operands[0])) for s in ends if s not in sums)
    if mixed:  # of what is added up or kept, each element is wanted as it is
        patched = []
    off = frozenset() if mixed else frozenset(tests)
    bare = k.without_scratch()  # a row of it may be in registers, whose element here is computed again
    all_needed = bare.needed_in(turn)
    out = []
    for index in {id(x): x for x in tests.values()}.values():
        mine = tuple(s for s in sums if _one(zero, s) is index)
        here = tuple((s, a) for s, a in patched if index in named[id(s)])
        steps = _closure(bare, all_needed, [*(s.operands[0] for s in mine), *(s for s, _ in here)], turn, frozenset())
        if mine or here:
            out.append(Chosen(index, mine, here, tuple(steps)))
    gone = {id(s) for c in out for s in c.sums}
    targets = [s.operands[0] for s in ends if id(s) not in gone] + [s for s, _ in writes]
    targets += [s for s in needed if id(s) in k.kept and s.turn == turn]
    return Pass(tuple(_closure(k, needed, targets, turn, off)), off, tuple(out))


def read_in(k: LoopKernel, turn: int) -> list[Array]:
    """The arrays whose elements are all read in a pass."""
    return [s.operands[0] for s in divided(k, turn).steps if s.op == "read"]


def _asks(s: Step) -> bool:
    """Whether a step tests if an element is the one that an index of its row names."""
    if s.op != "equal" or not all(type(x) is Step for x in s.operands):
        return False
    position, index = s.operands
    return bool(position.op == "position_in_row" and index.level != ELEMENT)


def _again(k: LoopKernel, s: Step, turn: int) -> bool:
    """Whether a pass computes a step, and does not read what an earlier one has kept."""
    return not (id(s) in k.kept and s.turn < turn)


def _named(k: LoopKernel, needed: Sequence[Step], tests: dict[int, Step], turn: int) -> dict[int, list[Step]]:
    """id of each step -> the indices that it depends on in a pass."""
    out: dict[int, list[Step]] = {}
    for s in needed:
        found = [tests[id(s)]] if id(s) in tests else []
        if _again(k, s, turn):
            found += [x for o in s.operands for x in out.get(id(o), [])]
        out[id(s)] = list({id(x): x for x in found}.values())
    return out


def _zero_elsewhere(needed: Sequence[Step], tests: dict[int, Step]) -> dict[int, Step]:
    """id of each step that is zero but at the element that an index names -> the index."""
    out: dict[int, Step] = {}
    for s in needed:
        if s.op == "where" and id(s.operands[0]) in tests and type(s.operands[2]) is not Step and s.operands[2] == 0:
            out[id(s)] = tests[id(s.operands[0])]
        elif s.op in _OF_ZERO and id(s.operands[0]) in out:
            out[id(s)] = out[id(s.operands[0])]
    return out


def _one(zero: dict[int, Step], s: Step) -> Step | None:
    """The index that names the only element which a sum is of."""
    return zero.get(id(s.operands[0]))


def _closure(
    k: LoopKernel, needed: Sequence[Step], targets: Sequence[Step], turn: int, off: frozenset[int]
) -> list[Step]:
    """The steps that targets are computed from in a pass, and they themselves, where tests in ``off`` are false."""
    wanted = set(map(id, targets))
    out = []
    for s in reversed(needed):
        if id(s) in wanted:
            out.append(s)
            if _again(k, s, turn) and id(s) not in off:
                operands = s.operands[2:] if s.op == "where" and id(s.operands[0]) in off else s.operands
                wanted.update(id(x) for x in operands if type(x) is Step)
    return out[::-1]
