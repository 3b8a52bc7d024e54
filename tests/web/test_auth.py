"""Basic auth and loopback only."""

from __future__ import annotations

import base64
import hmac
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.web import basic_auth, loopback_only
from aiojobs_lite.web.auth import USER

ADMINS, READERS = {"ann": "one:1", "zoë": "Zwölf"}, {"ben": "two", "ann": "reads"}


def asking(header: str = "", **scope: Any) -> Any:
    headers = {"authorization": header} if header else {}
    return SimpleNamespace(headers=headers, scope=scope)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [
        ("ann", "one:1", "admin"), ("zoë", "Zwölf", "admin"), ("ben", "two", "read"), ("ann", "reads", "read"),
        ("ann", "one", None), ("Ann", "one:1", None), ("ann", "", None), ("", "", None),
        ("ben", "one:1", None), ("ann", "one:1 ", None),
    ],
)  # fmt: skip
def test_a_user_has_the_role_of_name_and_password(name: str, password: str, role: str | None) -> None:
    request = asking(basic(name, password))
    assert basic_auth(ADMINS, READERS)(request) == role
    assert request.scope.get(USER) == (name if role else None)


@pytest.mark.parametrize("header", ["", "Basic", "Basic %%%", "Basic /w==", "Bearer x", basic("ann", "one:1")[:-3]])
def test_what_is_no_header_of_a_user_lets_nothing_in(header: str) -> None:
    assert basic_auth(ADMINS)(asking(header)) is None


def test_the_scheme_is_read_in_any_case() -> None:
    assert basic_auth(ADMINS)(asking(basic("ann", "one:1").replace("Basic", "basic"))) == "admin"


def test_a_wrong_name_is_compared_as_often_as_a_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    auth = basic_auth(ADMINS, READERS)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    for name, password in (("ann", "one:1"), ("carl", "x"), ("ben", "x" * 500)):
        compared.clear()
        auth(asking(basic(name, password)))
        assert compared == [(32, 32)] * 4


@pytest.mark.parametrize("users", [{"": "x"}, {"a": ""}, {"a:b": "x"}, {"a": 1}, {1: "a"}, "ann"])
def test_users_that_cannot_be_are_refused_and_not_shown(users: Any) -> None:
    with pytest.raises(InvalidOption, match="passwords by the names of users, neither empty, no name with a colon"):
        basic_auth(users)
    with pytest.raises(InvalidOption, match="readers"):
        basic_auth({"ann": "x"}, users)


def test_without_a_user_there_is_no_auth() -> None:
    with pytest.raises(InvalidOption, match="at least one user with a password"):
        basic_auth({})


HERE = {"client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 80)}


def local(host: str = "localhost:8000", headers: dict[str, str] | None = None, **scope: Any) -> Any:
    return SimpleNamespace(headers={"host": host, **(headers or {})}, scope={**HERE, **scope})


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1:1", "[::1]:8000", "[::1]"])
def test_this_machine_is_let_in_by_its_own_names(host: str) -> None:
    assert loopback_only()(local(host)) == "admin"
    assert loopback_only("read")(local(host, client=("::1", 1))) == "read"


@pytest.mark.parametrize(
    "request_",
    [
        local("evil.test"), local("localhost.evil.test"), local(""), local(client=("10.0.0.1", 1)), local(client=None),
        local(server=("192.0.2.1", 80)), local(server=("/run/app.sock", None)),
        local(headers={"x-forwarded-for": "::1"}),
        local(headers={"forwarded": "for=1"}), local(headers={"x-real-ip": "127.0.0.1"}), local(client=("x", 1)),
    ],
)  # fmt: skip
def test_anything_else_is_not(request_: Any) -> None:
    assert loopback_only()(request_) is None


def test_a_role_is_one_of_two() -> None:
    with pytest.raises(InvalidOption, match="'read' or 'admin'"):
        loopback_only("owner")  # type: ignore[arg-type]
