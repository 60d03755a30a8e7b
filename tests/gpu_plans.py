"""Programs that are to be fast on a GPU, and their plans, made without one: what benchmarks/ has of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
try:
    workloads = importlib.import_module("gpu_workloads")
    networks = importlib.import_module("gpu_networks")
    table = importlib.import_module("machine_code")
    marks = importlib.import_module("gpu_marks")
finally:
    sys.path.pop(0)
