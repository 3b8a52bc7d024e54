"""The lane that `aiojobs-lite status` names; `test_status` has it read."""

from __future__ import annotations

from aiojobs_lite.runner.fullest import FullestLane


def test_the_fullest_lane_is_said_with_what_is_usual() -> None:
    lane = FullestLane("'orgs' for the key 7, 2 of 2", (9, "export", 241.0), 0.25)
    assert str(lane) == (
        "'orgs' for the key 7, 2 of 2, the oldest, job 9, for 4 min 1 s; 95 % of export took 0.2 s at most"
    )
    assert str(lane._replace(p95=None)) == "'orgs' for the key 7, 2 of 2, the oldest, job 9, for 4 min 1 s"
    assert str(lane._replace(running=None)) == "'orgs' for the key 7, 2 of 2"
