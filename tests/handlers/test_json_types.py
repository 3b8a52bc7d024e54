"""Types that JSON cannot hold, as arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import UploadFile
from pydantic import Secret, SecretBytes, SecretStr

from aiojobs_lite import job
from aiojobs_lite.errors import InvalidJobType
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


@pytest.mark.parametrize("annotation", [Opaque, Callable[[], int], Opaque | None, list[Opaque], 5])
def test_a_type_that_json_cannot_hold_is_refused(annotation: Any) -> None:
    text = refused_type(handler_of(annotation))
    assert text.startswith("job type 't': an argument has a type that cannot be stored as JSON: ")
    assert text.endswith(". Use a type that pydantic knows")
    assert "arbitrary_types_allowed" not in text


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
