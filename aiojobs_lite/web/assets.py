"""The files that pages load: one style sheet, two scripts, a picture."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.responses import Response

HTMX_SHA256: Final = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
"""Of htmx 2.0.11, as its authors have published it (Zero-Clause BSD: `assets/htmx.LICENSE`)."""

_KINDS: Final = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_KEPT: Final = f"private, max-age={365 * 24 * 3600}, immutable"  # another version has another URL


@cache
def asset(name: str) -> bytes:
    """A file, by its name."""
    return (files("aiojobs_lite.web") / "assets" / name).read_bytes()


@cache
def version_of_assets() -> str:
    """A digest of all of them, which stands in their URLs."""
    digest = hashlib.sha256()
    for name in _KINDS:
        digest.update(asset(name))
    return digest.hexdigest()[:12]


def asset_response(path: str) -> Response | None:
    """The response to a request for `assets/<version>/<name>`; None if there is no such file."""
    folder, _, rest = path.partition("/")
    version, _, name = rest.partition("/")
    if folder != "assets" or name not in _KINDS:
        return None
    kept = _KEPT if version == version_of_assets() else "no-cache"
    return Response(asset(name), media_type=_KINDS[name], headers={"Cache-Control": kept})
