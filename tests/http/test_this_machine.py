"""What is of this machine."""

from __future__ import annotations

import pytest

from aiojobs_lite.http.this_machine import is_loopback, is_request_of_this_machine

THIS, OTHER = ("127.0.0.1", 8290), ("10.0.0.7", 8290)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost"])
def test_a_loopback_address_is_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "example.org", "localhost.example.org", ""])
def test_any_other_may_be_reached_from_elsewhere(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8290", "127.0.0.1:8290", "[::1]:8290", "[::1]"])
def test_a_request_of_this_machine_by_its_name_is_request_of_this_machine(host: str) -> None:
    assert is_request_of_this_machine({"client": THIS, "server": THIS}, host)


@pytest.mark.parametrize("host", ["", "example.org", "localhost.example.org:8290", "localhost:x", "127.0.0.2"])
def test_one_by_another_name_is_not(host: str) -> None:
    assert not is_request_of_this_machine({"client": THIS, "server": THIS}, host)


@pytest.mark.parametrize(
    "scope",
    [
        {"client": OTHER, "server": THIS}, {"client": THIS, "server": OTHER}, {"client": None, "server": THIS},
        {"server": THIS}, {},
    ],
)  # fmt: skip
def test_one_of_another_machine_or_of_an_unknown_one_is_not(scope: dict[str, object]) -> None:
    assert not is_request_of_this_machine(scope, "localhost")
