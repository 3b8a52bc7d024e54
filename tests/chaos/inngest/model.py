"""Stands for an app with the SDK for TypeScript of version 4, which stores its steps by checkpoints in each call."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tests.chaos.inngest.plan import CHECKED, CHECKED_STEPS, hash_of
from tests.helpers.pauses import pause

CHECKED_PATH: Final = "/api/v4"
_SDK: Final = {"x-inngest-sdk": "inngest-js:v4.24.0", "x-inngest-req-version": "2"}
_SENT_AT_ONCE: Final = 0.8  # the share of steps that are; others go with the next one, or with the end
_TRIES: Final = 5
_FIRST_WAIT_S: Final = 0.05

RunStep = Callable[[str, object], Awaitable[Any]]
"""Runs the code of a step."""


class ModelSdk:
    """Answers the calls of one function, and stores its steps by checkpoints.

    Args:
        run_step: Runs the code of a step.
        stored: Is given each step whose checkpoint was answered.
        chance: The randomness.
    """

    def __init__(self, run_step: RunStep, stored: Callable[[str], None], chance: random.Random) -> None:
        self._run_step = run_step
        self._stored = stored
        self._chance = chance
        self._http = httpx.AsyncClient(base_url=os.environ["INNGEST_DEV"], trust_env=False)

    def serve(self, app: FastAPI) -> None:
        """Adds its endpoints to an application."""
        app.add_api_route(CHECKED_PATH, self.register, methods=["PUT"])
        app.add_api_route(CHECKED_PATH, self.answer, methods=["POST"])

    async def register(self, request: Request) -> Response:
        """Registers the function."""
        runtime = {"type": "http", "url": f"{request.url}?fnId={CHECKED}&stepId=step"}
        function = {
            "id": CHECKED, "name": CHECKED, "triggers": [{"event": "total/asked"}],
            "steps": {"step": {"id": "step", "name": "step", "runtime": runtime}},
        }  # fmt: skip
        body = {"url": str(request.url), "deployType": "ping", "appName": "chaos-v4", "sdk": "js:v4.24.0"}
        try:
            answer = await self._http.post("/fn/register", json={**body, "functions": [function]})
        except httpx.HTTPError:  # the server was killed, and asks again
            return Response(status_code=httpx.codes.BAD_GATEWAY, headers=_SDK)
        return Response(status_code=answer.status_code, headers=_SDK)

    async def answer(self, request: Request) -> Response:
        """Runs the steps that have no memo, one after the other; of a call that is tried again one alone."""
        call = await request.json()
        memos, found, unsent = call["steps"], list[Any](), list[dict[str, Any]]()
        for name in CHECKED_STEPS:
            hashed = hash_of(name)
            if hashed in memos:
                found.append(memos[hashed]["data"])
                continue
            result = await self._run_step(name, call["event"]["data"]["n"])
            found.append(result)
            unsent.append({"op": "StepRun", "id": hashed, "displayName": name, "data": result})
            if call["ctx"]["attempt"]:
                return JSONResponse(unsent, 206, headers=_SDK)
            if self._chance.random() < _SENT_AT_ONCE:
                status = await self._checkpoint(call["ctx"], unsent)
                if status == httpx.codes.CONFLICT:  # the call is stale: it stops at once
                    error = {"name": "Error", "message": "stale"}
                    return JSONResponse(error, 500, headers={**_SDK, "x-inngest-no-retry": "true"})
                if status == httpx.codes.OK:
                    unsent = []
        return JSONResponse([*unsent, {"op": "RunComplete", "id": "end", "data": found}], 206, headers=_SDK)

    async def _checkpoint(self, ctx: Mapping[str, Any], steps: list[dict[str, Any]]) -> int:
        """Stores steps; returns the status of the answer, 0 if none came."""
        kept = ("run_id", "fn_id", "qi_id", "request_id", "generation_id")
        body = {**{name: ctx[name] for name in kept}, "steps": steps}
        for attempt in range(_TRIES):
            try:
                answer = await self._http.post(f"/v1/checkpoint/{ctx['run_id']}/async", json=body)
            except httpx.HTTPError:
                await pause(_FIRST_WAIT_S * 2**attempt)
                continue
            if answer.status_code == httpx.codes.OK:
                for step in steps:
                    self._stored(step["displayName"])
            if answer.status_code in {httpx.codes.OK, httpx.codes.CONFLICT}:
                return answer.status_code
            await pause(_FIRST_WAIT_S * 2**attempt)
        return 0
