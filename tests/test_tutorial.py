"""The tutorial, done literally: its files are copied, its commands run, and they print what the page shows."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from tests.helpers.documents import DOCS, blocks
from tests.helpers.reader import Reader
from tests.helpers.rings import slow
from tests.helpers.serving import reserved

pytestmark = slow


async def test_all_of_it_can_be_done_as_it_stands(tmp_path: Path) -> None:
    page = DOCS / "tutorial.md"
    steps = sorted([*blocks(page), *blocks(page, "console")], key=lambda block: block.line)
    assert [block.language for block in steps].count("console") > 5
    with reserved() as port:
        async with AsyncExitStack() as servers:
            reader = Reader(tmp_path, port, servers)
            for block in steps:
                if block.language == "python":
                    reader.copy(block)
                else:
                    for line in block.text.splitlines():
                        await reader.do(line)
