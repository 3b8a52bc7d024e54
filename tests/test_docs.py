"""The README and `docs/`: every block of Python runs and prints what it says, every link leads somewhere."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.documents import (
    DOCS,
    PAGES,
    README,
    Block,
    PageRun,
    anchors,
    blocks,
    check_printed,
    compiled,
    links,
    name_of,
    prose,
    section,
)
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.root import ROOT

LONGEST_LINE = 120  # characters; a row of a table is one line
FOLDERS_OF_ONE_MACHINE = ("/home/", "/tmp/", "/root/", "/Users/")
PROGRAMS = [block for page in PAGES for block in blocks(page) if block.is_program and not block.file]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
async def test_the_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def add_module(module: ModuleType) -> None:
        monkeypatch.setitem(sys.modules, module.__name__, module)

    monkeypatch.chdir(tmp_path)
    run = PageRun(add_module, lambda: capsys.readouterr().out)
    for block in blocks(page):
        if block.is_program:
            assert compiled(block)
        else:
            await run.check(block)


@slow
@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.name)
async def test_a_program_of_a_page_runs(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(block.text, encoding="utf-8")
    async with program(path, AIOJOBS_LITE_DATABASE=str(tmp_path / "jobs.db"), PYTHONPATH=str(ROOT)) as child:
        code = await child.ended()
    assert (code, child.lines) == (0, child.lines)
    check_printed(block, "\n".join(child.lines))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    bad = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page if not path else Path(os.path.normpath(page.parent / path))
        if not target.exists() or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            bad.append(link)
    assert bad == []


def test_every_page_is_linked_from_another_one() -> None:
    linked = {Path(os.path.normpath(page.parent / link.partition("#")[0])) for page in PAGES for link in links(page)}
    assert [name_of(page) for page in PAGES[1:] if page not in linked] == []


def test_the_index_lists_every_page() -> None:
    index = DOCS / "README.md"
    listed = {Path(os.path.normpath(DOCS / link.partition("#")[0])) for link in links(index)}
    assert [name_of(page) for page in PAGES[1:] if page not in listed | {index}] == []


def test_a_page_names_no_place_of_one_machine() -> None:
    found = [f"{name_of(page)}: {text}" for page in PAGES for text in FOLDERS_OF_ONE_MACHINE
             if text in page.read_text(encoding="utf-8")]  # fmt: skip
    assert found == []


def test_a_line_of_a_page_is_no_longer_than_one_of_the_code() -> None:
    found = [f"{name_of(page)}:{number}" for page in PAGES
             for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
             if len(line) > LONGEST_LINE and not line.startswith("|")]  # fmt: skip
    assert found == []


def test_a_page_is_cut_into_its_parts(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `x`\n\n```python\na = 1  # prints: 2\n```\n\n## Two, or 3\n[b](c.md#d)\n\n<!-- program -->\n"
                    "```python\nb\n```\n```sh\n[c](d)\n```\n", encoding="utf-8")  # fmt: skip
    first, second = blocks(page)
    assert (first.text, first.line, first.printed, first.is_program) == ("a = 1  # prints: 2\n", 4, ["2"], False)
    assert (second.text, second.line, second.is_program) == ("b\n", 12, True)
    assert anchors(page) == {"one-x", "two-or-3"}
    assert links(page) == ["c.md#d"]
    assert len(prose(page).splitlines()) == len(page.read_text(encoding="utf-8").splitlines())
    assert "c.md" in section(page, "One `x`")
    assert "One" not in section(page, "Two, or 3")


def test_what_a_block_does_not_print_is_noticed() -> None:
    block = Block(README, "python", "# prints: 1\n# prints: 2\n", 1, is_program=False)
    check_printed(block, "0\n1\n2\n")
    with pytest.raises(AssertionError, match="does not print"):
        check_printed(block, "2\n1\n")


def test_each_step_of_the_path_of_a_claim_names_what_is_there() -> None:
    page = ROOT / "docs/internals/README.md"
    steps = re.findall(r"\[[\w.]+\]\((\S+)\) `([\w.]+)`", page.read_text(encoding="utf-8"))
    assert len(steps) > 8
    for place, name in steps:
        code = (page.parent / place).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"(def|class|-- name:) {part}\b", code), (place, name)
