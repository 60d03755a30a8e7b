"""What a GPU is told to do: the machine code of a text of CUDA C++, read by NVIDIA's disassembler, without a GPU.

The functions of a text are read instruction by instruction, with the loops among them, so that tests and tables can say
how many bytes an instruction reads, how many instructions an element takes, and how many threads have registers enough.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gpugrad.cuda import nvrtc
from gpugrad.cuda.host import together
from gpugrad.errors import DeviceError, MissingExtraError

_BYTES = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16, "256": 32}
_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:(@!?U?P\w+)\s+)?([A-Z][\w.]*)([^;]*);")
_LABEL = re.compile(r"^(\.L_\w+):")


@dataclass(frozen=True)
class Instruction:
    """One instruction."""

    name: str
    """As "LDG.E.128": what it does, and how."""
    operands: str
    guarded: bool
    """Whether it depends on a predicate."""

    @property
    def kind(self) -> str:
        """What it does: the name up to the first point."""
        return self.name.partition(".")[0]

    @property
    def bytes(self) -> int:
        """How many bytes a thread reads or writes; 0 for what is no access to memory."""
        if self.kind not in ("LDG", "LDGSTS", "STG", "LDS", "STS", "LDL", "STL", "LD", "ST"):
            return 0
        return next((_BYTES[part] for part in self.name.split(".") if part in _BYTES), 4)


@dataclass(frozen=True)
class Function:
    """A kernel of a text."""

    name: str
    instructions: tuple[Instruction, ...]
    targets: dict[int, int]
    """The position of a branch -> that of the instruction that it goes to."""
    registers: int
    """Of each thread."""
    shared: int
    """Bytes of shared memory of each block."""
    spilled: int
    """Bytes of registers that are written to memory, since there are too few."""

    def named(self, pattern: str, within: Iterable[int] | None = None) -> list[Instruction]:
        """The instructions whose names match, of all or of those at some positions."""
        places = range(len(self.instructions)) if within is None else within
        return [i for i in (self.instructions[k] for k in places) if re.match(pattern, i.name)]

    @cached_property
    def loops(self) -> list[frozenset[int]]:
        """The positions of the instructions of each loop, in their order; a loop within another is in both."""
        follow = self._follow()
        over = _dominators(follow)
        before: list[list[int]] = [[] for _ in follow]
        for k in over:
            for j in follow[k]:
                before[j].append(k)
        bodies: dict[int, set[int]] = {}
        for k, above in over.items():
            for head in follow[k]:
                if head in above:
                    body = bodies.setdefault(head, {head})
                    waiting = [k]
                    while waiting:
                        at = waiting.pop()
                        if at not in body:
                            body.add(at)
                            waiting += before[at]
        return [frozenset(bodies[head]) for head in sorted(bodies)]

    @property
    def main_loops(self) -> list[frozenset[int]]:
        """The innermost of the loops that read or write global memory."""
        return self.innermost("LDG|STG")

    def innermost(self, pattern: str) -> list[frozenset[int]]:
        """The innermost of the loops that have an instruction whose name matches."""
        found = [loop for loop in self.loops if self.named(pattern, loop)]
        return [loop for loop in found if not any(other < loop for other in found)]

    def _follow(self) -> list[list[int]]:
        """For each instruction those that may come next; what only lanes come to that have parted, is left out."""
        follow: list[list[int]] = []
        for k, i in enumerate(self.instructions):
            ends = i.kind in ("EXIT", "RET", "BRA", "BRX", "JMP", "KILL") and i.name != "BRA.DIV" and not _depends(i)
            follow.append([] if ends or k + 1 == len(self.instructions) else [k + 1])
            if k in self.targets and i.kind in ("BRA", "JMP") and i.name != "BRA.DIV":
                follow[-1].append(self.targets[k])
        return follow

    def threads(
        self, of_block: int, shared: int = 0, registers: int = 65536, most: int = 2048, blocks: int = 32
    ) -> int:
        """How many threads a processor has room for, in blocks of ``of_block`` threads; by default as an H100 is.

        ``shared`` is what a launch asks for beside the function's own.
        """
        warps = -(-of_block // 32)
        of_warp = -(-self.registers * 32 // 256) * 256
        rooms = [registers // (of_warp * warps), most // (32 * warps), blocks]
        if self.shared or shared:
            rooms.append(228 * 1024 // (self.shared + shared + 1024))  # 1 KiB of each block is the device's
        return min(rooms) * of_block


def _depends(i: Instruction) -> bool:
    """Whether a branch may as well not be taken: by a predicate before it, or among its operands."""
    return i.guarded or bool(re.match(r"\s*(\.\w+\s+)*!?U?P\d", i.operands))


def _dominators(follow: Sequence[Sequence[int]]) -> dict[int, frozenset[int]]:
    """For each instruction that is come to, the beginnings of the blocks that every way to it leads through."""
    heads = {0} | {j for k, after in enumerate(follow) for j in after if j != k + 1}
    heads |= {k + 1 for k, after in enumerate(follow) if list(after) != [k + 1]}
    starts = sorted(heads - {len(follow)})
    blocks = dict(zip(starts, [*starts[1:], len(follow)], strict=True))
    reached, waiting = {0}, [0]
    while waiting:
        for j in follow[blocks[waiting.pop()] - 1]:
            if j not in reached:
                reached.add(j)
                waiting.append(j)
    before: dict[int, list[int]] = {n: [] for n in reached}
    for n in reached:
        for j in follow[blocks[n] - 1]:
            before[j].append(n)
    over = dict.fromkeys(reached, frozenset(reached)) | {0: frozenset({0})}
    changed = True
    while changed:
        changed = False
        for n in sorted(reached - {0}):
            new = frozenset.intersection(*(over[p] for p in before[n])) | {n}
            changed |= new != over[n]
            over[n] = new
    return {k: over[n] for n in sorted(reached) for k in range(n, blocks[n])}


def functions(texts: Sequence[str], architecture: str) -> list[dict[str, Function]]:
    """Of each text of CUDA C++ its functions by name, compiled for an architecture, "sm_90", say.

    MissingExtraError without NVRTC or NVIDIA's disassembler, UnsupportedError for a text that is not taken.
    """
    tool = disassembler()
    code, said = nvrtc.compiled_now(together(texts), architecture, "--ptxas-options=-v")  # both take long to start
    found: list[dict[str, Function]] = [{} for _ in texts]
    told = dict(re.findall(r"entry function '(\w+)'(.*?)(?=Compiling entry function|\Z)", said, re.DOTALL))
    for symbol, instructions, targets in _read(_disassembled(code, tool)):
        about = told[symbol]
        numbers = [re.search(pattern, about) for pattern in (r"Used (\d+) registers", r"(\d+) bytes smem")]
        registers, shared = (int(n[1]) if n else 0 for n in numbers)
        spilled = sum(map(int, re.findall(r"(\d+) bytes spill", about)))
        k, name = _named(symbol)
        found[k][name] = Function(name, instructions, targets, registers, shared, spilled)
    return found


def _named(symbol: str) -> tuple[int, str]:
    """The number of the text and the name of a function in it, as C++ puts them together: _ZN6text_06kernelE…"""
    rest, parts = symbol.removeprefix("_ZN"), []
    while found := re.match(r"\d+", rest):
        end = found.end() + int(found[0])
        parts.append(rest[found.end() : end])
        rest = rest[end:]
    return int(parts[0].removeprefix("text_")), parts[1]


def _read(listing: str) -> list[tuple[str, tuple[Instruction, ...], dict[int, int]]]:
    """The functions of a listing: name, instructions, and where branches go."""
    out = []
    for part in re.split(r"^//-+ \.text\.", listing, flags=re.MULTILINE)[1:]:
        head, *lines = part.splitlines()
        instructions: list[Instruction] = []
        labels: dict[str, int] = {}
        for line in lines:
            if line.startswith("//-"):
                break
            label, found = _LABEL.match(line), _INSTRUCTION.search(line)
            if label:
                labels[label[1]] = len(instructions)
            if found:
                instructions.append(Instruction(found[2], found[3].strip(), bool(found[1])))
        targets = {}
        for k, i in enumerate(instructions):
            to = re.search(r"\.L_\w+", i.operands)
            if to and labels.get(to[0], len(instructions)) < len(instructions):
                targets[k] = labels[to[0]]
        out.append((head.split()[0], tuple(instructions), targets))
    return out


def _disassembled(code: bytes, tool: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(code)
        done = subprocess.run([tool, "-c", str(file)], capture_output=True, text=True)
    if done.returncode:
        raise DeviceError(f"NVIDIA's disassembler fails: {done.stderr.strip()}")
    return done.stdout


def disassembler() -> str:
    """Where ``nvdisasm`` is: in NVIDIA's packages, or on the path. MissingExtraError if nowhere."""
    found = importlib.util.find_spec("nvidia")
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in sorted(Path(folder).glob("*/bin/nvdisasm*")):
            return str(path)
    on_path = shutil.which("nvdisasm")
    if on_path is None:
        raise MissingExtraError('NVIDIA\'s disassembler, nvdisasm, is not installed: pip install "gpugrad[nvrtc]"')
    return on_path
