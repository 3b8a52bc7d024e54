"""The value of `unique=`: what it refuses, and how it shows itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.flow import Unique
from aiojobs_lite.model.unique import UniqueScope


def of_email(payload: Any) -> str:
    return str(payload["email"])


@pytest.mark.parametrize(
    ("scope", "until", "window"),
    [
        ("pending", UniqueScope.PENDING, None),
        ("unfinished", UniqueScope.UNFINISHED, None),
        ("1h", None, 3600),
        (0.5, None, 0.5),
        (timedelta(days=1), None, 86400),
    ],
)
def test_a_scope_is_a_status_or_a_duration(scope: Any, until: UniqueScope | None, window: float | None) -> None:
    unique = Unique("user_id", scope=scope)
    assert (unique.scope, unique.window) == (until, window)


def test_a_key_is_of_fields_or_of_a_function_or_of_everything() -> None:
    assert Unique("a").key == ("a",)
    assert Unique("a", "b.c").key == ("a", "b.c")
    assert Unique(["a", "b.c"]).key == Unique(("a", "b.c")).key == ("a", "b.c")
    assert Unique(of_email).key is of_email
    assert Unique().key is None
    assert (Unique().scope, Unique().on_conflict) == (UniqueScope.UNFINISHED, "return")


@pytest.mark.parametrize(
    ("key", "options", "option"),
    [
        (("",), {}, "key"),
        (("a.",), {}, "key"),
        ((".a",), {}, "key"),
        (("a..b",), {}, "key"),
        (("a", "a"), {}, "key"),
        ((1,), {}, "key"),
        (("a", of_email), {}, "key"),
        ((int,), {}, "key"),
        (([],), {}, "key"),
        (([of_email],), {}, "key"),
        (("a", ["b"]), {}, "key"),
        (([["a"]],), {}, "key"),
        (("a",), {"scope": "finished"}, "scope"),
        (("a",), {"scope": 0}, "scope"),
        (("a",), {"scope": -1}, "scope"),
        (("a",), {"scope": None}, "scope"),
        (("a",), {"scope": ["pending"]}, "scope"),
        (("a",), {"scope": "200y"}, "scope"),
        (("a",), {"on_conflict": "ignore"}, "on_conflict"),
        (("a",), {"on_conflict": None}, "on_conflict"),
        (("a",), {"on_conflict": []}, "on_conflict"),
    ],
)
def test_what_cannot_work_is_refused_with_the_option(key: Any, options: Any, option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Unique(*key, **options)
    assert caught.value.option == option


def test_a_refusal_says_what_is_expected() -> None:
    with pytest.raises(InvalidOption) as caught:
        Unique(scope="x")
    assert str(caught.value) == "scope='x': expected 'pending', 'unfinished' or a duration such as \"1h\"."
    with pytest.raises(InvalidOption) as caught:
        Unique("a", "a")
    wanted = 'fields of the payload, such as "user_id" or "order.id", or one function of the payload; each once'
    assert str(caught.value) == f"key=('a', 'a'): expected {wanted}."


def test_it_shows_what_it_is() -> None:
    assert repr(Unique("a", "b", scope="1h")) == "Unique('a', 'b', scope='1h', on_conflict='return')"
    assert repr(Unique()) == "Unique(scope='unfinished', on_conflict='return')"
    assert repr(Unique(of_email, on_conflict="raise")) == ("Unique(of_email, scope='unfinished', on_conflict='raise')")
