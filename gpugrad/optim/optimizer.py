"""Optimizer: what all of them share. A subclass says how one parameter moves."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.creation import tensor
from gpugrad.graph.stage import Stage, stage_of
from gpugrad.ops.linear import cast
from gpugrad.optim.precision import MASTER, closed, master, opened, state_dtype, state_shape
from gpugrad.optim.skips import NAME, Skips
from gpugrad.optim.whole import Whole, at_once
from gpugrad.transforms.cells import Slot
from gpugrad.transforms.lift import raised
from gpugrad.transforms.modes import enable_grad
from gpugrad.transforms.tape import EAGER

Group = dict[str, Any]
State = dict[str, Any]


class Optimizer:
    """Moves parameters against their gradients. Give a subclass a list of leaf tensors, or of groups of them.

    A group is a dictionary with ``"params"`` and any options that differ from the optimizer's own, such as ``"lr"``.
    ``param_groups`` holds all groups with all their options; they may be changed between steps. Parameters in half
    precision have their state, each step, and a copy of themselves in float32, in which steps add up that are too small
    for half precision; one that is changed from outside begins a new copy. Complex ones are pairs of real numbers.

    Raises UnsupportedError for something else than tensors or for an option that does not exist, ArgumentError for options out
    of range and for parameters that are missing or given twice, GraphError for a tensor that is not a leaf, DtypeError
    for one of integers.
    """

    def __init__(self, params: Iterable[Any], defaults: Group) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self._state: dict[int, State] = {}
        """By identity of the parameter, which the groups keep alive; arrays in it are the optimizer's own."""
        self._slots: tuple[Any, list[Slot]] | None = None
        self._skips = Skips()
        self._taken: Any = None
        """While a function is compiled that may leave a step out: a symbol for whether it is taken."""
        self._whole: Whole | None = None
        """What moves all parameters at once, from the first step on a device that compiles."""
        if type(params) is trace.Tensor or isinstance(params, Mapping):
            raise errors.UnsupportedError(
                f"{self.name}: params is a {type(params).__name__}; expected a list of tensors or of groups"
            )
        given = list(params)
        if not given:
            raise errors.ArgumentError(
                f"{self.name}: no parameters; expected at least one (a generator gives them only once)"
            )
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    # ---- what a subclass says -------------------------------------------------------------------------------------

    def check(self, group: Group) -> None:
        """Raise ArgumentError if an option of a group is out of range."""
        raise NotImplementedError

    def buffers(self, group: Group) -> set[str]:
        """The names of the arrays that a parameter in this group has as its state, from its first step on."""
        raise NotImplementedError

    def zeros(self, group: Group) -> set[str]:
        """Those of them that may as well be there as zeros before the first step."""
        return set()

    def counts(self, group: Group) -> bool:
        """Whether a parameter in this group has as its state how many steps it took, ``step``."""
        return False

    def factors(self, step: Any, group: Group) -> tuple[Any, ...]:
        """The numbers that differ from step to step, counted from 1, or that a schedule changes.

        Written with operators alone: step and learning rate may be numbers or arrays of shape ().
        """
        raise NotImplementedError

    def update(self, xp: Any, p: Any, g: Any, state: State, factors: Sequence[Any], group: Group) -> Any:
        """The new value of a parameter ``p`` with gradient ``g``, in an array of its own; changes ``state``.

        Written with operators and functions of the namespace ``xp``. Arrays in ``state`` may be written in place, ``p``
        and ``g`` may not: others hold them too.
        """
        raise NotImplementedError

    # ---- parameters -----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The class, for messages."""
        return type(self).__name__

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train more parameters, with options of their own; nothing is added if anything is wrong."""
        if not isinstance(group, Mapping) or "params" not in group:
            raise errors.UnsupportedError(
                f"{self.name}: a parameter group is {group!r}; expected a dictionary with 'params'"
            )
        params = group["params"]
        params = [params] if type(params) is trace.Tensor else list(params)
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for k, p in enumerate(params):
            if type(p) is not trace.Tensor:
                raise errors.UnsupportedError(f"{self.name}: parameter {k} is a {type(p).__name__}; expected a tensor")
            if not p.is_leaf or p._trace is not EAGER:
                raise errors.GraphError(
                    f"{self.name}: parameter {k}, of shape {p.shape}, is not a leaf but the result of an operation; expected tensors made with requires_grad=True. Use t.detach().requires_grad_()"
                )
            if not dtypes.is_inexact(p.dtype):
                raise errors.DtypeError(
                    f"{self.name}: parameter {k}, of shape {p.shape}, has dtype {p.dtype.name}; expected a floating-point or complex dtype. Cast it: t.astype('float32')"
                )
            if id(p) in known:
                raise errors.ArgumentError(
                    f"{self.name}: parameter {k}, of shape {p.shape}, is given twice; expected each once"
                )
            known.add(id(p))
        if not params:
            raise errors.ArgumentError(
                f"{self.name}: a group without parameters; expected at least one (a generator gives them only once)"
            )
        unknown = set(group) - set(self.defaults) - {"params"}
        if unknown:
            raise errors.UnsupportedError(
                f"{self.name}: no option {', '.join(sorted(unknown))}; there are {', '.join(self.defaults)}"
            )
        whole = {**self.defaults, **group, "params": params}
        try:
            self.check(whole)
        except TypeError:
            options = ", ".join(f"{k}={v!r}" for k, v in whole.items() if k != "params")
            raise errors.UnsupportedError(f"{self.name}: {options}; expected numbers, and betas in a pair") from None
        self.param_groups.append(whole)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: ``.grad`` is None, or zeros if ``set_to_none`` is false, before the next ``backward``."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else raised(select.full(p.shape, 0, p))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient. ``closure``, if given, computes the loss first; it is returned.

        On a GPU all of them are moved at once by a compiled program: one launch for parameters of whatever shapes that are
        updated alike. One that finds no memory raises DeviceMemoryError and has moved none.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if at_once(self._graded()):
            if self._whole is None or not self._whole.fits(self):
                self._whole = Whole(self)
            self._whole.step(self)
        else:
            self._move()
        return loss

    def _move(self) -> None:
        for p, group in self._graded():
            self._step(p, group)

    def step_where(self, taken: Any) -> None:
        """A step, if ``taken``, a raw array of one boolean; else everything stays bit for bit as it is, counts included.

        In a plain step the boolean is read; in a compiled function it chooses between new arrays and old ones.
        """
        if stage_of(taken) is None:
            if bool(taken):
                self.step()
            return
        params = [p for p, _ in self._graded()]
        xp = select.of(taken).xp
        states = [self._state.setdefault(id(p), {}) for p in params]
        before = [(p.detach()._data, dict(state)) for p, state in zip(params, states, strict=True)]
        self._taken = taken
        try:
            self.step()
        finally:
            self._taken = None
        for p, state, (old, kept) in zip(params, states, before, strict=True):
            p.copy_(raised(xp.where(taken, p.detach()._data, old)))
            for name in state.keys() - {"step"}:
                new = state[name]
                state[name] = xp.where(taken, new, kept.get(name, xp.zeros_like(new)))
        if NAME in self._skips.arrays:
            skipped = self._skips.arrays[NAME]
            self._skips.arrays[NAME] = xp.where(taken, skipped, skipped + 1)

    def _graded(self) -> list[tuple[Any, Group]]:
        """The parameters that have a gradient, each with its group."""
        return [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]

    def _step(self, p: Any, group: Group) -> None:
        xp = select.of(p._data).xp
        state = self._state.setdefault(id(p), {})
        # A transposed gradient would pass its order in memory on to the moments and the parameter, and the same numbers in
        # another order, as a checkpoint holds them, multiply with other rounding: then resuming would not be exact.
        g = opened(xp, p.grad)
        if g.ndim > 1 and hasattr(xp, "ascontiguousarray"):
            g = xp.ascontiguousarray(g)
        factors = self._factors(g, p, group)
        new = self.update(xp, master(xp, p, state), g, state, factors, group)
        if dtypes.is_half(p.dtype):
            state[MASTER] = new
        p.copy_(raised(closed(xp, new, p.dtype)))

    def _factors(self, g: Any, p: Any, group: Group) -> Sequence[Any]:
        """The numbers of a step, which counts; while a function is compiled, what stands for those of each later run."""
        stage, key = stage_of(g), id(p)
        if stage is None:
            self._skips.settle(self._state)
            step = self._state[key].get("step", 0) + 1
            if self.counts(group):
                self._state[key]["step"] = step
            return self.factors(step, group)
        ahead = stage.times((id(self), key))  # this step's number among those that the same run makes
        place = next(k for k, other in enumerate(self.param_groups) if other is group)
        # Parameters that took as many steps share the numbers, as long as they do so: see __settings__.
        alike = id(self), place, self._taken_steps(p), ahead

        def count() -> int:
            return int(self._state[key].get("step", 0)) + ahead  # looked up, since load_state_dict replaces them

        if self.counts(group):
            stage.after.append(lambda: (self._state[key].update, {"step": count()}))
            if self._taken is not None:
                return self._factors_there(stage, alike, count, g, place)

        dtype = g.dtype

        def number(k: int) -> Any:
            self._skips.settle(self._state)
            return np.asarray(self.factors(count(), self.param_groups[place])[k], dtype)

        many = len(self.factors(1, group))
        return [stage.host((*alike, dtype, k), ft.partial(number, k), (), dtype, "factor") for k in range(many)]

    def _factors_there(
        self, stage: Stage, alike: tuple[Any, ...], count: Callable[[], int], g: Any, place: int
    ) -> Sequence[Any]:
        """The numbers of a step that may follow steps that were left out, which only the device knows of."""
        together = frozenset(id(p) for p, _ in self._graded())

        def begun() -> Any:
            self._skips.begin(together, self._state)
            return np.asarray(count() + self._skips.known, np.float64)

        def rate() -> Any:
            return np.asarray(self.param_groups[place]["lr"], np.float64)

        begins = stage.host((*alike, "begun"), begun, (), np.float64, "begun")
        lr = stage.host((id(self), place, "lr"), rate, (), np.float64, "lr")
        skipped = self._skips.arrays[NAME]
        step = begins - cast(skipped, dtype=np.dtype(np.float64), source=skipped.dtype)
        found = self.factors(step, {**self.param_groups[place], "lr": lr})
        return [cast(f, dtype=g.dtype, source=f.dtype) if stage_of(f) is not None else f for f in found]

    def _taken_steps(self, p: Any) -> tuple[int, bool]:
        """What is equal for parameters that took as many steps."""
        return self._state.get(id(p), {}).get("step", 0), id(p) in self._skips.together

    # ---- for compiled functions -----------------------------------------------------------------------------------

    def __cells__(self) -> list[Slot]:
        """The places of the arrays of the state: the same list as long as parameters and state are the same."""
        known = id(self._state), [len(group["params"]) for group in self.param_groups]
        if self._slots is None or self._slots[0] != known:
            slots = []
            for group in self.param_groups:
                for p in group["params"]:
                    state, zero = self._state.setdefault(id(p), {}), self.zeros(group)
                    start = ft.partial(select.full, state_shape(p), 0, p, state_dtype(p))
                    names = [*sorted(self.buffers(group)), *([MASTER] if dtypes.is_half(p.dtype) else [])]
                    slots += [Slot(state, name, start if name in zero else None) for name in names]
                if self.counts(group) and all(slot.key != NAME for slot in slots):
                    like = group["params"][0]
                    slots.append(Slot(self._skips.arrays, NAME, ft.partial(select.full, (), 0, like, np.int32)))
            self._slots = known, slots
        return self._slots[1]

    def __settings__(self) -> Any:
        """The options, but for the learning rate, which each step reads, and which parameters took as many steps as others."""
        options = [tuple((k, v) for k, v in g.items() if k not in ("params", "lr")) for g in self.param_groups]
        apart: tuple[int, ...] = ()
        if len({state.get("step", 0) for state in self._state.values()}) > 1 or self._skips.together:
            params = [p for group in self.param_groups for p in group["params"]]
            steps = [self._taken_steps(p) for p in params if p.requires_grad or "step" in self._state.get(id(p), {})]
            kinds = list(dict.fromkeys(steps))
            apart = tuple(map(kinds.index, steps)) if len(kinds) > 1 else ()
        return tuple(options), apart

    # ---- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Options and state, copied: enough to go on bit for bit. ``gg.io.save`` takes it.

        ``{"state": [...], "param_groups": [...]}``: the state is a list of dictionaries of tensors and numbers, one for
        each parameter in the order of the groups, and a group names its parameters by their positions in that list.
        """
        self._skips.settle(self._state)
        groups, state, n = [], [], 0
        for group in self.param_groups:
            count = len(group["params"])
            groups.append({**group, "params": list(range(n, n + count))})
            n += count
            for p in group["params"]:
                own = self._state.get(id(p), {})
                state.append({k: v if k == "step" else tensor(raised(v)) for k, v in own.items()})
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave, for parameters of the same shapes in the same order.

        FormatError, which names all that does not fit, and nothing changed, if it is another's.
        """
        groups, states = self._read(saved)
        self.param_groups = groups
        self._state = states
        self._skips.forget()

    def _read(self, saved: Mapping[str, Any]) -> tuple[list[Group], dict[int, State]]:
        def refuse(what: str) -> errors.FormatError:
            return errors.FormatError(
                f"{self.name}.load_state_dict: {what}; expected the state_dict of an optimizer like this one"
            )

        if not isinstance(saved, Mapping) or set(saved) != {"state", "param_groups"}:
            raise refuse(
                f"{list(saved) if isinstance(saved, Mapping) else type(saved).__name__} instead of 'state' and 'param_groups'"
            )
        if not all(isinstance(part, list) for part in saved.values()) or not all(
            isinstance(g, Mapping) and isinstance(g.get("params"), list) for g in saved["param_groups"]
        ):
            raise refuse("'state' and 'param_groups' that are not lists of dictionaries")
        have = [len(g["params"]) for g in self.param_groups]
        given = [len(g["params"]) for g in saved["param_groups"]]
        if have != given or len(saved["state"]) != sum(have):
            raise refuse(f"groups of {given} parameters and {len(saved['state'])} states, for groups of {have}")
        groups: list[Group] = []
        states: dict[int, State] = {}
        problems: list[str] = []
        position = 0
        for k, (own, other) in enumerate(zip(self.param_groups, saved["param_groups"], strict=True)):
            if set(other) != set(own):
                problems.append(f"group {k} has the options {', '.join(sorted(set(other) - {'params'}))}")
                continue
            group = {name: tuple(v) if isinstance(v, list) else v for name, v in other.items()} | {
                "params": own["params"]
            }
            try:
                self.check(group)
            except (ValueError, TypeError) as error:
                problems.append(f"group {k}: {error}")
            groups.append(group)
            for p in own["params"]:
                states[id(p)] = self._fitting(
                    saved["state"][position], p, group, f"state of parameter {position}", problems
                )
                position += 1
        if problems:
            raise refuse("; ".join(problems))
        return groups, states

    def _fitting(self, state: Mapping[str, Any], p: Any, group: Group, what: str, problems: list[str]) -> State:
        """A copy of one parameter's state, on its device; what does not fit is added to ``problems``."""
        if not isinstance(state, Mapping):
            problems.append(f"{what} is a {type(state).__name__}")
            return {}
        expected = (
            self.buffers(group)
            | ({"step"} if self.counts(group) else set())
            | ({MASTER} if dtypes.is_half(p.dtype) else set())
        )
        if not state:
            return {}
        if set(state) != expected:
            problems.append(
                f"{what} has {', '.join(sorted(state))} where this one has {', '.join(sorted(expected)) or 'nothing'}"
            )
            return {}
        out: State = {}
        for name, v in state.items():
            if name == "step":
                if type(v) is not int or v < 0:
                    problems.append(f"{what}, {name}, is {v!r}")
                out[name] = v
                continue
            v = tensor(v)
            if v.shape != state_shape(p) or v.dtype != state_dtype(p):
                problems.append(
                    f"{what}, {name}, has shape {v.shape} and dtype {v.dtype.name} for {state_shape(p)} and {state_dtype(p).name}"
                )
            else:
                out[name] = v.to(p.device)._data
        return out

    def __getstate__(self) -> dict[str, Any]:
        """For copying and pickling: the state of the parameters in their order, as copies of them are other objects."""
        self._skips.settle(self._state)
        order = [p for group in self.param_groups for p in group["params"]]
        return {**self.__dict__, "_slots": None, "_whole": None, "_state": [self._state.get(id(p), {}) for p in order]}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        order = [p for group in self.param_groups for p in group["params"]]
        self._state = {id(p): state for p, state in zip(order, kept["_state"], strict=True) if state}

    def __repr__(self) -> str:
        rows = [", ".join(f"{k}={v}" for k, v in g.items() if k != "params") for g in self.param_groups]
        return "\n".join(
            f"{self.name}({len(g['params'])} parameters, {row})" for g, row in zip(self.param_groups, rows, strict=True)
        )


def expect(fine: bool, optimizer: Optimizer, what: str) -> None:
    """ArgumentError that says what was expected of an option, unless it is fine."""
    if not fine:
        raise errors.ArgumentError(f"{optimizer.name}: {what}")


def check_common(optimizer: Optimizer, group: Group) -> None:
    """The options that all optimizers have."""
    lr, decay = group["lr"], group["weight_decay"]
    expect(lr >= 0.0, optimizer, f"lr={lr}; expected a learning rate of 0 or more")
    expect(decay >= 0.0, optimizer, f"weight_decay={decay}; expected 0 or more")
