"""The files of the pages."""

from __future__ import annotations

import hashlib
import re

from aiojobs_lite import JobRunner
from aiojobs_lite.web.assets import HTMX_SHA256, asset, asset_response, version_of_assets
from tests.helpers.dashboard import dashboard
from tests.helpers.root import ROOT

FOLDER = ROOT / "aiojobs_lite" / "web" / "assets"


def test_htmx_is_what_its_authors_have_published_with_its_licence() -> None:
    assert hashlib.sha256(asset("htmx.min.js")).hexdigest() == HTMX_SHA256
    assert 'version:"2.0.11"' in asset("htmx.min.js").decode()
    assert "Zero-Clause BSD" in (FOLDER / "htmx.LICENSE").read_text(encoding="utf-8")


def test_nothing_of_them_loads_anything_from_elsewhere() -> None:
    own = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("dashboard.css", "dashboard.js"))
    assert re.findall(r"https?://|@import|url\(|\beval\b|innerHTML|EventSource|WebSocket", own) == []


async def test_they_are_kept_by_their_version_and_nothing_else_is_served() -> None:
    async with dashboard(JobRunner(":memory:")) as client:
        found = await client.get(f"/assets/{version_of_assets()}/dashboard.css")
        assert (found.status_code, found.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
        assert found.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert (await client.get("/assets/old/dashboard.css")).headers["Cache-Control"] == "no-cache"
        assert (await client.get("/assets/x/htmx.LICENSE")).status_code == 404
    assert asset_response("assets/x") is None
