"""Writing a file so that, whatever happens on the way, there is the old one or the new one."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable


def written(path: str, write: Callable[[str], None]) -> None:
    """Let ``write`` make a temporary file beside ``path``, bring it to the disk, and only then give it that name.

    The permissions of a file that is replaced stay, and so does a symbolic link to it. If ``write`` raises, the
    temporary file is removed; a process that is killed may leave hidden ones, which mean nothing. OSError, before
    anything is written, if there is no such folder or the name is that of something else than a file.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    _check(path, target, folder)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    with open(temporary, "xb") as file:  # made here for its permissions, which ``write`` may give another file
        mode = os.fstat(file.fileno()).st_mode
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode if os.path.exists(target) else mode))
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _check(path: str, target: str, folder: str) -> None:
    """A name that cannot be given to a file is refused with the path as the user wrote it. A device or a pipe would be
    replaced by a file, which nobody wants of ``/dev/null``.
    """
    if not path or os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "is a folder; expected the name of a file", path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to write in", path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(errno.EINVAL, "is a device or a pipe, which cannot be replaced by a file", path)


def _sync_folder(folder: str) -> None:
    """Bring the new name to the disk, where folders can be synchronized."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
