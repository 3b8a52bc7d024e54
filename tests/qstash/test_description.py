"""The description of the API has all of its endpoints, and the app gives it to tools."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from aiojobs_lite.qstash.app import ALL_ROUTES
from aiojobs_lite.qstash.description import DESCRIPTION_ROUTES, OPERATIONS, description
from aiojobs_lite.qstash.shapes import SHAPES
from tests.helpers.qstash import serving

OPERATION_OF: Final = {
    "publish": "/v2/publish/{destination}", "enqueue/mails": "/v2/enqueue/{queue}/{destination}",
}  # fmt: skip


def test_it_has_each_endpoint_and_no_other_one() -> None:
    def shaped(method: str, path: str) -> str:
        return f"{method} {re.sub('{.*?}', '{}', path)}"

    routes = {shaped(route.method, route.path) for route in ALL_ROUTES if route not in DESCRIPTION_ROUTES}
    assert {shaped(*name.split(" ")) for name in OPERATIONS} == routes


async def test_the_app_gives_it_for_the_place_where_it_is_mounted() -> None:
    async with serving(mount="/jobs/qstash") as client:
        answer = await client.get("/openapi.json")
        assert answer.status_code == 200
        assert answer.json() == json.loads(json.dumps(description("/jobs/qstash")))
        assert (await client.get("/openapi.json", headers={"Authorization": ""})).status_code == 401
    assert answer.json()["servers"] == [{"url": "/jobs/qstash"}]


def test_each_shape_is_referred_to_and_there() -> None:
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description("/"))))
    assert referred == SHAPES.keys()


def test_each_operation_says_what_it_answers_to_a_client_that_may_not() -> None:
    for methods in description("/")["paths"].values():
        for operation in methods.values():
            assert {"400", "401", "403"} <= operation["responses"].keys()
            assert min(operation["responses"]) in {"200", "201"}


@pytest.mark.parametrize("path", ["publish", "enqueue/mails"])
async def test_a_publish_by_the_clock_answers_with_the_id_of_its_schedule(path: str) -> None:
    """By the header `Upstash-Cron`: schemathesis seldom draws it."""
    async with serving() as api:
        answer = await api.post(f"/v2/{path}/https://example.com/", headers={"Upstash-Cron": "0 9 * * *"})
        described = description("")["paths"][OPERATION_OF[path]]["post"]["responses"]["200"]
    shapes = described["content"]["application/json"]["schema"]["anyOf"]
    assert list(answer.json()) in [shape.get("required") for shape in shapes]
