"""A browser with an open page, as `dashboard.js` keeps it fresh. A process of its own: a browser takes nothing of the
server's time.

Each line that it reads is the path of a page that it opens; an empty one closes the page, and the number of its
refreshes is printed.
"""

from __future__ import annotations

import re
import select
import sys
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from aiojobs_lite.web.site import MARK_HEADER, POLLED_EVERY_S


class OpenPage:
    """A page that is open.

    Args:
        address: Of the site.
        path: Of the page, with a slash before it.

    Attributes:
        refreshes: How often it was made anew.
        next_at: When it is asked for next, by the monotonic clock.
    """

    def __init__(self, address: str, path: str) -> None:
        self._connection, self._path, self._mark = HTTPConnection(urlsplit(address).netloc), path, ""
        self._ask()
        self.refreshes, self.next_at = 0, time.monotonic() + POLLED_EVERY_S / 2

    def refresh(self) -> None:
        """Asks whether it has changed."""
        self.refreshes += self._ask()
        self.next_at += POLLED_EVERY_S

    def close(self) -> None:
        """Ends its connection."""
        self._connection.close()

    def _ask(self) -> bool:
        headers = {"HX-Request": "true", MARK_HEADER: self._mark} if self._mark else {}
        self._connection.request("GET", self._path, headers=headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status == 200:
            (self._mark,) = re.findall(rf'"{MARK_HEADER}": "([^"]+)"', text)
        elif answer.status != 204:
            raise RuntimeError(f"{self._path} answered {answer.status}:\n{text}")
        return answer.status == 200


def visit(address: str) -> None:
    """Opens and closes pages as the lines say, until there are no more."""
    page: OpenPage | None = None
    while True:
        wait = None if page is None else max(page.next_at - time.monotonic(), 0)
        if not select.select([sys.stdin], [], [], wait)[0]:
            if page is not None:
                page.refresh()
            continue
        line = sys.stdin.readline()
        if page is not None:
            print(page.refreshes, flush=True)
            page.close()
        if not line:
            return
        path = line.strip()
        page = OpenPage(address, path) if path else None
        if page is not None:
            print("open", flush=True)


if __name__ == "__main__":
    visit(sys.argv[1])
