"""Permissions that hold for root as well, so that a test of them is the same for every user."""

from __future__ import annotations

import ctypes
import os

_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h


def obey_permissions() -> None:
    """Binds this thread, and those that it starts, by the permission bits of files, as every user but root is.

    It stays the same user, so whatever only that one may enter, source and interpreter included, is still there.
    """
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)  # of this thread
    none_at_all = (ctypes.c_uint32 * 6)()
    if libc.capset(header, none_at_all) != 0:
        raise OSError(ctypes.get_errno(), "the capabilities of root cannot be given up")
