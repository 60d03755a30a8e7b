"""A module as text: a tree of its parts, each with the number of its parameters, and the total."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpugrad.nn.module import Module


def count(module: Module) -> int:
    """The number of elements of the parameters; a shared one counts once."""
    return sum(p.size for p in module.parameters())


def drawn(module: Module) -> str:
    """The tree: a line per module, its parameters (its own and those below) at the right, the total in the first."""
    rows: list[tuple[str, int]] = []
    _rows(module, "", "", "", rows, frozenset())
    label, total = rows[0]
    frozen = sum(p.size for p in module.parameters() if not p.requires_grad)
    suffix = f"{total:,} parameter{'' if total == 1 else 's'}" + (f", {frozen:,} frozen" if frozen else "")
    if len(rows) == 1:
        return f"{label}  {suffix}" if total else label
    width = max(len(text) for text, _ in rows)
    digits = max(len(f"{n:,}") for _, n in rows)
    lines = [f"{label:{width}}  {suffix}"]
    lines += [f"{text:{width}}  {f'{n:,}' if n else '':>{digits}}".rstrip() for text, n in rows[1:]]
    return "\n".join(lines)


def _rows(
    module: Module, name: str, lead: str, indent: str, rows: list[tuple[str, int]], above: frozenset[int]
) -> None:
    inside = module.extra_repr()
    children = list(module.named_children())
    shown = type(module).__name__ + (f"({inside})" if inside or not children else "")
    rows.append((f"{lead}{name}{': ' if name else ''}{shown}", count(module)))
    if id(module) in above:
        return
    for k, (child_name, child) in enumerate(children):
        last = k == len(children) - 1
        _rows(
            child,
            child_name,
            indent + ("└─ " if last else "├─ "),
            indent + ("   " if last else "│  "),
            rows,
            above | {id(module)},
        )


__all__ = ["count", "drawn"]
