"""A handler names its parameters as it likes: no name is one of the library's on the way to it."""

from __future__ import annotations

import asyncio
import inspect
from types import CodeType
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, job
from aiojobs_lite.engine import child
from aiojobs_lite.handlers.location import Location
from tests.helpers.engine import claimed
from tests.helpers.source import PACKAGE


def named_in_package() -> list[str]:
    """The names of all parameters of all functions of the library."""
    left = [compile(path.read_bytes(), str(path), "exec") for path in PACKAGE]
    found = set[str]()
    while left:
        code = left.pop()
        left += [part for part in code.co_consts if isinstance(part, CodeType)]
        count = code.co_argcount + code.co_kwonlyargcount
        count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
        found |= set(code.co_varnames[:count])
    return sorted(name for name in found if name.isidentifier() and not name.startswith("_") and name != "ctx")


NAMES = named_in_package()
GIVEN: dict[str, Any] = {name: number for number, name in enumerate(NAMES)}
TOTAL = sum(GIVEN.values())


def handler(prefix: str) -> Any:
    """A handler with a parameter of each name."""
    made: dict[str, Any] = {"JobContext": JobContext, "__name__": __name__}
    parameters = ", ".join(f"{name}: int" for name in NAMES)
    exec(f"{prefix} takes({parameters}, *, ctx: JobContext = None) -> int:\n    return {'+'.join(NAMES)}\n", made)
    return made["takes"]


takes = handler("def")


@pytest.mark.parametrize("prefix", ["def", "async def"])
async def test_a_parameter_may_have_any_name_of_the_library_s(prefix: str) -> None:
    assert len(NAMES) > 200
    assert {"call", "handler", "job", "self", "args", "kwargs", "run", "key"} <= set(NAMES)
    declared = job(name="takes", max_attempts=1)(handler(prefix))
    async with JobRunner(":memory:", jobs=[declared]) as runner:
        handles = [
            await runner.enqueue_named("takes", **GIVEN),
            await asyncio.to_thread(lambda: runner.enqueue_threadsafe(declared, **GIVEN)),
        ]
        assert [await handle.result() for handle in handles] == [TOTAL, TOTAL]


def test_in_a_worker_process_it_may_as_well() -> None:
    declared = child.Declaration("takes", Location(__name__, "takes"), True, None, ())
    payload = "{" + ",".join(f'"{name}":{value}' for name, value in GIVEN.items()) + "}"
    answer = child.call_handler(declared, claimed(7, "takes", payload))
    assert (answer.failure, answer.result) == (None, str(TOTAL))
