"""The page on two networks: their scores, where one beats the other, and errors by joint."""

from collections.abc import Sequence

import streamlit as st

from hpe.data.hands import HandSplit
from hpe.evaluation.comparison import require_same_hands, score_pairs, where_first_is_better
from hpe.evaluation.hand_pose_scores import JointErrors, by_joint, joint_errors_of, scores_of
from hpe.evaluation.pose_model import best_device
from hpe.evaluation.scored_hands import Looking, ScoredHands
from hpe.viz.compared_hands import draw_two_predictions
from sweep.evaluation_data import EvaluationData
from sweep.found_model import FoundModel, find_model
from sweep.split_scoring import score_in_processes
from sweep.viewer.choices import ModelChoice, model_choices
from sweep.viewer.chosen_data import choose_data, opened
from sweep.viewer.options import ViewerOptions

SPLITS = ("val", "test", "train")
NUM_SAMPLES = 200
NUM_SHOWN = 6
COLUMNS = ("score", "first", "second", "better", "protocol")


def evaluation_page(options: ViewerOptions) -> None:
    """Draw the page."""
    st.title("Two networks on the same hands")
    models = model_choices(options.runs)
    if not models:
        st.info(f"No study in {options.runs.root} has a trial with weights of a pose network yet.")
        return
    try:
        with st.sidebar:
            first = _choose("First network", models, 0)
            second = _choose("Second network", models, min(1, len(models) - 1))
            data = choose_data(options)
            split = st.selectbox("Split", SPLITS)
            count = int(st.number_input("Samples, at most", 1, 100_000, NUM_SAMPLES))
        if data is not None:
            found = [_found(choice, options) for choice in (first, second)]
            _draw(found, data, split, count)
    except (ValueError, OSError) as error:
        st.error(str(error))


def _choose(label: str, models: Sequence[ModelChoice], index: int) -> ModelChoice:
    chosen: ModelChoice = st.selectbox(label, models, index, format_func=lambda one: one.told)
    return chosen


def _found(choice: ModelChoice, options: ViewerOptions) -> FoundModel:
    return find_model(choice.reference, runs=options.runs, tracking_uri=options.runs.mlflow_uri)


def _draw(found: Sequence[FoundModel], data: EvaluationData, split: str, count: int) -> None:
    samples = opened(data).splits[split]
    used = min(count, len(samples))
    if used == 0:
        st.info(f"The split {split} has no samples.")
        return
    identity = data.config.model_dump_json()
    first, second = (_scored(model.told, identity, split, used, model, data) for model in found)
    require_same_hands(first, second)
    kinds = [joint_errors_of(hands) for hands in (first, second)]
    st.caption(f"First: {found[0].told}. Second: {found[1].told}. {used} samples of {split}.")
    _draw_scores(*kinds)
    pairs = {k.name: (k, o) for k in kinds[0] for o in kinds[1] if k.name == o.name}
    names = list(pairs)
    start = names.index("root_epe_mm") if "root_epe_mm" in pairs else 0
    name = st.selectbox("Compare samples and joints by", names, start)
    st.subheader(f"{name} by joint")
    st.bar_chart(_by_joint(*pairs[name]), x="joint", y=["first", "second"], stack=False, sort=False)
    for title, better, hands in (
        ("Where the first beats the second most", pairs[name], (first, second)),
        ("Where the second beats the first most", pairs[name][::-1], (second, first)),
    ):
        st.subheader(title)
        is_swapped = hands[0] is second
        _draw_samples(samples, better, hands, is_swapped=is_swapped)


def _draw_scores(first: Sequence[JointErrors], second: Sequence[JointErrors]) -> None:
    pairs = score_pairs(scores_of(first), scores_of(second))
    rows = [(p.name, f"{p.first:.4g}", f"{p.second:.4g}", p.better, p.protocol) for p in pairs]
    st.table({name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)})


def _by_joint(first: JointErrors, second: JointErrors) -> dict[str, list[str] | list[float]]:
    means = [by_joint([kind]) for kind in (first, second)]
    joints = list(means[0])
    return {
        "joint": joints,
        "first": [means[0][joint][first.name] for joint in joints],
        "second": [means[1][joint][second.name] for joint in joints],
    }


def _draw_samples(
    samples: HandSplit,
    better: Sequence[JointErrors],
    hands: Sequence[ScoredHands],
    *,
    is_swapped: bool,
) -> None:
    """Draw the samples where the first of the two given is better most, first network first."""
    rows = where_first_is_better(better[0], better[1], count=NUM_SHOWN)
    if not rows:
        st.text("Nowhere.")
    columns = st.columns(2)
    for place, row in enumerate(rows):
        order = (1, 0) if is_swapped else (0, 1)
        drawn = draw_two_predictions(
            samples[row], *(hands[n].predicted_px[row].numpy() for n in order)
        )
        errors = [f"{float(better[n].errors[row][better[n].valid[row]].mean()):.1f}" for n in order]
        columns[place % 2].image(
            drawn, caption=f"sample {row}: truth, first ({errors[0]}), second ({errors[1]})"
        )


@st.cache_data(max_entries=16, show_spinner="Scoring")
def _scored(
    told: str,  # noqa: ARG001 - what Streamlit caches by; it skips names that begin with _
    identity: str,  # noqa: ARG001 - the same
    split: str,
    count: int,
    _model: FoundModel,
    _data: EvaluationData,
) -> ScoredHands:
    return score_in_processes(
        _model.artifacts,
        _data,
        split,
        range(count),
        looking=Looking(),
        processes=1,
        device=best_device(),
    )
