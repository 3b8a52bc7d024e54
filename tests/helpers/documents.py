"""The README and `docs/` as data: blocks of code, tables, headings and links; and how the code of a page is run."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import unittest
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from aiojobs_lite.testing.kit import JobKit
from tests.helpers.root import ROOT

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]

_PROGRAM = "<!-- program -->\n"
_FENCE = re.compile(rf"^(?P<program>{_PROGRAM})?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTS = re.compile(r"# prints:? (.+)$", re.MULTILINE)
_FILE = re.compile(r"# (\w+)\.py$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """One block of code.

    Attributes:
        page: The page that it stands in.
        language: As the fence names it.
        text: The code.
        line: The line of the page at which the code begins.
        is_program: Whether `<!-- program -->` stands before it: it is run as a process of its own. One that has the
            name of a file is run by what serves it.
    """

    page: Path
    language: str
    text: str
    line: int
    is_program: bool

    @property
    def printed(self) -> list[str]:
        """The lines that it prints, as its comments say: `# prints: 3`."""
        return _PRINTS.findall(self.text)

    @property
    def file(self) -> str | None:
        """The name of the module that it is, as its first line says: `# name.py`."""
        named = _FILE.match(self.text)
        return named and named[1]

    @property
    def name(self) -> str:
        """A short name for errors."""
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """A page by its path from the root."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str = "python") -> list[Block]:
    """The blocks of a page in one language."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            found["language"],
            found["text"],
            text.count("\n", 0, found.start("text")) + 1,
            found["program"] is not None,
        )
        for found in _FENCE.finditer(text)
        if found["language"] == language
    ]


def prose(page: Path) -> str:
    """A page without its blocks of code; each line stays where it is."""
    text = page.read_text(encoding="utf-8")
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def links(page: Path) -> list[str]:
    """The targets of a page's links, those of other sites left out."""
    found = _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page)))
    return [link for link in found if not link.startswith(("https://", "http://", "mailto:"))]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        name, number = plain, 0
        while name in found:
            number += 1
            name = f"{plain}-{number}"
        found.add(name)
    return found


def section(page: Path, title: str) -> str:
    """The text below one heading, up to the next heading of the same level or a higher one."""
    text = prose(page)
    begin = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert begin, f"{name_of(page)} has no heading {title!r}"
    end = re.compile(rf"^#{{1,{len(begin[1])}}} ", re.MULTILINE).search(text, begin.end())
    return text[begin.end() : end.start() if end else len(text)]


def rows(text: str) -> list[list[str]]:
    """The rows of every table in a text, heads left out; the cells without blanks around them."""
    found, is_body = [], False
    for line in text.splitlines():
        if not line.startswith("|"):
            is_body = False
        elif re.fullmatch(r"[|\-: ]+", line):
            is_body = True
        elif is_body:
            found.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def spans(cell: str) -> list[str]:
    """What stands between backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


class PageRun:
    """Runs the blocks of one page, in their order and in one namespace, as a reader would try them.

    - A block that begins with `# name.py` is a module of this name; the blocks after it see its names.
    - A block that awaits, and enters no runner itself, runs inside `async with runner:`, if the page has one.
    - A test in a block is run, with the fixture `job_kit` if it takes one; a plain function and a class of unittest's
      in a thread, as they have event loops of their own.

    Args:
        add_module: Makes a module importable until the end of the test.
        read_output: Returns what was printed since it was last called.
    """

    def __init__(self, add_module: Callable[[ModuleType], None], read_output: Callable[[], str]) -> None:
        self._add_module = add_module
        self._read_output = read_output
        page = ModuleType("page")
        add_module(page)
        self.names: dict[str, Any] = vars(page)

    async def check(self, block: Block) -> None:
        """Runs a block, and checks what it prints."""
        code, names = compiled(block), self.names
        if block.file:
            module = ModuleType(block.file)
            self._add_module(module)
            names = vars(module)
        if code.co_flags & inspect.CO_COROUTINE:
            async with AsyncExitStack() as stack:
                if "runner" in self.names and not _enters(block):
                    await stack.enter_async_context(self.names["runner"])
                await eval(code, names)
        else:
            exec(code, names)
        self.names.update({name: value for name, value in names.items() if not name.startswith("__")})
        for name in re.findall(r"^(?:async def|def|class) (test_\w+|Test\w+)", block.text, re.MULTILINE):
            await _run_test(names[name])
        check_printed(block, self._read_output())


async def _run_test(test: Any) -> None:
    if isinstance(test, type):
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(test)
        result = unittest.TestResult()
        await asyncio.to_thread(suite.run, result)
        assert result.testsRun, test
        assert result.errors + result.failures == []
        return
    with JobKit() as kit:
        arguments = [kit] if inspect.signature(test).parameters else []
        if inspect.iscoroutinefunction(test):
            await test(*arguments)
        else:
            await asyncio.to_thread(test, *arguments)


def compiled(block: Block) -> Any:
    """The code of a block, with the line numbers of its page; it may await at its top."""
    flags = 0 if block.is_program else ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    text = "\n" * (block.line - 1) + block.text
    return compile(text, str(block.page), "exec", flags=flags, dont_inherit=True)


def check_printed(block: Block, output: str) -> None:
    """Checks that the lines that a block's comments name were printed, in their order."""
    lines = iter(output.splitlines())
    missing = [line for line in block.printed if line not in lines]
    assert not missing, f"{block.name} does not print {missing}; it prints {output.splitlines()}"


def _enters(block: Block) -> bool:
    """Whether a block enters a runner at its top."""
    entered = [item for node in ast.parse(block.text).body if isinstance(node, ast.AsyncWith) for item in node.items]
    return any(not ast.unparse(item.context_expr).startswith(("asyncio.", "runner.batches.")) for item in entered)
