"""Runs a module with the SQLite of pysqlite3: `python -m benchmarks.peers.newer_sqlite MODULE ...`.

For an interpreter whose own SQLite is too old: https://pypi.org/project/pysqlite3-binary has one within. All that says
`import sqlite3` gets it, the library that is measured and its peer alike.
"""

from __future__ import annotations

import runpy
import sys

import pysqlite3

if __name__ == "__main__":
    sys.modules["sqlite3"], sys.modules["sqlite3.dbapi2"] = pysqlite3, pysqlite3.dbapi2
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
