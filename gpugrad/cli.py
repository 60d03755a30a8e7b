"""The command line: ``gpugrad info``, ``gpugrad train``, ``gpugrad predict``,
``gpugrad bench``, ``gpugrad cache``.

Each command is a module with ``HELP``, ``arguments(parser)`` and ``run(options) -> exit status``, imported only when
it is the one that was asked for. Exit status: 0 done, 2 the user's mistake (one line on stderr), 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from gpugrad.errors import GpugradError
from gpugrad.version import __version__

COMMANDS = {
    "train": ("gpugrad.train.command", "train a model on a data set that is at hand"),
    "predict": ("gpugrad.train.predict", "classify images with a trained model"),
    "bench": ("gpugrad.bench.command", "measure forward and gradient throughput on every device"),
    "cache": ("gpugrad.cache", "what compiled kernels take on the disk; remove them"),
    "info": ("gpugrad.info", "what is installed, which devices there are, and what is missing"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        options = parser_for(given).parse_args(given)
        status = options.run(options)
        sys.stdout.flush()
        return int(status)
    except GpugradError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:  # the reader of a pipe, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # no such folder, no permission, a full disk
        complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return 130


def parser_for(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command line, with the options of the one command that ``given`` names."""
    parser = argparse.ArgumentParser(
        prog="gpugrad", description="Derivatives of array programs, on the CPU and the GPU."
    )
    parser.add_argument("--version", action="version", version=f"gpugrad {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name, (module, summary) in COMMANDS.items():
        if name != chosen:
            commands.add_parser(name, help=summary)
            continue
        command = import_module(module)
        sub = commands.add_parser(
            name, help=summary, description=command.HELP, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def complain(message: str) -> None:
    """Say on stderr what went wrong: one line, in colour where rich and a terminal are there."""
    line = " ".join(message.split())
    try:
        from rich.console import Console
    except ImportError:
        print(f"gpugrad: {line}", file=sys.stderr)
        return
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print("[bold red]gpugrad:[/]", end=" ")
    console.print(line, markup=False)
