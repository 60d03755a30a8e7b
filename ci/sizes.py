"""Print the size of every source file, largest first, and the total: to be looked at, not a limit."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path


def main() -> None:
    """Print the table."""
    sizes = {}
    functions = []
    for folder in ("gpugrad", "kernels"):
        for path in sorted(Path(folder).rglob("*.py")):
            text = path.read_text()
            sizes[path] = text.count("\n")
            functions += [
                node.end_lineno - node.lineno + 1
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef) and node.end_lineno
            ]
    for path, lines in sorted(sizes.items(), key=lambda item: -item[1])[:15]:
        print(f"{lines:6d}  {path}")
    functions.sort()
    print(
        f"{sum(sizes.values()):6d}  in {len(sizes)} files, median {statistics.median(sizes.values()):.0f}; "
        f"functions: median {statistics.median(functions):.0f}, p90 {functions[int(0.9 * len(functions))]}"
    )


if __name__ == "__main__":
    main()
