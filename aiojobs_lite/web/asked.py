"""A request to the dashboard: who asks, below which path, and what its form has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request

from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.web.auth import USER, Role

LARGEST_FORM_BYTES: Final = 1024 * 1024
"""The fields of a form, as they are sent."""

MOST_FORM_FIELDS: Final = 2_000

FORM: Final = "application/x-www-form-urlencoded"
_OTHER_SITE: Final = "this request came from a page of another site, and was not carried out"
_NOT_READ: Final = "the form cannot be read: send it as a browser does, with at most 2,000 fields"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was let in.

    Attributes:
        request: It.
        role: What it may do.
        path: Its path below the mount, without the slash before it.
        numbers: The numbers in its path, such as the id of a job.
    """

    request: Request
    role: Role
    path: str
    numbers: tuple[int, ...] = ()

    @property
    def may_act(self) -> bool:
        """Whether it may change anything."""
        return self.role == "admin"

    @property
    def base(self) -> str:
        """What leads from its path to the first page: links are relative, so that any mount will do."""
        return "../" * self.path.count("/") or "./"

    @property
    def user(self) -> str:
        """The person that acts, as far as it is known, as it stands beside what it does."""
        name = self.request.scope.get(USER)
        return f"{name}, by the dashboard" if isinstance(name, str) and name else "the dashboard"

    def parameters(self) -> dict[str, str]:
        """The parameters of the query; of one that is given twice the last."""
        return dict(self.request.query_params)

    def header(self, name: str) -> str:
        """A header, or empty text."""
        return self.request.headers.get(name, "")

    async def form(self) -> Form:
        """The fields of the form that is sent.

        Raises:
            ApiError: 400 if it is none, 413 if it is too large.
        """
        if self.header("content-type").partition(";")[0].strip().lower() != FORM:
            raise ApiError(400, _NOT_READ)
        body = await read_body(self.request, LARGEST_FORM_BYTES)
        try:
            pairs = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FORM_FIELDS, errors="strict"
            )
        except ValueError:
            raise ApiError(400, _NOT_READ) from None
        return Form(tuple(pairs))


class Form:
    """The fields of a form.

    Args:
        pairs: Names and values, in the order of the form.
    """

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self._pairs = pairs

    def one(self, name: str) -> str:
        """The value of a field without spaces around it, or empty text; line ends are those of Python."""
        return next((value for field, value in self._pairs if field == name), "").replace("\r\n", "\n").strip()

    def ids(self) -> list[int]:
        """The jobs that are selected.

        Raises:
            ApiError: 400 if one is no id.
        """
        given = [value for field, value in self._pairs if field == "id"]
        if not all(value.isascii() and value.isdecimal() and len(value) < 20 for value in given):
            raise ApiError(400, "the form names a job by what is no id")
        return list(dict.fromkeys(map(int, given)))

    def fields(self) -> dict[str, str]:
        """All fields, the first value of each."""
        return {name: self.one(name) for name, _ in self._pairs}


def check_same_origin(request: Request) -> None:
    """Checks that a request that changes something comes from a page of this very site, as browsers say.

    Raises:
        ApiError: 403 if not, or if nothing says so.
    """
    fetch_site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if fetch_site is not None and fetch_site != "same-origin":
        raise ApiError(403, _OTHER_SITE)
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise ApiError(403, _OTHER_SITE)
    if fetch_site is None and not origin:
        raise ApiError(403, f"{_OTHER_SITE}: send the header Origin")


def asked_path(scope: Any) -> str:
    """The path of a request below the mount, without the slash before it; without one that a host has put behind it."""
    path: str = scope["path"]
    root = scope.get("root_path", "").rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        path = path.removeprefix(root)
    if len(path) > 1 and path.endswith("/") and not _raw_path(scope).endswith("/"):
        path = path[:-1]
    return path.removeprefix("/")


def with_slash(scope: Any) -> str | None:
    """Where to go from the mount without the slash at its end, from which relative links lead astray; None: it is not
    that.
    """
    path = _raw_path(scope)
    return None if asked_path(scope) or path.endswith("/") else f"./{path.rpartition('/')[2]}/"


def _raw_path(scope: Any) -> str:
    """The path as it arrived, with its escapes."""
    raw = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("latin-1")
