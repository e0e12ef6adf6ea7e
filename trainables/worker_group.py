"""A slot's worker group: who is in it, what each rank waits for, and the assignment it is at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainables.assignment import Directive
from trainables.posting import Posting

SILENCE_S = 30.0
"""A worker that waits for the slot calls every second; this long without a call it is frozen. Ranks
of an assignment that is over also have this long to come back."""

HANG_S = 300.0
"""A worker that has begun to work on batches, and tells of none for this long, hangs."""

JOINING_S = 300.0
"""From the first worker of a group to the last."""


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
    news: Sequence[tuple[int, Mapping[str, float]]] = ()
    begun: bool = False
    over: bool = False


@dataclass
class Group:
    """A worker group: the processes that one placement group holds."""

    id: str
    since: float
    members: dict[int, Member] = field(default_factory=dict)
    heard_at: dict[int, float] = field(default_factory=dict)
    asking: dict[int, int] = field(default_factory=dict)  # rank -> number it waits for
    working: set[int] = field(default_factory=set)  # ranks that tell of every few batches
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

    def overdue(self, now: float, *, world_size: int, watchdog_s: float) -> str | None:
        """Return why the group must be killed, or None while it behaves.

        Args:
            now: On the clock of `heard_at`.
            world_size: Workers it should have.
            watchdog_s: A worker that trains without telling of batches may be silent this long.
        """
        if not self.is_complete(world_size) and now - self.since > JOINING_S:
            return f"only {len(self.members)} of {world_size} workers came"
        at_rest = self.turn is None or self.turn.over
        for rank, heard_at in self.heard_at.items():
            silent_s = now - heard_at
            if (at_rest or self.asking.get(rank) == self.next_number) and silent_s > SILENCE_S:
                return f"worker {rank} was not heard of for {silent_s:.0f} s while it had no work"
            if rank in self.working and silent_s > HANG_S:
                return f"worker {rank} worked on no batch for {silent_s:.0f} s"
            if silent_s > watchdog_s:
                return f"worker {rank} made no progress for {silent_s:.0f} s"
        return None
