"""Importing is quick and light."""

from __future__ import annotations

import ast
import subprocess
import sys


def run(code):
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return out.stdout.strip()


def test_heavy_packages_are_imported_when_first_used():
    heavy = [
        "numba",
        "cupy",
        "matplotlib",
        "scipy",
        "sklearn",
        "rich",
        "safetensors",
        "torch",
        "PIL",
        "opt_einsum",
        "threadpoolctl",
    ]
    assert run(f"import sys, gpugrad; print([m for m in {heavy} if m in sys.modules])") == "[]"


def test_import_brings_little_beside_numpy():
    """Its time is a benchmark (benchmarks/test_overhead.py); here, what it is made of."""
    code = "import sys, numpy; b = set(sys.modules); import gpugrad; print([m for m in sys.modules if m not in b])"
    added = {name.partition(".")[0] for name in ast.literal_eval(run(code))} - {"gpugrad"}
    assert added <= set(sys.stdlib_module_names)


def test_kernels_are_found_and_are_no_top_level_module():
    assert "kernels" in run("import gpugrad.kernels.reference as r; print(r.__name__)")


def test_the_facade_names_what_it_has():
    import gpugrad as gg

    for name in gg.__all__:
        assert hasattr(gg, name), name
