"""Types that JSON cannot hold, as arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import UploadFile
from pydantic import Secret, SecretBytes, SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from aiojobs_lite import JobRunner, injected, job
from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.signature import Signature
from tests.helpers.payloads import (
    Account,
    Box,
    Login,
    Opaque,
    OwnSecret,
    Unfinished,
    Vault,
    handler_of,
    refused_type,
)


@dataclass
class Holder:
    held: Opaque


@pytest.mark.parametrize(
    ("annotation", "path"),
    [
        (SecretStr, "value"),
        (SecretBytes, "value"),
        (OwnSecret, "value"),
        (Secret[int], "value"),
        (list[SecretStr | None], "value"),
        (dict[str, SecretBytes], "value"),
        (Login, "value.password"),
        (Account, "value.logins.password"),
        (Vault, "value.opened_with"),
        (Box[tuple[Login, int]], "value.content.password"),
    ],
)
def test_a_secret_is_refused_wherever_it_hides(annotation: Any, path: str) -> None:
    assert refused_type(handler_of(annotation)) == (
        f"job type 't': an argument ({path}) has a secret type, which would be stored as asterisks. "
        "Use a key to look it up"
    )


@pytest.mark.parametrize(
    ("annotation", "written"),
    [
        (Opaque, "Opaque"),
        (Opaque | None, "Opaque"),
        (Annotated[Opaque, "of the runner"], "Opaque"),
        (JobRunner, "JobRunner"),
        (AsyncSession, "AsyncSession"),
        (Callable[[], int], None),
        (list[Opaque], None),
        (Holder, None),
        (5, None),
    ],
)
def test_a_type_that_json_cannot_hold_is_refused(annotation: Any, written: str | None) -> None:
    text = refused_type(handler_of(annotation))
    assert text.startswith("job type 't': an argument (value) has a type that cannot be stored as JSON: ")
    injecting = (
        "" if written is None else f", take its id, or write `value: {written} = injected` if the runner is to fill it"
    )
    assert text.endswith(f". Use a type that pydantic knows{injecting}")
    assert "arbitrary_types_allowed" not in text


def test_of_several_arguments_the_one_that_json_cannot_hold_is_named() -> None:
    async def work(user_id: int, smtp: Opaque = Opaque(), *, other: str = "") -> None: ...  # noqa: B008  # never changed

    assert "`smtp: Opaque = injected`" in refused_type(work)

    async def corrected(user_id: int, smtp: Opaque = injected, *, other: str = "") -> None: ...

    assert Signature("t", corrected).injected == {"smtp": Opaque}


def test_a_model_that_is_not_finished_is_refused() -> None:
    assert "not fully defined" in refused_type(handler_of(Unfinished))


@pytest.mark.parametrize("kind", [UploadFile, list[UploadFile], UploadFile | None])
def test_a_file_of_a_request_is_refused_where_it_is_declared(kind: Any) -> None:
    async def thumbnail(picture: Any) -> None: ...

    thumbnail.__annotations__["picture"] = kind
    with pytest.raises(
        InvalidJobType, match=r"an argument \(picture\) is a file of a request, which is gone when the job"
    ):
        job(thumbnail)
