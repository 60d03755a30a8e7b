"""To look into a derivative: its program as Python that can be read, run, saved and stepped through."""

from __future__ import annotations

from gpugrad.debug.adjoint import AdjointSource, adjoint_source

__all__ = ["AdjointSource", "adjoint_source"]
