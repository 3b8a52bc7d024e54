"""The endpoints of the signing keys."""

from __future__ import annotations

from pathlib import Path

from aiojobs_lite import JobRunner
from aiojobs_lite.http import SigningKeys, Verifier
from aiojobs_lite.qstash import StoredSigner, qstash_app
from aiojobs_lite.qstash.settings import DEVELOPMENT_TOKEN
from tests.helpers.endpoints import endpoint, local
from tests.helpers.qstash import CURRENT_KEY, NEXT_KEY, client, serving
from tests.helpers.waiting import until


async def test_a_rotation_makes_the_next_key_the_current_one() -> None:
    async with serving() as api:
        assert (await api.get("/v2/keys")).json() == {"current": CURRENT_KEY, "next": NEXT_KEY}
        rotated = (await api.post("/v2/keys/rotate")).json()
        assert (await api.get("/v2/keys")).json() == rotated
    assert (rotated["current"], rotated["next"] == NEXT_KEY) == (NEXT_KEY, False)
    assert SigningKeys(rotated["current"], rotated["next"]).scheme == "upstash"


async def test_without_keys_fresh_ones_are_made_and_stay() -> None:
    async with serving(current_key=None, next_key=None) as api:
        found = (await api.get("/v2/keys")).json()
        assert (await api.get("/v2/keys")).json() == found
    assert SigningKeys(found["current"], found["next"]).scheme == "upstash"


async def test_a_program_that_only_delivers_signs_with_the_same_keys(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    async with endpoint() as receiver:
        api_http, http = local(), local(qstash_signer=StoredSigner())
        async with serving(JobRunner(file, jobs=[api_http], max_running=0), api_http) as api:
            async with JobRunner(file, jobs=[http]) as runner:
                await api.post(f"/v2/publish/{receiver.url}", content=b"x")
                await until(lambda: runner.stats().completed == 1, look_every=0.01)
            assert (await api.get("/v2/keys")).json() == {"current": CURRENT_KEY, "next": NEXT_KEY}
    (got,) = receiver.received
    verifier = Verifier(SigningKeys(CURRENT_KEY), scheme="upstash", url=receiver.url)
    assert verifier.verify(got.body, dict(got.headers)).body == b"x"


async def test_the_keys_of_development_mode_are_fixed() -> None:
    http = local()
    runner = JobRunner(":memory:", jobs=[http])
    app = qstash_app(runner, http, development=True)
    base = "http://127.0.0.1:8080"
    async with runner, client(app, token=DEVELOPMENT_TOKEN, base=base, peer="127.0.0.1") as api:
        found = await api.post("/v2/keys/rotate")
    assert found.status_code == 400
    assert found.json() == {"error": "the keys of development mode are fixed: clients know them by heart"}
