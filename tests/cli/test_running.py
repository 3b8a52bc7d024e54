"""`aiojobs-lite run` and `enqueue`, with the code of an application."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.command import command

CODE = """
from aiojobs_lite import JobRunner

runner = JobRunner({path!r})
other = 1

@runner.job
async def pay(user_id: int) -> str:
    return "paid"
"""


@pytest.fixture
def place(database: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The code of an application in the working directory."""
    name = f"shop_{database.parent.name.replace('-', '_')}"
    (database.parent / f"{name}.py").write_text(CODE.format(path=str(database)))
    monkeypatch.chdir(database.parent)
    monkeypatch.syspath_prepend(str(database.parent))
    return f"{name}:runner"


def test_a_job_is_enqueued_and_run(place: str) -> None:
    found = command("enqueue", "pay", "user_id=7", "--from", place, "--json").json
    assert found.keys() == {"id", "key", "is_new"}
    assert (
        command("enqueue", "pay", "--from", place, "--payload", '{"user_id": 8}').out
        == f"job {found['id'] + 1} of pay\n"
    )
    assert command("run", place, "--until-idle").code == 0
    assert command("show", found["id"], "--json").json["result"] == "paid"


def test_arguments_are_checked_by_the_code(place: str) -> None:
    assert command("enqueue", "pay", "user_id=x", "--from", place).code == 1
    assert command("enqueue", "none", "--from", place).code == 1
    wrong = command("enqueue", "pay", "--payload", "[]", "--from", place)
    assert wrong.code == 2
    assert "a JSON object" in wrong.err


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ("shop", "a module and the name of its runner, such as shop.jobs:runner"),
        ("no_such_module_at_all:runner", "a module; there is none named no_such_module_at_all"),
        ("{module}:other", "other is int"), ("{module}:gone", "gone is NoneType"),
    ],
)  # fmt: skip
def test_code_that_is_not_there_is_named(place: str, wrong: str, text: str) -> None:
    found = command("run", wrong.format(module=place.partition(":")[0]))
    assert found.code == 2
    assert text in found.err
