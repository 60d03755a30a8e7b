"""``gpugrad cache``: what compiled kernels take on the disk, and how to be rid of them."""

from __future__ import annotations

import argparse

from gpugrad.backends import kernel_cache

HELP = "Kernels that gpugrad compiled are kept, so that a new process need not compile them again."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("info", "clear"),
        default="info",
        help="say what is there (the default), or remove it",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; returns its exit status."""
    where, count, size = kernel_cache.contents()
    if where is None:
        print("no cache: GPUGRAD_CACHE_DIR is empty, or names a folder that cannot be used")
    elif options.action == "clear":
        kernel_cache.clear()
        print(f"removed {count} kernels, {size / 1e6:.1f} MB, from {where}")
    else:
        print(f"{count} kernels, {size / 1e6:.1f} MB, in {where}")
    return 0
