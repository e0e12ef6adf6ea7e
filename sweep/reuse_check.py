"""Checking that a study's search can take over finished prefixes (`search/reuse`)."""

from collections.abc import Iterable

from sweep.prefixes import reusable_lengths, trained_labels
from sweep.study import Study, label_of
from trainables.plans import Plan


def check_reuse(study: Study, plan: Plan, searched: Iterable[str]) -> None:
    """Refuse to reuse prefixes where there are none to share, or nothing to tell them apart by.

    Args:
        study: The study.
        plan: Its plan.
        searched: Every parameter the search may vary.

    Raises:
        ValueError: If so, with the reason.
    """
    search = study.search
    if search.reuse == 0 or search.trials == 0:
        return
    where = f"search/reuse: {search.reuse:g}, but"
    if search.sampler == "grid":
        raise ValueError(
            f"{where} a grid tries every combination anyway, and trains the phases they share "
            f"once; set it to 0."
        )
    if study.objective.also:
        raise ValueError(
            f"{where} prefixes are ranked by a single objective, and objective/also names more; "
            f"set it to 0."
        )
    labels = trained_labels(study, plan)
    if len(labels) < 2:
        raise ValueError(
            f"{where} only one phase is trained ({', '.join(labels)}), so there is no prefix to "
            f"take over; set it to 0."
        )
    names = list(searched)
    if not reusable_lengths(study, plan, names):
        (only,) = {label_of(name) for name in names if label_of(name) in labels}
        raise ValueError(
            f"{where} the search varies only {only}, so no phase before or after it makes a "
            f"difference; set it to 0 (phases that all trials share are trained once anyway)."
        )
