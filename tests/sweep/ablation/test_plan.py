"""What of a winner is switched off, and what is left out with its reason."""

import json

from hpe.config import identity_settings
from hpe.phases.catalog import PHASES
from sweep.ablation.plan import NOTHING_READS_IT, plan_from, plan_record
from sweep.points import Point
from sweep.trials import StageEntry, Trial
from trainables.plans import configure, parse_plan

PLAN = parse_plan(["encoder_decoder"], PHASES)
SETTINGS = {
    "encoder_decoder/augment/rotate/enabled": True,
    "encoder_decoder/loss/points_weight": 0.25,
    "encoder_decoder/loss/distribution_weight": 0.75,
}


def point_with(changes):
    settings = {**SETTINGS, **changes}
    return Point(arm=None, plan=PLAN, settings=settings, configs=configure(PLAN, settings))


def keys_of(point):
    return [json.dumps(identity_settings(config)) for config in point.configs.values()]


def planned():
    configs = point_with({}).configs
    stages = [
        StageEntry(step.label, "k", step.phase, 1, configs[step.label].model_dump(mode="json"), 0)
        for step in PLAN
    ]
    source = Trial(7, None, 0, {}, {}, SETTINGS, stages, 0.0)
    record = plan_record(source, point_with, keys_of)
    return plan_from(json.loads(json.dumps(record)))  # as the journal gives it back


def test_a_term_that_nothing_reads_is_left_out_and_said_to_be():
    plan = planned()
    assert [factor.name for factor in plan.factors] == [
        "encoder_decoder/augment/rotate",
        "encoder_decoder/loss/points_weight",
        "encoder_decoder/loss/distribution_weight",
    ]
    unread = {f"encoder_decoder/loss/{name}_weight" for name in ("plane", "heatmap")}
    assert plan.left_out == dict.fromkeys(unread, NOTHING_READS_IT)


def test_terms_of_which_one_must_be_there_cannot_both_be_off():
    terms = [f"encoder_decoder/loss/{name}_weight" for name in ("points", "distribution")]
    assert planned().impossible == {frozenset(terms)}
