"""The stand-in answers for every host as the suites expect it, and deliveries get there by their resolver alone."""

from __future__ import annotations

from typing import Final

import pytest

from aiojobs_lite.errors import JobDead
from tests.helpers.endpoints import delivering
from tests.helpers.stand_in import answer_of, stand_in

ANSWERS: Final = {
    ("mock.httpstatus.io", "/404"): (404, 0),
    ("mock.httpstatus.io", "/200?sleep=30000"): (200, 30),
    ("mock.httpstatus.io", "/"): (200, 0),
    ("example.com", "/123/?asdasd=ooo"): (405, 0),
    ("example.org", "/200"): (405, 0),
    ("api.openai.com", "/v1/chat/completions"): (200, 0),
    ("anything.requestcatcher.com", "/404"): (200, 0),
}


@pytest.mark.parametrize(("asked", "answer"), ANSWERS.items(), ids=map(str, ANSWERS))
def test_each_host_has_its_answer(asked: tuple[str, str], answer: tuple[int, float]) -> None:
    assert answer_of(*asked) == answer


async def test_a_delivery_to_any_name_comes_there_and_its_certificate_is_checked() -> None:
    async with stand_in() as others, delivering(**others.options) as runner:
        handle = await runner.publish("https://api.openai.com/v1/chat/completions", json=1)
        result = await handle.result()
        assert (result.status, result.body) == (200, "200 OK")
        failing = await runner.publish("https://mock.httpstatus.io/404", method="GET", max_attempts=1)
        with pytest.raises(JobDead):
            await failing.result()
        details = (await failing.job()).history[0].details
    assert details is not None
    assert (details["status"], details["body"]) == (404, "404 Not Found")
    assert others.endpoint.targets == ["/v1/chat/completions", "/404"]
