"""Where the files of the tests lie: in memory, if the machine has a place for that."""

from __future__ import annotations

import os
import shutil
import tempfile

MEMORY = "/dev/shm"  # of this run alone: pytest makes a folder of its own in it
_NEEDED = 2 << 30  # bytes; all files of a run of both rings are less than half of it


def use_memory() -> None:
    """Has this process, and all that it starts, make temporary files in memory, unless `TMPDIR` says where.

    To wait for a disk's syncs would be half of the first ring's time. What depends on a sync is tested by a file system
    that notes them (`tests/faults/test_power_cuts.py`), and the chaos run stays on the disk.
    """
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= _NEEDED:
        os.environ["TMPDIR"] = MEMORY
        tempfile.tempdir = None  # it may have been asked for before
