"""The endpoints of URL groups."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.qstash.groups import MOST_ENDPOINTS, GroupEndpoint, with_endpoints
from tests.helpers.qstash import serving

A, B = "https://a.example/x?y=1", "https://b.example"


async def test_a_group_is_made_read_changed_and_deleted() -> None:
    async with serving() as api:
        made = await api.post("/v2/topics/news/endpoints", json={"endpoints": [{"url": A, "name": "a"}, {"url": B}]})
        assert (made.status_code, made.content) == (200, b"")
        group = (await api.get("/v2/topics/news")).json()
        assert group.pop("createdAt") <= group.pop("updatedAt")
        assert group == {"name": "news", "endpoints": [{"url": A, "name": "a"}, {"url": B}]}
        await api.post("/v2/topics/news/endpoints", json={"endpoints": [{"url": B, "name": "b"}]})
        (listed,) = (await api.get("/v2/topics")).json()
        assert listed["endpoints"] == [{"url": A, "name": "a"}, {"url": B, "name": "b"}]
        assert (await api.delete("/v2/topics/news")).status_code == 200
        assert (await api.get("/v2/topics")).json() == []
        assert (await api.get("/v2/topics/news")).status_code == 404
        assert (await api.delete("/v2/topics/news")).status_code == 200


async def test_the_last_endpoint_that_leaves_deletes_the_group() -> None:
    async with serving() as api:
        path = "/v2/topics/news/endpoints"
        await api.post(path, json={"endpoints": [{"url": A, "name": "a"}, {"url": B, "name": "b"}]})
        await api.request("DELETE", path, json={"endpoints": [{"name": "a"}]})
        assert (await api.get("/v2/topics/news")).json()["endpoints"] == [{"url": B, "name": "b"}]
        await api.request("DELETE", path, json={"endpoints": []})
        assert (await api.get("/v2/topics/news")).status_code == 200
        await api.request("DELETE", path, json={"endpoints": [{"url": B}, {"url": A}]})
        assert (await api.get("/v2/topics/news")).status_code == 404
        gone = await api.request("DELETE", path, json={"endpoints": [{"url": B}]})
        assert gone.status_code == 404
        assert gone.json() == {"error": "there is no url group 'news': POST /v2/topics/news/endpoints makes it"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([GroupEndpoint(B, "a")], [{"url": B, "name": "a"}]),
        ([GroupEndpoint(A)], [{"url": A, "name": "a"}, {"url": B, "name": "b"}]),
        ([GroupEndpoint(A, "c")], [{"url": A, "name": "c"}, {"url": B, "name": "b"}]),
        ([GroupEndpoint(A, "b")], [{"url": A, "name": "b"}]),
    ],
)
def test_a_known_name_gets_the_url_and_a_known_url_the_name(given: list[GroupEndpoint], kept: list[Any]) -> None:
    assert with_endpoints([{"url": A, "name": "a"}, {"url": B, "name": "b"}], given) == kept


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "there is no list of at most 100 endpoints"),
        ({"endpoints": {"url": A}}, "there is no list of at most 100 endpoints"),
        ({"endpoints": [A]}, "there is no list of at most 100 endpoints"),
        ({"endpoints": [{"name": "a"}]}, "an endpoint has no url"),
        ({"endpoints": [{"url": "ftp://a.example"}]}, "a URL that begins with https:// or http://"),
        ({"endpoints": [{"url": A, "name": "a/b"}]}, "name of an endpoint='a/b'"),
        ({"endpoints": [{"url": A}, {"url": A, "name": 7}]}, "name of an endpoint=7"),
        ({"endpoints": [{"url": A, "name": []}]}, "name of an endpoint=[]"),
    ],
)
async def test_what_is_no_endpoint_is_refused_and_nothing_is_written(body: Any, said: str) -> None:
    async with serving() as api:
        refused = await api.post("/v2/topics/news/endpoints", json=body)
        assert refused.status_code == 400
        assert said in refused.json()["error"]
        assert (await api.get("/v2/topics")).json() == []


async def test_a_group_has_at_most_a_hundred_endpoints() -> None:
    async with serving() as api:
        many = [{"url": f"https://a.example/{number}"} for number in range(MOST_ENDPOINTS)]
        await api.post("/v2/topics/news/endpoints", json={"endpoints": many})
        one_more = await api.post("/v2/topics/news/endpoints", json={"endpoints": [{"url": B}]})
        assert one_more.status_code == 400
        assert "a url group has at most 100 endpoints" in one_more.json()["error"]
        assert len((await api.get("/v2/topics/news")).json()["endpoints"]) == MOST_ENDPOINTS


async def test_what_is_no_name_of_a_group_and_what_is_no_endpoint_to_take_away_is_refused() -> None:
    async with serving() as api:
        refused = await api.get("/v2/topics/a%20b")
        assert refused.status_code == 400
        assert "url group='a b': expected 1 to 150 letters, digits, -, _ and ." in refused.json()["error"]
        nothing = await api.request("DELETE", "/v2/topics/news/endpoints", json={"endpoints": [{}]})
        assert nothing.status_code == 400
        assert "an endpoint has neither a name nor a url" in nothing.json()["error"]


async def test_all_groups_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiojobs_lite.qstash.api.LISTED_AT_ONCE", 2)
    async with serving() as api:
        for count in range(1, 6):
            await api.post(f"/v2/topics/g{count}/endpoints", json={"endpoints": [{"url": A}]})
            listed = (await api.get("/v2/topics")).json()
            assert [one["name"] for one in listed] == [f"g{number}" for number in range(1, count + 1)]
