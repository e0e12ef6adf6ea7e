"""A slot's worker group: who is in it, what each rank waits for, and the assignment it is at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainables.assignment import Assignment, Directive, Usage
from trainables.posting import Posting

News = Sequence[tuple[int, Mapping[str, float]]]
"""Epochs and their metrics, in order, as a worker tells of them."""

SILENCE_S = 30.0
"""A worker that waits for the slot calls every second; this long without a call it is frozen. Ranks
of an assignment that is over also have this long to come back."""

HANG_S = 300.0
"""A worker that has begun to work on batches, and tells of none for this long, hangs."""

JOINING_S = 300.0
"""From the first worker of a group to the last."""

LEAVE, RENEW = "leave", "renew"
"""What a worker that asks for work is told where there is to be none: the two kinds of `Leave`."""


@dataclass(frozen=True)
class Leave:
    """The answer to a worker that is to return from its loop.

    Attributes:
        renew: Another group is to take over in the same Train run.
    """

    renew: bool


@dataclass(frozen=True)
class Order:
    """The answer to a worker that gets something to do."""

    number: int
    assignment: Assignment


@dataclass(frozen=True)
class Member:
    """One worker of a group."""

    rank: int
    pid: int
    node_id: str


@dataclass
class Turn:
    """The k-th assignment of a worker group."""

    number: int
    posting: Posting
    reached: dict[int, int] = field(default_factory=dict)  # rank -> epoch
    verdicts: dict[int, Directive] = field(default_factory=dict)  # epoch -> verdict
    beats: dict[int, tuple[int, bool]] = field(default_factory=dict)  # rank -> beat, on batches
    news: News = ()
    usage: dict[int, Usage] = field(default_factory=dict)  # rank -> up to the epoch it reached
    begun: bool = False
    over: bool = False

    def is_on_batches(self, rank: int) -> bool:
        """Say whether a rank has told of a batch and not yet of something else."""
        return self.beats.get(rank, (0, False))[1]

    def tell_news(self) -> None:
        """Hand on the epochs that every rank has reached, and what each used, if it said so."""
        usage = [self.usage[rank] for rank in sorted(self.usage)]
        for epoch, metrics in self.news:
            self.posting.emit_epoch(epoch, metrics, usage)


@dataclass
class Group:
    """A worker group: the processes that one placement group holds."""

    id: str
    since: float
    members: dict[int, Member] = field(default_factory=dict)
    heard_at: dict[int, float] = field(default_factory=dict)
    asking: dict[int, int] = field(default_factory=dict)  # rank -> number it waits for
    turn: Turn | None = None
    recycle: bool = False

    def is_complete(self, world_size: int) -> bool:
        """Say whether every worker has come."""
        return len(self.members) == world_size

    @property
    def next_number(self) -> int:
        """Return the number of the assignment after the present one."""
        return 0 if self.turn is None else self.turn.number + 1

    def is_free(self, world_size: int) -> bool:
        """Say whether every rank asks for the next assignment."""
        return all(self.asking.get(rank) == self.next_number for rank in range(world_size))

    def overdue(
        self, now: float, *, world_size: int, watchdog_s: float, hang_s: float
    ) -> str | None:
        """Return why the group must be killed, or None while it behaves.

        Args:
            now: On the clock of `heard_at`.
            world_size: Workers it should have.
            watchdog_s: A worker that trains without telling of batches may be silent this long.
            hang_s: One that works on batches may be silent this long.
        """
        if not self.is_complete(world_size) and now - self.since > JOINING_S:
            return f"only {len(self.members)} of {world_size} workers came"
        at_rest = self.turn is None or self.turn.over
        for rank, heard_at in self.heard_at.items():
            silent_s = now - heard_at
            if (at_rest or self.asking.get(rank) == self.next_number) and silent_s > SILENCE_S:
                return f"worker {rank} was not heard of for {silent_s:.0f} s while it had no work"
            if self.turn and self.turn.is_on_batches(rank) and silent_s > hang_s:
                return f"worker {rank} worked on no batch for {silent_s:.0f} s"
            if silent_s > watchdog_s:
                return f"worker {rank} made no progress for {silent_s:.0f} s"
        return None
