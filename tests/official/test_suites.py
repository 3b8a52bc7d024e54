"""The counts of a run are those of its report, whatever runs the suite."""

from __future__ import annotations

from pathlib import Path

from tests.official.suite import Counts, counted
from tests.official.suites import SUITES

REPORT = """<?xml version="1.0"?>
<testsuites name="bun test" tests="4"><testsuite name="src/a.test.ts"><testsuite name="group">
  <testcase name="passes" file="src/a.test.ts"/>
  <testcase name="fails" file="src/a.test.ts"><failure type="AssertionError"/></testcase>
  <testcase name="is left out" file="src/a.test.ts"><skipped/></testcase>
</testsuite></testsuite>
<testsuite name="pytest"><testcase classname="tests.test_b" name="breaks"><error message="in a fixture"/></testcase>
<testcase classname="tests.test_b" name="passes, and warns"><system-out>a warning</system-out></testcase></testsuite>
</testsuites>"""


def test_what_did_not_pass_is_named(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert counted(report) == Counts(2, 1, ("src/a.test.ts: fails", "tests.test_b: breaks: in a fixture"))


def test_the_bars_are_those_of_the_reference() -> None:
    assert {name: [part.bar for part in suite.parts] for name, suite in SUITES.items()} == {
        "qstash-py": [91],
        "qstash-js": [132, 3],
        "inngest-py": [261, 20],
        "inngest-js": [201],
    }


def test_a_test_that_may_fail_is_known_by_a_part_of_its_name_and_has_a_reason() -> None:
    part = SUITES["inngest-py"].parts[0]
    failed = "tests.test_inngest.test_client.test_send.TestSend: test_client_send_retry: assert 2 == 4"
    assert part.reason(failed) == "an event that is sent again by its id is kept once, not twice"
    assert part.reason("tests.test_inngest.test_client.test_send.TestSend: test_other") is None
    assert all(one.known == {} for one in SUITES["inngest-js"].parts)
