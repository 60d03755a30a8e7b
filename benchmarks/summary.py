"""Ratios from a pytest-benchmark JSON file: each group's medians over gpugrad's best.

ci/bench --benchmark-json=run.json && python benchmarks/summary.py run.json
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path


def main(path: str) -> None:
    """Print a line per benchmark."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for b in json.loads(Path(path).read_text())["benchmarks"]:
        groups[b["group"]][b["param"]] = b["stats"]["median"]
    for group, medians in groups.items():
        best = min(v for k, v in medians.items() if k.startswith("gpugrad"))
        print(group)
        for name, median in sorted(medians.items(), key=lambda item: item[1]):
            print(f"  {name:24s} {median * 1e6:10.1f} µs   {median / best:6.2f} × gpugrad's best")


if __name__ == "__main__":
    main(sys.argv[1])
