"""Settings of the process: ``gg.config.threads``, ``fused_backward``, ``tf32``, ``cudnn`` and more."""

from __future__ import annotations

import os

from gpugrad import errors

_VARIABLE = "GPUGRAD_NUM_THREADS"


def _asked() -> int | None:
    """The number of threads that the environment asks for; None if it does not."""
    given = os.environ.get(_VARIABLE, "").strip()
    if not given:
        return None
    if not given.isdecimal() or int(given) < 1:
        raise errors.ArgumentError(f"{_VARIABLE}={given!r} in the environment; expected a whole number of at least 1")
    return int(given)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Config:
    """What can be set. An attribute is read whenever it matters, so it may be changed at any time.

    >>> import gpugrad as gg
    >>> gg.config.threads >= 1
    True
    """

    def __init__(self) -> None:
        self._threads = 0
        self._retraces: int | None = 16
        self.fused_backward = True
        """Whether ``backward`` over large arrays, and operations on them that are formulas of others (gg.gelu, gg.softmax
        …), run compiled when they come again. That rounds otherwise in the last place, and when it begins depends on
        the compiler: turn it off where every bit counts.
        """

        self.tf32 = False
        """Whether a GPU may round the factors of matrix products and convolutions in float32 and complex64 to the 10 bits
        of TF32, which is several times faster there and as precise as float16. It is read when a product is prepared, so
        what was compiled before stays as it is.
        """

        self.epilogues = True
        """Whether a compiled program on a GPU leaves it to cuBLASLt to add a bias to a product in float16, bfloat16 and
        float32; else kernels do. What was compiled before it was set stays as it is.
        """

        self.cudnn = True
        """Whether convolution and attention on a GPU go through NVIDIA's cuDNN, where it is installed (the extra
        ``cudnn``) and has them: convolutions in float16, bfloat16 and float32, attention without a mask in float16 and
        bfloat16. Otherwise they are products of matrices, with the same results up to rounding. What was compiled before it
        was set stays as it is.
        """

        self.deterministic = True
        """Whether cuDNN is to give the same bits on every run. Without that, the gradient of attention is added up in any
        order, which is quicker and takes less memory; that grows with the square of the length otherwise.
        """

        self.verify_graphs = False
        """Whether what is compiled is checked after each pass (well formed, every shape and dtype by its own rule), with a
        GraphError where it is not. It takes as long as compiling, and is for those who work on the compiler or extend it.
        """

        self.blocking_launches = False
        """Whether each call of a compiled function on a GPU (kernel, product, copy) is waited for, so that the error of one
        that fails names it, with the user's line. It is read in each run, takes the place of CUDA graphs, and is slow: it is
        for finding out what failed. For eager operations CUDA itself has CUDA_LAUNCH_BLOCKING=1 in the environment.
        """

        self.check_indices = False
        """Whether positions and classes are checked on a GPU, too, with the error that the CPU always raises. Each check
        waits for the device. Without it a position out of range is taken modulo the size of the axis, and a class that
        is none stands for no class.
        """

    @property
    def threads(self) -> int:
        """How many threads an operation on a large array may use; at first ``GPUGRAD_NUM_THREADS``, or all cores.

        Setting it governs compiled loops and the BLAS that NumPy calls for products of matrices, which take turns, so
        that together they use no more. A BLAS library that is loaded later (SciPy's own) keeps its number until it is
        set again. Without a setting BLAS keeps what it was started with. A forked child goes on with the number; one
        that is spawned reads the environment. Raises DtypeError for what is no integer, ArgumentError below 1.
        """
        if not self._threads:
            self._threads = _asked() or _cores()
        return self._threads

    @threads.setter
    def threads(self, n: int) -> None:
        if type(n) is not int:
            raise errors.DtypeError(f"config.threads={n!r}; expected an integer of at least 1")
        if n < 1:
            raise errors.ArgumentError(f"config.threads={n}; expected an integer of at least 1")
        from threadpoolctl import threadpool_limits  # takes a few milliseconds, for a thing seldom done

        threadpool_limits(n, user_api="blas")
        self._threads = n

    @property
    def retrace_limit(self) -> int | None:
        """For how many kinds of arguments a function of ``gg.jit`` is compiled before a warning (once for each
        function) says what changes from call to call; None for no warning.
        """
        return self._retraces

    @retrace_limit.setter
    def retrace_limit(self, n: int | None) -> None:
        if n is not None and (type(n) is not int or n < 1):
            raise errors.ArgumentError(
                f"config.retrace_limit={n!r}; expected an integer of at least 1, or None for no warning"
            )
        self._retraces = n


config = Config()

if _asked():  # BLAS has to be told
    config.threads = config.threads
