"""Which subjects of Human3.6M are scored and trained on, in words, and what papers call that."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

PUBLISHED: Mapping[tuple[frozenset[str], frozenset[str]], str] = MappingProxyType(
    {
        (frozenset({"S1", "S5", "S6", "S7", "S8"}), frozenset({"S9", "S11"})): (
            'With mpjpe_mm it is "Protocol #1" to Martinez et al. and "Protocol 2" to Sun and Moon '
            'et al.; with pa_mpjpe_mm it is "Protocol #2" to Martinez et al.'
        ),
        (frozenset({"S1", "S5", "S6", "S7", "S8", "S9"}), frozenset({"S11"})): (
            'With pa_mpjpe_mm it is "Protocol 1" to Sun and Moon et al.'
        ),
    }
)
"""(Subjects trained on, subjects scored on) -> what papers call it."""


def protocol_words(trained: Collection[str], scored: Collection[str], *, every: int) -> str:
    """Return on whom scores are made, with the name that papers have for it, if they have one.

    Args:
        trained: Subjects of the training split.
        scored: Subjects of the split that is scored.
        every: One of so many pictures is used.
    """
    words = f"scored on {_listed(scored)}; the training split has {_listed(trained)}"
    if every > 1:
        words += f"; one of {every} pictures"
    name = PUBLISHED.get((frozenset(trained), frozenset(scored)))
    return f"{words}. {name}" if name is not None else f"{words}. Papers have no name for it."


def _listed(subjects: Collection[str]) -> str:
    """Return subjects by number; pictures whose names do not say theirs have the empty one."""
    numbered = sorted(subjects, key=lambda name: (len(name), name))
    return ", ".join(name or "subjects without names" for name in numbered)
