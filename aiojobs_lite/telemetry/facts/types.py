"""What a runner reports of job types."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiojobs_lite.telemetry.fact import Fact


@dataclass(frozen=True, slots=True)
class TypePaused(Fact):
    """The claims of a type were stopped, in every runner of the database."""

    level = logging.WARNING
    part = "engine"
    text = "paused: no runner starts jobs of {type} until it is resumed"
    type: str


@dataclass(frozen=True, slots=True)
class TypeResumed(Fact):
    """A paused type is claimed again."""

    part = "engine"
    text = "resumed: jobs of {type} start again"
    type: str


@dataclass(frozen=True, slots=True)
class TypesUnclaimed(Fact):
    """Jobs wait whose type is not registered in this runner. `types`: their names, each with how many jobs wait."""

    level = logging.WARNING
    part = "engine"
    text = "unclaimed: jobs wait for a runner that has registered their types, this one has not: {types}"
    types: str
