"""`aiojobs-lite db ...`: looks after the file of a database."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from aiojobs_lite.cli.asking import YesOption, confirm
from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.cli.opening import DatabaseOption, JsonOption
from aiojobs_lite.cli.progress import bar
from aiojobs_lite.cli.screen import emit
from aiojobs_lite.cli.views.database import facts_as_json, findings_as_json, view_facts, view_findings, worst_of
from aiojobs_lite.runner.opening import database_or_default
from aiojobs_lite.stores.open import open_upkeep
from aiojobs_lite.stores.upkeep import Upkeep

_Target = Annotated[Path, typer.Argument(metavar="COPY", help="The new file.")]
_Source = Annotated[Path, typer.Argument(metavar="COPY", help="The file that a backup has written.")]


def show_file(*, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Shows the file of a database: its size, its log, the version of its tables."""
    facts = _upkeep(db).facts()
    emit(facts_as_json(facts), lambda screen: view_facts(screen, facts), as_json=as_json)


def examine_file(
    *,
    db: DatabaseOption = None,
    full: Annotated[bool, typer.Option("--full", help="Compare each index with its table as well.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Looks for everything that may be wrong with a database; changes nothing. Exits 1 if something is bad."""
    findings = _upkeep(db).examine(is_thorough=full)
    emit(findings_as_json(findings), lambda screen: view_findings(screen, findings), as_json=as_json)
    return ExitCode.REFUSED if worst_of(findings) == "bad" else ExitCode.FINE


def migrate_file(*, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Brings the tables to this release, as the start of an application does. Back it up before."""
    before, after = _upkeep(db).migrate()
    text = f"schema {before}: nothing to do" if before == after else f"migrated from schema {before} to {after}"
    emit({"before": before, "after": after}, lambda screen: screen.line(text), as_json=as_json)


def back_up_file(copy: _Target, *, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Writes a copy of one moment into a new file, and checks it. Applications go on meanwhile."""
    with bar("backup") as progress:
        _upkeep(db).back_up(copy, progress)
    size = os.stat(copy).st_size
    document = {"copy": str(copy), "size": size}
    emit(document, lambda screen: screen.line(f"{copy}: {size:,} bytes, checked"), as_json=as_json)


def restore_file(
    copy: _Source, *, db: DatabaseOption = None, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Puts a copy in the place of the database, and keeps the former one beside it. Refused while a program uses it."""
    upkeep, database = _upkeep(db), database_or_default(db)
    open_upkeep(copy).facts()  # a copy that cannot be read is refused before the question
    confirm(f"Put {copy} in the place of {database}?", yes=yes)
    with bar("restore") as progress:
        former = upkeep.restore(copy, progress)
    text = f"{database} is what {copy} was; " + (f"the former one is {former}" if former else "there was none before")
    document = {"database": str(database), "former": None if former is None else str(former)}
    emit(document, lambda screen: screen.line(text), as_json=as_json)


def _upkeep(db: str | None) -> Upkeep:
    return open_upkeep(database_or_default(db))


DATABASE_COMMANDS: Final[Mapping[str, Callable[..., object]]] = {
    "status": show_file,
    "doctor": examine_file,
    "migrate": migrate_file,
    "backup": back_up_file,
    "restore": restore_file,
}
