"""Every error that gpugrad raises, each also the built-in that a Python user would catch.

GpugradError
├── ShapeError(ValueError)      shapes that do not fit, axes and indices out of range: AxisError(IndexError)
├── ArgumentError(ValueError)   an argument that has none of the values it may have
├── DtypeError(TypeError)       a dtype that the operation or the derivative cannot take
├── DeviceError(RuntimeError)   tensors of two devices, a device that is not there
├── GraphError(RuntimeError)    backward twice, a detached output, an array changed after it was saved
├── TraceError(TypeError)       a traced value used where Python needs a number
├── UnsupportedError(TypeError) a NumPy function without a rule, an argument of a kind that is not taken
├── MissingExtraError(ImportError)   an optional package that is not installed
├── DistributedError(RuntimeError)   ranks that do different things, or of which one has failed
├── CopyError(ValueError)       copy=False where the memory cannot be shared
└── FormatError(ValueError)     a file that is not what it should be

A message says what happened (operation, shapes, dtypes, devices), what was expected, and the way out.
"""

from __future__ import annotations

import linecache
import os
import sys
from types import FrameType

import numpy as np

_HERE = os.path.dirname(os.path.abspath(__file__))
_SITE = os.path.dirname(os.path.dirname(os.path.abspath(np.__file__)))
_LIBRARIES = (os.path.join(_SITE, "numpy", ""), os.path.join(_SITE, "scipy", ""))


class GpugradError(Exception):
    """Base of all errors of this package."""


class ShapeError(GpugradError, ValueError):
    """Shapes that do not broadcast, contract or otherwise fit."""


class AxisError(ShapeError, IndexError):
    """An axis or an index out of range."""


class ArgumentError(GpugradError, ValueError):
    """An argument that has none of the values it may have: a name that stands for nothing, a number out of range."""


class DtypeError(GpugradError, TypeError):
    """A dtype that the operation, or its derivative, cannot take."""


class DeviceError(GpugradError, RuntimeError):
    """Tensors of two devices in one operation, or a device that is not available."""


class DeviceMemoryError(DeviceError, MemoryError):
    """A device has not as much memory as was asked for."""


class GraphError(GpugradError, RuntimeError):
    """The recorded graph cannot give the derivative that was asked for."""


class TraceError(GpugradError, TypeError):
    """A traced value was used where Python needs a concrete number."""


class UnsupportedError(GpugradError, TypeError):
    """A function of another library that gpugrad has no rule for, or an argument of a kind that a function does not take."""


class MissingExtraError(GpugradError, ImportError):
    """An optional package is not installed."""


class CopyError(GpugradError, ValueError):
    """A copy that was ruled out (``copy=False``) cannot be avoided."""


class DistributedError(GpugradError, RuntimeError):
    """Ranks of one program that do different things, or of which one cannot go on."""


class FormatError(GpugradError, ValueError):
    """A file is truncated, foreign or otherwise not what it should be."""


class TrainingError(GpugradError, RuntimeError):
    """Training cannot go on (a loss that is not finite, for one)."""


class GradientWarning(UserWarning):
    """Something about a gradient that is legal and seldom meant."""


class CompileWarning(UserWarning):
    """A function is compiled again and again."""


class CacheWarning(UserWarning):
    """Compiled kernels cannot be kept on the disk."""


def of_library(frame: FrameType) -> bool:
    """Whether a frame runs code of NumPy's or SciPy's own."""
    return frame.f_code.co_filename.startswith(_LIBRARIES)


def user_frame() -> FrameType:
    """The nearest caller outside this package, NumPy and SciPy: where the user stands."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_HERE, *_LIBRARIES)):
        frame = frame.f_back
    return frame


def user_site() -> str:
    """``file:line`` of that caller."""
    frame = user_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def beside(site: str) -> str:
    """A ``file:line`` with the text that stands there: ``file.py:12: the line``; nothing for no site."""
    if not site:
        return ""
    file, _, number = site.rpartition(":")
    said = linecache.getline(file, int(number)).strip()
    return f"{os.path.basename(file)}:{number}" + (f": {said}" if said else "")


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """The error for an optional package that is absent, naming the extra that brings it."""
    return MissingExtraError(
        f'{purpose} needs {package}, which is not installed. Install it with: pip install "gpugrad[{extra}]"'
    )
