"""A user's own kernel for the CPU: compiled by Numba for the dtypes that come, its errors in the user's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.config import config

_WIDTHS = {"b": {1}, "i": {1, 2, 4, 8}, "u": {1, 2, 4, 8}, "f": {4, 8}, "c": {8, 16}}
"""Kind of dtype -> bytes of those that Numba computes with on the CPU."""


class NumbaKernel:
    """A function in Numba's subset of Python, or one that Numba has compiled already, on raw arrays.

    Arguments come in C's order and read-only, so that a kernel that writes into one does not compile; a kernel with
    signatures of its own gets them as those say.
    """

    def __init__(self, f: Callable[..., Any], name: str) -> None:
        self.name = name
        self._given = f
        self._dispatcher: Any = f if hasattr(f, "py_func") else None
        self._ready: set[Any] = set()

    def refuses(self, k: int, dtype: Any) -> str:
        """Why the array that is parameter ``k`` cannot be of a dtype; "" if it can."""
        known = dtype.itemsize in _WIDTHS.get(dtype.kind, ())
        return "" if known else "with which Numba does not compute. Cast it: .astype('float32')"

    def __call__(self, backend: Any, given: Sequence[Any], inputs: int) -> None:
        """Run it on NumPy arrays and Python numbers: so many arguments, then the outputs."""
        outputs = given[inputs:]
        given = [*map(self._argument, given[:inputs]), *outputs]
        key = tuple([(x.dtype, x.ndim) if type(x) is np.ndarray else type(x) for x in given])
        if key not in self._ready:
            self._compile(given)
            self._ready.add(key)
        if self._parallel():
            import numba

            limit: int = vars(numba.config)["NUMBA_NUM_THREADS"]
            numba.set_num_threads(min(config.threads, limit))
        try:
            returned = self._dispatcher(*given)
        except Exception as error:
            raise errors.GpugradError(f"kernel {self.name} raised {type(error).__name__}: {error}") from error
        if returned is not None:
            raise errors.UnsupportedError(
                f"kernel {self.name} returns something; expected it to write its results into its last {len(outputs)} parameters, and to return nothing"
            )

    def _parallel(self) -> bool:
        return bool(self._dispatcher.targetoptions.get("parallel"))

    def _argument(self, x: Any) -> Any:
        if not isinstance(x, np.ndarray | np.generic):
            return x
        x = np.asarray(x, order="C").view(np.ndarray)
        if getattr(self._dispatcher, "_can_compile", True):
            x.flags.writeable = False
        return x

    def _compile(self, given: Sequence[Any]) -> None:
        import numba

        kind_of: Callable[[Any], Any] = numba.typeof
        if self._dispatcher is None:
            self._dispatcher = numba.njit(nogil=True, error_model="numpy")(self._given)
        if not getattr(self._dispatcher, "_can_compile", True):
            return
        try:
            self._dispatcher.compile(tuple([kind_of(x) for x in given]))
        except Exception as error:  # of Numba's many kinds, which have no base in common
            raise explained(f"kernel {self.name}", self._dispatcher.py_func, error, given) from None


def explained(what: str, function: Any, error: BaseException, given: Sequence[Any]) -> errors.UnsupportedError:
    """What Numba said of a function, in one sentence, beside the user's line."""
    told = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    code = function.__code__
    places = [
        (file, int(line))
        for file, line in re.findall(r'File "([^"]+)", line (\d+)', told)
        if "/numba/" not in file.replace("\\", "/")
    ]
    mine = [(file, line) for file, line in places if code.co_filename.endswith(file)]
    file, line = (mine or places or [(code.co_filename, code.co_firstlineno)])[0]
    site = f"{code.co_filename if (file, line) in mine else file}:{line}"
    kinds = ", ".join(f"{x.dtype}, {x.ndim}-D" if hasattr(x, "shape") else type(x).__name__ for x in given)
    return errors.UnsupportedError(f"{what} cannot be compiled for ({kinds}), {errors.beside(site)}: {_reason(told)}")


def _reason(told: str) -> str:
    """The sentence of Numba's message that says what is wrong."""
    if "Cannot modify readonly array" in told:
        return "it writes into one of its arguments; expected it to write into its last parameters, the outputs, alone"
    lines = [line.strip() for line in told.splitlines() if line.strip() and not line.startswith("Failed in ")]
    said = lines[0] if lines else told
    if said.endswith(":"):
        said = said[:-1] + "".join(f" {line.removeprefix('>>> ')}" for line in lines[1:2] if line.startswith(">>>"))
    return said.rstrip(". ").removesuffix(". Raised from None")
