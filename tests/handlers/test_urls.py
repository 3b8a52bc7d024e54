"""The URL of a delivery: one form, and what is refused."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.urls import check_url, host_of

LABEL = "a" * 63


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com/"),
        ("HTTPS://Example.COM/Path?Q=1", "https://example.com/Path?Q=1"),
        ("http://example.com:80", "http://example.com:80"),
        ("https://example.com:00443/x", "https://example.com:443/x"),
        ("https://example.com/a#fragment", "https://example.com/a"),
        ("https://example.com?x=1#y", "https://example.com?x=1"),
        ("https://example.com/%7Ea%2fb/../c//d?x=%20[1]~", "https://example.com/%7Ea%2fb/../c//d?x=%20[1]~"),
        ("https://example.com/a|b{c}^`<>\"", "https://example.com/a%7Cb%7Bc%7D%5E%60%3C%3E%22"),
        ("https://example.com/ä/€?ü=1", "https://example.com/%C3%A4/%E2%82%AC?%C3%BC=1"),
        ("https://example.com/100%", "https://example.com/100%"),
        ("https://Bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://straße.de/", "https://xn--strae-oqa.de/"),
        ("https://\uff11\uff12\uff17.0.0.1/", "https://127.0.0.1/"),
        ("https://127。0。0。1/", "https://127.0.0.1/"),
        ("https://1.2.3.4.example/", "https://1.2.3.4.example/"),
        ("https://0x7f.example/", "https://0x7f.example/"),
        ("https://[2001:DB8:0::1]:8080/x", "https://[2001:db8::1]:8080/x"),
        ("https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
        ("https://a_b-c.example./", "https://a_b-c.example./"),
        (f"https://{LABEL}.example/", f"https://{LABEL}.example/"),
        ("https://example.com/?next=http://u:p@other/", "https://example.com/?next=http://u:p@other/"),
    ],
)  # fmt: skip
def test_a_url_has_one_form_which_is_stable(given: str, kept: str) -> None:
    assert check_url("url", given) == kept
    assert check_url("url", kept) == kept


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, "a URL as text"), (b"https://a", "a URL as text"), ("", "begins with https:// or http://"),
        ("example.com", "begins with"), ("//example.com", "begins with"), ("ftp://example.com", "begins with"),
        ("javascript:alert(1)", "begins with"), ("file:///etc/passwd", "begins with"), ("https:/example.com", "begins"),
        ("https:example.com", "begins with"), (" https://example.com", "without blanks"),
        ("https://example.com/a b", "without blanks"), ("https://example.com/\n", "without blanks"),
        ("https://example.com/\t", "without blanks"), ("https://example.com/\r\nX: 1", "without blanks"),
        ("https://example.com/\x00", "without blanks"), ("https://example.com/\x7f", "without blanks"),
        ("https://example.com/\u2028", "without blanks"), ("https://example.com/\u00a0", "without blanks"),
        ("https://example.com/\ud800", "without blanks"), ("https://example.com\\@evil.example/", "backslashes"),
        ("https://user@example.com/", "without a user"), ("https://user:hunter2@example.com/", "without a user"),
        ("https://:@example.com", "without a user"), ("https://", "name of a host"), ("https:///path", "a host"),
        ("https://?x", "name of a host"), ("https://:443/", "name of a host"), ("https://a:b/", "with a host"),
        ("https://a:/", "with a host"), ("https://a:1:2/", "with a host"), ("https://a:0/", "port from 1 to 65535"),
        ("https://a:65536/", "port from 1 to 65535"), ("https://a:999999/", "with a host"), ("https://a:-1/", "host"),
        ("https://a..b/", "name of a host"), ("https://.a/", "name of a host"), ("https://-a/", "name of a host"),
        ("https://a-/", "name of a host"), ("https://a%2eb/", "name of a host"), ("https://a!b/", "name of a host"),
        (f"https://{LABEL}a.example/", "name of a host"), (f"https://{'.'.join([LABEL] * 5)}/", "name of a host"),
        *[
            (f"https://{host}/", "an address as four numbers from 0 to 255")
            for host in ("0x7f.1", "127.1", "2130706433", "0177.0.0.1", "1.2.3.4.", "1.2.3.256", "0x7f000001", "a.0x")
        ],
        ("https://[::1", "with a host"), ("https://::1/", "with a host"), ("https://[::1]x/", "with a host"),
        ("https://[fe80::1%eth0]/", "without a zone"), ("https://[1.2.3.4]/", "IPv6 address"),
        ("https://[v1.x]/", "IPv6 address"), ("https://a..ü/", "Empty Label"), ("https://☃☃/", "name of a host"),
        ("https://example.com/" + "a" * 3990, "at most 4,000 characters"),
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_delivery_is_refused(given: Any, problem: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        check_url("callback", given)
    assert caught.value.option == "callback"
    assert problem in caught.value.expected
    assert "hunter2" not in str(caught.value)


EXAMPLE = '"https://example.com/hook"'


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, f"url=3: expected a URL as text, such as {EXAMPLE}."),
        ("x", f"url='x': expected a URL that begins with https:// or http://, such as {EXAMPLE}."),
        ("https://a b", "a URL without blanks, control characters and backslashes: percent-encode them."),
        (
            "https://a@b/",
            "a URL without a user and a password, which every list would show; give secret_headers={...}.",
        ),
        ("https://a:b/", f"a URL with a host, and perhaps a port, such as {EXAMPLE}."),
        ("https://a:0/", "a URL with a port from 1 to 65535."),
        ("https://[::1%1]/", "a URL with an IPv6 address without a zone between its brackets."),
        ("https://a..b/", f"a URL with the name of a host, such as {EXAMPLE}."),
        ("https://a..ü/", "a URL with the name of a host: Empty Label."),
        ("https://127.1/", "a URL with an address as four numbers from 0 to 255."),
    ],
)
def test_each_refusal_says_what_to_write(given: Any, message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        check_url("url", given)
    assert str(caught.value).endswith(message)


def test_a_long_url_is_refused_with_its_limit() -> None:
    with pytest.raises(InvalidOption, match=r"expected a URL of at most 4,000 characters\.$"):
        check_url("url", "https://example.com/" + "a" * 4000)


def test_without_the_extra_a_host_must_be_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    assert check_url("url", "https://xn--bcher-kva.example/ü") == "https://xn--bcher-kva.example/%C3%BC"
    with pytest.raises(InvalidOption, match=r'a host in ASCII, such as "xn--\.\.\.", or the extra: pip install'):
        check_url("url", "https://bücher.example/")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com", "example.com"), ("http://example.com:81/x", "example.com"),
        ("https://example.com?x=//y", "example.com"), ("https://[2001:db8::1]:8080/x", "2001:db8::1"),
        ("https://127.0.0.1/x:y", "127.0.0.1"),
    ],
)  # fmt: skip
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_of(url) == host
