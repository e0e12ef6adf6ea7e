"""Where the lines of parallel coordinates run."""

import pytest

from sweep.ledger import Ledger
from sweep.report.parallel import MAX_AXES, OFF, coordinates
from sweep.study import Study


def laid_out(records):
    ledger = Ledger(records)
    done = [trial for trial in ledger.trials.values() if trial.objective is not None]
    best = min(done, key=lambda trial: trial.objective)
    return coordinates(ledger, Study.model_validate(ledger.study), best=best)


def test_a_switch_is_shown_by_the_axis_of_its_strength(searched_records):
    found = laid_out(searched_records)
    paths = [axis.path for axis in found.axes]
    assert "pretrain/augment/rotate/enabled" not in paths
    rotate = found.axes[paths.index("pretrain/augment/rotate/max_deg")]
    assert rotate.absent == "off"
    assert rotate.heights[2] == OFF
    assert paths[-1] == "finetune/val/root_epe_mm"


def test_the_best_is_on_top_of_the_last_axis_and_drawn_last(searched_records):
    found = laid_out(searched_records)
    assert found.lines[-1].is_best
    assert found.lines[-1].heights[-1] == 1.0
    assert sum(line.is_best for line in found.lines) == 1


def test_a_trial_without_an_objective_ends_before_the_last_axis(searched_records):
    found = laid_out(searched_records)
    lengths = {line.trial: len(line.heights) for line in found.lines}
    assert lengths[5] == len(found.axes) - 1
    assert lengths[6] == len(found.axes)
    assert 4 not in lengths  # it failed


def test_numbers_run_from_bottom_to_top_on_a_log_axis_when_they_span_decades(journal_script):
    script = journal_script()
    for number, rate in enumerate([1e-4, 1e-3, 1e-2]):
        script.trial(number, params={"pretrain/optimizer/lr": rate}, error_mm=50 + number)
    axis = laid_out(script.records).axes[0]
    assert [axis.heights[n] for n in range(3)] == pytest.approx([0.0, 0.5, 1.0])
    assert [text for _, text in axis.ticks] == ["0.0001", "0.001", "0.01"]


def test_axes_stand_by_their_rank_correlation_with_the_objective(journal_script):
    script = journal_script()
    for number, noise in enumerate([3, 1, 4, 2, 5]):
        params = {"pretrain/a": float(noise), "pretrain/b": float(number)}
        script.trial(number, params=params, error_mm=50 + number)
    assert [axis.path for axis in laid_out(script.records).axes[:2]] == ["pretrain/b", "pretrain/a"]


def test_many_parameters_leave_the_least_telling_ones_out(journal_script):
    script = journal_script()
    for number in range(4):
        params = {f"pretrain/p{i}": float(number * i % 7) for i in range(1, 15)}
        script.trial(number, params=params, error_mm=50 + number)
    found = laid_out(script.records)
    assert len(found.axes) == MAX_AXES + 1
    assert found.num_hidden > 0


def test_nothing_is_drawn_of_fewer_than_two_points(journal_script):
    script = journal_script()
    script.trial(0, params={"pretrain/loss/temperature": 0.1})
    assert laid_out(script.records) is None
