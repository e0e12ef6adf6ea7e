"""Which parameters matter: PED-ANOVA and fANOVA by Optuna, over trials that can be compared."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from sweep.known_trials import KnownTrials, known_id
from sweep.ledger import Ledger
from sweep.messages import counted
from sweep.naming import short_names
from sweep.report.style import FAINT, INK, QUIET, Chart, as_png, label, legend, new_figure
from sweep.study import Study
from sweep.told_trials import distributions_of
from sweep.trials import Trial, TrialState

MIN_TRIALS = 20
"""With fewer, the best quarter is less than the five trials that PED-ANOVA needs."""

TOP_SHARE = 0.1  # what PED-ANOVA calls good, as its paper does (Watanabe et al., 2023),
MIN_TOP = 5  # and at least as many trials as Optuna's documentation advises
NUM_TREES = 16
DEPTH = 6
"""Of fANOVA's trees, whose time grows with the square of their leaves; 64 show main effects."""

SHOWN = 12


@dataclass(frozen=True)
class Weight:
    """How much one parameter matters, as a share of all parameters' importance.

    Attributes:
        path: The parameter's.
        ped_anova: Share in reaching the best trials.
        fanova: Share in the variance of the objective; None for a parameter that some trials do
            not have.
        num_trials: Trials that have the parameter.
    """

    path: str
    ped_anova: float
    fanova: float | None
    num_trials: int


@dataclass(frozen=True)
class Importance:
    """Parameters by importance.

    Attributes:
        weights: Those that matter most first; empty where nothing can be said.
        trials: What it rests on.
        num_top: As many of them count as good.
        sentence: What it rests on, or why nothing can be said.
    """

    weights: tuple[Weight, ...]
    trials: tuple[Trial, ...]
    num_top: int
    sentence: str


def importance_of(ledger: Ledger, study: Study) -> Importance:
    """Work out what matters, from comparable trials alone (`comparable`).

    PED-ANOVA (Watanabe et al., 2023; for conditional parameters its extension in Optuna 5) counts
    for a conditional parameter the trials that have it, weighted by how many of the good ones do.
    fANOVA (Hutter et al., 2014) needs whole points, so it divides the variance among the parameters
    that all trials have; a switch counts with all that hangs on it. Parameters are ordered by the
    mean of the two shares, or by PED-ANOVA's where there is no other.
    """
    trials, left_out = comparable(ledger)
    if len(trials) < MIN_TRIALS:
        told = f"{counted(len(trials), 'searched trial')} completed at one length of training"
        sentence = f"{told}; importance needs {MIN_TRIALS}, with fewer it would be noise."
        return Importance((), trials, 0, sentence)
    spread = {trial.objective for trial in trials}
    if len(spread) < 2 or not any(trial.distributions for trial in trials):
        sentence = f"{len(trials)} trials differ in nothing that importance could be told from."
        return Importance((), trials, 0, sentence)
    share = max(TOP_SHARE, MIN_TOP / len(trials))
    num_top = int(np.ceil(share * len(trials)))
    others = f" {left_out}" if left_out else ""
    sentence = f"It rests on {len(trials)} trials, of which the best {num_top} count as good."
    return Importance(_weights(trials, study, share), trials, num_top, sentence + others)


def comparable(ledger: Ledger) -> tuple[tuple[Trial, ...], str]:
    """Return searched trials whose objectives mean the same, and a sentence on those left out.

    They completed (none was stopped early), with every phase as long as most of them had it, unless
    its length is a parameter, and ran as they were suggested, not made lighter for want of memory.
    Replicates and arms, which nobody drew from the space, are not among them.
    """
    done = [t for t in ledger.searched() if t.state is TrialState.COMPLETE and t.params]
    done = [trial for trial in done if trial.objective is not None]
    whole = [trial for trial in done if not trial.lighter]
    lengths = Counter(_lengths(trial) for trial in whole)
    usual = lengths.most_common(1)[0][0] if lengths else ()
    kept = tuple(trial for trial in whole if _lengths(trial) == usual)
    if len(kept) == len(done):
        return kept, ""
    return (
        kept,
        f"Left out: {len(done) - len(kept)} that trained for longer, shorter or lighter.",
    )


def _lengths(trial: Trial) -> tuple[tuple[str, int], ...]:
    return tuple(
        (stage.label, stage.epochs_planned)
        for stage in trial.stages
        if f"{stage.label}/epochs" not in trial.params
    )


def _weights(trials: Sequence[Trial], study: Study, share: float) -> tuple[Weight, ...]:
    known = [_frozen(trial) for trial in trials]
    times = Counter(path for trial in known for path in trial.params)
    ped = _shares(known, study, PedAnovaImportanceEvaluator(target_quantile=share))
    fanova = _shares(
        known, study, FanovaImportanceEvaluator(n_trees=NUM_TREES, max_depth=DEPTH, seed=0)
    )
    weights = [Weight(path, ped[path], fanova.get(path), times[path]) for path in ped]
    return tuple(sorted(weights, key=lambda weight: (-merit(weight), weight.path)))


def merit(weight: Weight) -> float:
    """Return what parameters are ordered by."""
    if weight.fanova is None:
        return weight.ped_anova
    return (weight.ped_anova + weight.fanova) / 2


def _shares(
    known: Sequence[FrozenTrial], study: Study, evaluator: BaseImportanceEvaluator
) -> Mapping[str, float]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    view = optuna.create_study(storage=KnownTrials(known), direction=study.objective.direction)
    with warnings.catch_warnings():
        # That a value of a conditional parameter is rare; `Weight.num_trials` says how rare.
        warnings.simplefilter("ignore", UserWarning)
        found: Mapping[str, float] = get_param_importances(view, evaluator=evaluator)
    return {path: float(value) for path, value in found.items()}


def _frozen(trial: Trial) -> FrozenTrial:
    distributions = distributions_of(trial)
    return FrozenTrial(
        number=trial.number,
        state=OptunaState.COMPLETE,
        value=trial.objective,
        datetime_start=None,
        datetime_complete=None,
        params={path: trial.params[path] for path in distributions},
        distributions=distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=known_id(trial.number),
    )


def importance_chart(found: Importance) -> Chart | None:
    """Draw both shares of the parameters that matter most; None where nothing can be said."""
    if not found.weights:
        return None
    shown = found.weights[:SHOWN]
    figure, axes = new_figure(height_in=0.42 * len(shown) + 1.3)
    places = np.arange(len(shown))
    ped = [weight.ped_anova for weight in shown]
    axes.barh(places - 0.19, ped, 0.36, color=INK, label="PED-ANOVA: reaching the best")
    fanova = [weight.fanova or 0.0 for weight in shown]
    axes.barh(places + 0.19, fanova, 0.36, color=QUIET, label="fANOVA: all variance")
    names = short_names([weight.path for weight in shown], at_least=2)
    axes.set_yticks(range(len(shown)), list(names.values()))
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.grid(visible=False, axis="y")
    label(axes, x="share of all parameters' importance", y="")
    legend(axes)
    return Chart(
        name="importance",
        title="Which parameters matter",
        caption=_caption(found),
        png=as_png(figure),
        columns=("parameter", "ped_anova", "fanova", "trials", "of"),
        rows=tuple(
            (w.path, round(w.ped_anova, 6), _rounded(w.fanova), w.num_trials, len(found.trials))
            for w in found.weights
        ),
    )


def _caption(found: Importance) -> str:
    text = (
        f"{found.sentence} Shares are of what these trials show, they prove no cause, and with few "
        "trials small ones are noise."
    )
    if any(weight.fanova is None for weight in found.weights):
        text += (
            " Parameters without a light bar exist in some compositions only: fANOVA divides the "
            "variance among those that every trial has, so a switch stands there for all that "
            "hangs on it, and PED-ANOVA judges each among the trials that have it."
        )
    hidden = len(found.weights) - SHOWN
    return f"{text} {hidden} more are in its data." if hidden > 0 else text


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
