"""Learning curves: what their table says of rungs."""

from sweep.ledger import Ledger
from sweep.report.curves import learning_curves
from sweep.study import Study

METRIC = "finetune/val/root_epe_mm"


def drawn(script):
    ledger = Ledger(script.records)
    return learning_curves(
        ledger,
        Study.model_validate(ledger.study),
        path=METRIC,
        epochs_of=lambda stage: stage.epochs,
        best=None,
    )


def rung(script, trial, *, rung, epoch, decision):
    script.write(
        "rung", trial=trial, label="finetune", rung=rung, epoch=epoch, value=9.0, decision=decision
    )


def test_a_curve_says_where_it_was_judged_and_what_was_decided(journal_script):
    script = journal_script(arms={"peclr": {}})
    script.trial(0, arm="peclr")
    script.trial(1)
    script.trial(2)
    rung(script, 1, rung=0, epoch=1, decision="continue")
    rung(script, 1, rung=1, epoch=2, decision="pause")
    script.write("promote", trial=1, rung=1)
    rung(script, 2, rung=0, epoch=1, decision="stop")
    chart = drawn(script)
    assert chart.columns[-2:] == ("rung", "decision")
    told = {(row[0], row[2]): row[-2:] for row in chart.rows}
    assert told[0, 1] == (None, None)
    assert told[1, 1] == (0, "continue")
    assert told[1, 2] == (1, "promoted")
    assert told[2, 1] == (0, "stop")
    assert told[2, 2] == (None, None)
    assert "Dotted lines are rungs" in chart.caption


def test_without_rungs_there_is_no_word_of_them(journal_script):
    script = journal_script()
    script.trial(0)
    assert "rung" not in drawn(script).caption
