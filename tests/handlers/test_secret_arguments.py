"""`secret=`: what is refused, and that no error, no text and no store but the payload has the values."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from aiojobs_lite import InvalidOption, InvalidPayload, JobContext, Jobs, injected, job
from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.events import Event
from aiojobs_lite.flow import Debounce, Unique
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.limits import Limit

SECRET = "s3cret"


def picky(value: str) -> str:
    if value != "fine":
        raise ValueError(f"{value} is not fine")
    return value


async def deliver(
    url: str, token: Annotated[str, AfterValidator(picky)] = "fine", *, key: int = 1, ctx: JobContext = injected
) -> None: ...


async def opened(token: str) -> None: ...


hidden = job(secret=["key", "token", "token"])(deliver)


def test_the_payload_has_the_values_and_says_which_are_secret() -> None:
    payload = hidden.bind("https://a", "fine", key=5).payload
    assert payload == '{"@secret":["token","key"],"url":"https://a","token":"fine","key":5}'
    assert hidden.signature.load(payload) == ((), {"url": "https://a", "token": "fine", "key": 5})
    second = job(version=2, secret=("token",))(opened)
    assert second.bind("a").payload == '{"@version":2,"@secret":["token"],"token":"a"}'
    assert second.signature.load(second.bind("a").payload) == ((), {"token": "a"})


@pytest.mark.parametrize("secret", [None, [], ()])
def test_a_type_without_secrets_has_the_plain_payload(secret: Any) -> None:
    plain = job(secret=secret)(opened)
    assert plain.bind("a").payload == '{"token":"a"}'
    assert plain.signature.secret == ()


@pytest.mark.parametrize("secret", ["token", {"token": 1}, ["password"], [1], ["ctx"], 5])
def test_what_is_no_argument_is_refused_at_the_declaration(secret: Any) -> None:
    with pytest.raises(InvalidOption, match=r"names? of arguments of the handler, which has url, token, key") as caught:
        job(secret=secret)(deliver)
    assert caught.value.option == "secret"


@pytest.mark.parametrize(
    "options",
    [
        {"unique": Unique("token")},
        {"debounce": Debounce("1s", key=("url", "token"))},
        {"limits": [Limit(1, key="key")]},
    ],
)
def test_no_key_is_made_of_a_secret_argument(options: Any) -> None:
    with pytest.raises(InvalidOption, match="an argument that is not secret: a key is stored, and shown"):
        job(secret=["token", "key"], **options)(deliver)


def test_a_listener_has_no_secret_arguments() -> None:
    async def listens(event: Event[Any]) -> None: ...

    with pytest.raises(InvalidJobType, match="which are stored and shown as they were sent: leave out secret="):
        Jobs().on("a/b", secret=["event"])(listens)


@pytest.mark.parametrize("mark", ["", '"@secret":["token"],', '"@secret":["key"],'])
def test_an_error_of_a_stored_payload_does_not_quote_a_secret_value(mark: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        hidden.signature.load(f'{{{mark}"url":"a","token":"s3cret"}}')
    assert SECRET not in f"{caught.value} {caught.value.problems}"
    assert caught.value.problems == (("token", "does not fit; its value is secret, and so is what is wrong with it"),)


@pytest.mark.parametrize("key", [SECRET, {SECRET: 1}, object(), float("nan"), 10**5000], ids=type)
def test_an_error_of_a_call_does_not_quote_a_secret_value(key: Any) -> None:
    with pytest.raises(InvalidPayload) as caught:
        hidden.bind("a", SECRET, key=key)
    assert SECRET not in f"{caught.value} {caught.value.problems}"
    assert {path for path, _ in caught.value.problems} <= {"token", "key"}
    with pytest.raises(InvalidPayload, match="url: Input should be a valid string"):
        hidden.bind(1)  # type: ignore[arg-type]  # that is the matter


def test_a_step_of_an_upgrade_that_fails_does_not_quote_a_secret_value() -> None:
    def step(arguments: dict[str, Any]) -> dict[str, Any]:
        raise LookupError(arguments["token"])

    second = job(version=2, upgrade={1: step}, secret=["token"])(opened)
    with pytest.raises(InvalidPayload, match="raised LookupError") as caught:
        second.signature.load('{"@secret":["token"],"token":"s3cret"}')
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_step_of_an_upgrade_gets_the_values() -> None:
    second = job(version=2, upgrade={1: lambda old: {"token": old["secret"]}}, secret=["token"])(opened)
    assert second.signature.load('{"@secret":["secret"],"secret":"s3cret"}') == ((), {"token": SECRET})


def test_a_function_of_the_arguments_that_fails_does_not_quote_a_secret_value() -> None:
    def fails(arguments: Any) -> Any:
        raise LookupError(arguments["token"])

    for options in ({"unique": Unique(fails)}, {"priority": fails}):
        kept: Any = job(secret=["token"], **options)(opened)
        with pytest.raises(Exception, match="raised LookupError") as caught:
            kept.how.candidate(kept.row(0, (SECRET,), {}))
        assert SECRET not in str(caught.value)


def test_what_was_enqueued_with_secrets_is_read_by_a_handler_without() -> None:
    plain = job(opened)
    assert type(plain.signature) is Signature
    assert plain.signature.load('{"@secret":["token"],"token":"a"}') == ((), {"token": "a"})
    with pytest.raises(InvalidPayload, match="nope: Extra inputs are not permitted"):
        plain.signature.load('{"@secret":["token"],"token":"a","nope":1}')


def test_the_repr_of_a_bound_job_shows_no_secret_value() -> None:
    assert repr(hidden.bind("https://a", "fine", key=5)) == (
        '<BoundJob \'deliver\' {"@secret":["token","key"],"url":"https://a","token":"REDACTED","key":"REDACTED"}>'
    )
