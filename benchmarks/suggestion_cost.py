"""What a suggestion costs, asked for and prepared, for every sampler.

Claim: with 2,000 trials known the default sampler answers within 250 ms on the space `composition`,
and a suggestion that was prepared while slots trained costs nothing when a slot is ready.

Method: a study of this many finished trials of the space (random points, a made-up objective) is
shown to the sampler; medians of several questions are printed: `asked` is the time until one that
is put is answered, `cpu` what the process computed for it (the same on a machine that has nothing
else to do), and `prepared` the time to the answer of one that was worked out before. Beside it
`optuna`, which is what Ray Tune's OptunaSearch does: a study in memory with Optuna's default TPE
(multivariate, without groups, so conditional parameters are sampled on their own), asked for the
same space.

Run: `python benchmarks/suggestion_cost.py` (about five minutes on 2 cores; `--slow` asks the
Gaussian process at 2,000 trials too, which takes some minutes more).
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import optuna

from search_spaces.space import SPACES
from sweep.ledger import Ledger
from sweep.placement import distributions_to_json
from sweep.samplers import SAMPLERS
from sweep.sampling import SamplerView
from sweep.study import Study

SPACE = SPACES["composition"]
COUNTS = (200, 2000)
QUESTIONS = 5
SLOW = (("gp", 2000),)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slow", action="store_true", help="ask what takes minutes, too")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    records = finished_trials(max(COUNTS))
    print(f"{'sampler':<10} {'trials':>7} {'asked, ms':>10} {'cpu, ms':>9} {'prepared, ms':>13}")
    for count in COUNTS:
        known = records[: 2 * count]
        for sampler in SAMPLERS:
            if sampler == "grid" or ((sampler, count) in SLOW and not options.slow):
                continue
            asked, prepared = costs_ms(sampler, known, count)
            print_row(sampler, count, asked, f"{prepared:.2f}")
        print_row("optuna", count, optuna_ms(known), "-")


def print_row(sampler: str, count: int, asked: tuple[float, float], prepared: str) -> None:
    """Print a line of the table."""
    wall, cpu = asked
    print(f"{sampler:<10} {count:>7} {wall:>10.1f} {cpu:>9.1f} {prepared:>13}", flush=True)


def finished_trials(count: int) -> list[dict[str, Any]]:
    """Return the journal records of this many random points."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    records: list[dict[str, Any]] = []
    for number in range(count):
        trial = study.ask()
        SPACE.suggest(trial)
        numbers = [value for value in trial.params.values() if isinstance(value, float)]
        begun = {
            "kind": "trial",
            "time_s": 0.0,
            "number": number,
            "arm": None,
            "seed": 0,
            "params": trial.params,
            "distributions": distributions_to_json(trial.distributions),
            "settings": {},
            "stages": [],
        }
        ended = {
            "kind": "end",
            "time_s": 0.0,
            "trial": number,
            "state": "COMPLETE",
            "objective": sum(numbers) / (1 + len(numbers)),
            "error_class": None,
            "message": None,
        }
        records += [begun, ended]
    return records


def costs_ms(
    sampler: str, records: Sequence[dict[str, Any]], number: int
) -> tuple[tuple[float, float], float]:
    """Return what a question takes when put, and the time to the answer of a prepared one."""
    study = Study.model_validate(
        {
            "name": "cost",
            "question": "What does a suggestion cost?",
            "data": {"name": "rendered_hands"},
            "plan": ["pretrain", "finetune"],
            "space": "composition",
            "objective": {"metric": "finetune/val/root_epe_mm"},
            "search": {"sampler": sampler, "trials": 2 * number},
        }
    )
    view = SamplerView(study, SPACE, Ledger(records))
    view.ask(number)  # imports what the sampler needs
    questions = 1 if (sampler, number) in SLOW else QUESTIONS
    asked = median_ms([took_ms(lambda: view.ask(number)) for _ in range(questions)])
    prepared = []
    for _ in range(questions):
        view.prepare(number)
        time.sleep(3 * asked[0] / 1000)
        prepared.append(took_ms(lambda: view.ask(number)))
    view.close()
    return asked, median_ms(prepared)[0]


def optuna_ms(records: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Return what a question takes that is put to Optuna's default sampler."""
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    ledger = Ledger(records)
    for trial in ledger.trials.values():
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(trial.params),
                distributions={
                    name: optuna.distributions.json_to_distribution(text)
                    for name, text in trial.distributions.items()
                },
                value=trial.objective,
            )
        )

    def ask() -> None:
        trial = study.ask()
        SPACE.suggest(trial)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)

    ask()
    return median_ms([took_ms(ask) for _ in range(QUESTIONS)])


def took_ms(work: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds that passed, and those that the process computed."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def median_ms(times: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of both."""
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


if __name__ == "__main__":
    main()
