"""Whether a study may go on in a folder that it has: what changed, and what that means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweep.study import Study

FREE_PATHS = ("question", "search/trials", "budget", "slots", "max_failed", "sizes")
"""What may change: it says how long and where a study runs, not what any of its trials is."""

_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """One value that is not what it was."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


def changes(old: Mapping[str, Any], new: Study) -> list[Change]:
    """Return what changed since a study began and keeps it from going on.

    Added arms are no such change: they are trials still to run.

    Args:
        old: The study as resolved when it began, as JSON data.
        new: The study as resolved now.
    """
    before = dict(_leaves(old))
    after = dict(_leaves(new.model_dump(mode="json")))
    known_arms = set(old.get("arms", {}))
    return [
        Change(path, before.get(path, _ABSENT), after.get(path, _ABSENT))
        for path in sorted({*before, *after})
        if before.get(path, _ABSENT) != after.get(path, _ABSENT)
        and not _is_free(path)
        and not _is_of_added_arm(path, known_arms)
    ]


def refuse_changed(found: list[Change], *, folder: str, name: str) -> None:
    """Refuse to go on when something changed.

    Raises:
        ValueError: If so, with each change and the two ways on.
    """
    if not found:
        return
    lines = "\n".join(f"  {change}" for change in found)
    raise ValueError(
        f"{folder}: the study changed since it began here:\n{lines}\n"
        f"Either put this back and continue it, or start it over with --fresh --yes, which deletes "
        f"{folder} (its trained stages are kept); --set name={name}_2 runs the changed one beside "
        f"it."
    )


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}/")
        elif not isinstance(value, Mapping):
            yield f"{prefix}{key}", value


def _is_free(path: str) -> bool:
    return any(path == free or path.startswith(f"{free}/") for free in FREE_PATHS)


def _is_of_added_arm(path: str, known: set[str]) -> bool:
    head, _, rest = path.partition("/")
    return head == "arms" and rest.split("/", 1)[0] not in known


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "(not set)"
    return "null" if value is None else str(value)
