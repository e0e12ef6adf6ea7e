"""How the verdict is told: in the answer, as a figure, as a table."""

import csv
import os
from types import SimpleNamespace

import pytest
from rich.console import Console

from sweep.ledger import FIRST_REPLICATE, Ledger
from sweep.outcome import Outcome, judge_failures
from sweep.report.result import result_of
from sweep.report.verdict import verdict_table
from sweep.report.writing import write_report
from sweep.study import Constraint, Final, Study
from sweep.trials import TrialState
from tests.sweep.engine_fakes import Play, make_study
from tests.sweep.engine_phases import PHASES

STUDY = make_study(final={"top_k": 2, "seeds": 5})


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> Ledger:
    """Play a study whose replicates are done."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    return Play(STUDY, tmp_path).run()


def shifted(ledger: Ledger, **by_name: float) -> Ledger:
    """Give replicates objectives that vary with the seed and differ by name."""
    for trial in ledger.replicates.values():
        name = trial.arm or "point"
        trial.objective = 10.0 + by_name[name] + 0.1 * (trial.seed % 3)
        trial.objective += 0.1 * ((7 * trial.seed + trial.replicate_of) % 5)
    return ledger


def failed(ledger: Ledger, *, arm: str | None, after: int = 0) -> Ledger:
    """Let all replicates of an arm, or of the points, run out of memory from a round on."""
    for trial in ledger.replicates.values():
        if trial.arm == arm and trial.seed >= 1000 + after:
            trial.state, trial.error_class = TrialState.FAIL, "out_of_memory"
            trial.objective, trial.message = None, "it wants 20 GB"
    return ledger


def told(ledger: Ledger, study: Study = STUDY):
    return result_of(ledger, study, epochs_of=lambda stage: stage.epochs)


def test_a_winner_is_told_with_its_lead_over_the_strongest_control(ledger):
    result = told(shifted(ledger, point=-2.0, published=0.0, no_draft=1.0))
    assert result.answer.separated is True
    assert "ahead of arm published, the strongest control, by" in result.answer.sentence
    assert "with 95 % confidence" in result.answer.sentence
    assert "arm no_draft by" in result.answer.sentence
    assert result.answer.sentence.count("confidence") == 1, "once for all leads"
    assert result.best.number == result.answer.leader.trials[0].number
    assert result.best.arm is None


def test_everyone_stands_in_the_table_and_only_controls_have_an_interval(ledger):
    result = told(shifted(ledger, point=-2.0, published=0.0, no_draft=1.0))
    head, *rows = verdict_table(result.replication, result.verdict, STUDY.objective)
    assert head[3] == "winner ahead by (interval)"
    assert rows[0][0] == result.verdict.winner
    ahead = {row[0]: row[3] for row in rows}
    assert ahead.pop(result.verdict.winner) == ""
    assert "(" in ahead["arm published"]
    (other,) = (name for name in ahead if name.startswith("trial"))
    winner, rival = (result.replication.values[n] for n in (result.verdict.winner, other))
    leads = [b - a for a, b in zip(winner, rival, strict=False)]
    assert float(ahead[other]) == pytest.approx(sum(leads) / len(leads), rel=5e-3)


def test_what_is_not_separated_is_told_as_that(ledger):
    result = told(shifted(ledger, point=-0.1, published=0.0, no_draft=5.0))
    assert result.answer.separated is False
    assert result.answer.sentence.startswith("The data does not separate trial")


def test_where_no_point_beats_the_control_the_control_leads(ledger):
    result = told(shifted(ledger, point=3.0, published=0.0, no_draft=5.0))
    sentence = result.answer.sentence
    assert sentence.startswith("No searched point won against arm published (")
    nearest = result.verdict.nearest
    assert nearest.control == "arm published"
    assert f"the nearest, {nearest.candidate}, was " in sentence
    assert " behind it over 4 fresh seeds (interval " in sentence
    assert sentence.endswith("so it is worse.")
    assert result.best.arm == "published"


def test_where_a_race_was_too_short_for_leaving_a_control_that_is_ahead_leads(ledger):
    shifted(ledger, point=3.0, published=0.0, no_draft=5.0)
    keep(ledger, rounds=2)
    study = STUDY.model_copy(update={"final": Final(top_k=2, seeds=2)})
    result = told(ledger, study)
    assert result.answer.sentence.startswith("No searched point won against arm published (")
    assert result.best.arm == "published"


def test_after_one_round_the_controls_are_not_passed_over(ledger):
    shifted(ledger, point=-2.0, published=0.0, no_draft=5.0)
    result = told(keep(ledger, rounds=1))
    assert result.answer.separated is None
    assert result.answer.sentence.endswith(
        "to compare it with arm published and arm no_draft takes two fresh seeds or more."
    )


def test_who_breaks_a_constraint_is_named_and_not_compared_with(ledger):
    shifted(ledger, point=-2.0, published=0.0, no_draft=-9.0)
    constraint = Constraint(metric="cost/epochs", at_least=4)
    objective = STUDY.objective.model_copy(update={"constraints": [constraint]})
    for trial in ledger.everything():
        trial.others = {"cost/epochs": 3.0 if trial.arm == "no_draft" else 6.0}
    answer = told(ledger, STUDY.model_copy(update={"objective": objective})).answer
    assert "ahead of arm published, the strongest control, by" in answer.sentence
    assert "as they break a constraint: arm no_draft in the search." in answer.certainty
    assert answer.separated is True


def keep(ledger: Ledger, *, rounds: int) -> Ledger:
    """Forget all replicates but those of the first rounds."""
    for number, trial in list(ledger.replicates.items()):
        if trial.seed >= 1000 + rounds:
            del ledger.replicates[number]
    return ledger


def test_a_point_that_left_a_race_it_had_not_lost_is_not_called_worse(ledger):
    for trial in ledger.replicates.values():
        wave = 2.0 if trial.seed % 2 else -2.0
        trial.objective = 50.0 + (0.0 if trial.arm else 0.5 + wave)
    sentence = told(ledger).answer.sentence
    assert sentence.startswith("No searched point won against arm ")
    assert sentence.endswith("so the data does not separate the two.")


def test_points_that_failed_are_not_told_as_beaten(ledger, tmp_path):
    shifted(ledger, point=-2.0, published=0.0, no_draft=1.0)
    result = told(failed(ledger, arm=None))
    assert result.answer.sentence.startswith("There is no verdict: trial")
    assert "failed (out_of_memory) on fresh seeds" in result.answer.sentence
    (failure,) = result.failures
    assert failure.error_class == "out_of_memory"
    assert all(number >= FIRST_REPLICATE for number in failure.trials)
    page = write_report(ledger, STUDY, tmp_path / "report", phases=PHASES).page.read_text()
    assert "No trial failed." not in page
    assert judge_failures(Outcome(SimpleNamespace(study=STUDY), result), Console(quiet=True)) == 0
    strict = SimpleNamespace(study=STUDY.model_copy(update={"max_failed": 0}))
    assert judge_failures(Outcome(strict, result), Console(quiet=True)) == 1
    assert "seed 1000: it wants 20 GB" in page


def test_a_control_that_failed_is_told_and_not_passed_over(ledger):
    shifted(ledger, point=-2.0, published=-9.0, no_draft=1.0)
    result = told(failed(ledger, arm="published", after=3))
    assert "is worse than arm published, which failed after 3 fresh seeds" in result.answer.sentence
    assert result.answer.separated is False


def test_a_control_of_which_nothing_is_known_is_told(ledger):
    shifted(ledger, point=-2.0, published=-9.0, no_draft=1.0)
    result = told(failed(ledger, arm="published"))
    assert "arm published failed (out_of_memory) on fresh seeds" in result.answer.sentence
    assert result.answer.separated is False


def lost_in_search(ledger: Ledger, arm: str) -> Ledger:
    """Let an arm run out of memory in the search, so that it has no replicates."""
    for trial in ledger.trials.values():
        if trial.arm == arm:
            trial.state, trial.error_class = TrialState.FAIL, "out_of_memory"
            trial.objective = None
    for number, trial in list(ledger.replicates.items()):
        if trial.arm == arm:
            del ledger.replicates[number]
    return ledger


def test_a_control_that_failed_in_the_search_is_told_and_keeps_a_winner_from_being_announced(
    ledger,
):
    shifted(ledger, point=-2.0, published=0.0, no_draft=1.0)
    result = told(lost_in_search(ledger, "published"))
    assert "is better than every control" in result.answer.sentence
    assert "arm published failed (out_of_memory) in the search" in result.answer.sentence
    assert "It is ahead of arm no_draft by" in result.answer.sentence
    assert result.answer.separated is False


def test_where_a_control_wins_one_that_failed_in_the_search_is_told(ledger):
    shifted(ledger, point=3.0, published=0.0, no_draft=1.0)
    sentence = told(lost_in_search(ledger, "published")).answer.sentence
    assert sentence.startswith("No searched point won against arm no_draft")
    assert sentence.endswith("Not compared: arm published failed (out_of_memory) in the search.")


def test_leads_that_are_not_separated_are_not_among_those_it_is_also_ahead_of(ledger):
    shifted(ledger, point=-2.0, published=0.0, no_draft=1.0)
    for trial in ledger.replicates.values():
        if trial.arm == "no_draft":
            trial.objective += 30.0 * (trial.seed % 2)
    sentence = told(ledger).answer.sentence
    assert "ahead of arm published" in sentence
    assert "no_draft" not in sentence


def test_the_page_and_the_files_show_the_replicates(ledger, tmp_path):
    report = write_report(
        shifted(ledger, point=-2.0, published=0.0, no_draft=1.0),
        STUDY,
        tmp_path / "report",
        phases=PHASES,
    )
    page = report.page.read_text()
    assert "The verdict: trained again on fresh seeds" in page
    assert "make up for choosing the best of 2 points" in page
    assert '<th class="number">winner ahead by (interval)</th>' in page
    rounds = report.result.replication.race.rounds
    of_most = "5 fresh seeds" if rounds == 5 else f"{rounds} of at most 5 fresh seeds"
    assert f"Trained again on {of_most}: " in page
    with (tmp_path / "report" / "replicates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(ledger.replicates)
    assert {row["seed"] for row in rows} <= {"1000", "1001", "1002", "1003", "1004"}
    with (tmp_path / "report" / "leaderboard.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(ledger.trials)
