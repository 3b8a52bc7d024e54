"""The file of a database, as the command line shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiojobs_lite.cli.screen import Screen
from aiojobs_lite.stores.upkeep import FileFacts, Finding


def facts_as_json(facts: FileFacts) -> dict[str, Any]:
    """The facts of a file, as JSON."""
    return {
        "path": str(facts.path), "size": facts.size, "log_size": facts.log_size, "unused_size": facts.unused_size,
        "free_on_disk": facts.free_on_disk, "schema": facts.schema, "newest_schema": facts.newest_schema,
        "living_runners": facts.living_runners,
    }  # fmt: skip


def view_facts(screen: Screen, facts: FileFacts) -> None:
    """Shows the facts of a file."""
    is_current = facts.schema == facts.newest_schema
    screen.pairs([
        ("file", facts.path), ("size", f"{facts.size:,} bytes, {facts.unused_size:,} of them unused"),
        ("log", f"{facts.log_size:,} bytes"), ("free on its disk", f"{facts.free_on_disk:,} bytes"),
        ("schema", f"{facts.schema}{'' if is_current else f', this release works on {facts.newest_schema}'}"),
        ("living runners", facts.living_runners),
    ])  # fmt: skip


def findings_as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """What was found about a file, as JSON."""
    return {"level": worst_of(findings), "findings": [one._asdict() for one in findings]}


def view_findings(screen: Screen, findings: Sequence[Finding]) -> None:
    """Shows what was found about a file."""
    screen.table(["aspect", "level", "found"], findings)


def worst_of(findings: Sequence[Finding]) -> str:
    """The worst level of all that was found."""
    levels = {one.level for one in findings}
    return next((level for level in ("bad", "warning") if level in levels), "ok")
