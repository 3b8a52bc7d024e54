"""APScheduler 4: it has the name of APScheduler 3, so it is installed into a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Final

_CACHE: Final = Path(__file__).parent.parent / ".cache"
FOLDER: Final = _CACHE / f"apscheduler4-{sysconfig.get_python_version()}"
_VERSION: Final = "4.0.0a6"
_UNDECLARED: Final = "sniffio"
_PACKAGES: Final = (f"apscheduler=={_VERSION}", "sqlalchemy>=2.0.40", "aiosqlite>=0.22", _UNDECLARED)
_INSTALLED_WITHIN: Final = 300.0


@cache
def missing() -> str:
    """Installs it once; says why it cannot be."""
    if FOLDER.is_dir():
        return ""
    _CACHE.mkdir(exist_ok=True)
    (_CACHE / ".gitignore").write_text("*\n")
    unfinished = FOLDER.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(unfinished), *_PACKAGES]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALLED_WITHIN)
    except subprocess.CalledProcessError as error:
        return f"pip could not install it: {''.join(error.stderr.strip().splitlines()[-1:])}"
    except subprocess.TimeoutExpired:
        return "pip could not install it in time"
    unfinished.rename(FOLDER)
    return ""


def version(_name: str) -> str:
    """Of the package in its folder."""
    return _VERSION
