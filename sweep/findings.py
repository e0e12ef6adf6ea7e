"""What a check-up finds: a fact, how bad it is, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad a finding is."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True)
class Finding:
    """One fact about the machine.

    Attributes:
        part: What it is about, in a word.
        remedy: What to do about it; empty when all is well.
    """

    level: Level
    part: str
    message: str
    remedy: str = ""


def worst(findings: Iterable[Finding]) -> Level:
    """Return the level of the worst finding; OK if there are none."""
    return max((finding.level for finding in findings), default=Level.OK)
