"""The page on augmentations: two views of a sample, and the second brought back over the first."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from hpe.augment.composition import CompositionConfig
from hpe.augment.control import RandAugmentConfig
from hpe.data.hands import HandSplit
from hpe.data.opened import SPLITS
from hpe.phases.views import training_composition
from hpe.viz.view_pairs import RECORD_COLUMNS, brought_back, make_pair, panels, record_rows
from sweep.viewer.chosen_data import choose_data, opened
from sweep.viewer.fields import (
    FormField,
    composition_from,
    form_of,
    label_of,
    operation_forms,
    policies,
)
from sweep.viewer.options import ViewerOptions

FIRST_ON = ("rotate", "zoom", "translate", "color_jitter")
PANEL_PX = 320


def augmentation_page(options: ViewerOptions) -> None:
    """Draw the page."""
    st.title("What augmentation makes of a hand")
    try:
        with st.sidebar:
            data = choose_data(options)
        if data is not None:
            _draw(opened(data).splits)
    except (ValueError, OSError) as error:
        st.error(str(error))


def _draw(splits: Mapping[str, HandSplit]) -> None:
    with st.sidebar:
        names = [name for name in SPLITS if len(splits[name])]
        split = splits[st.selectbox("Split", names)]
        index = st.number_input("Sample", 0, len(split) - 1, 0)
        seed = st.number_input("Seed of the two views", 0, 2**31, 0)
        image_px = st.number_input("Side of the views, px", 33, 512, 128)
        config = _operations()
    composition = training_composition(config, image_px=int(image_px), seed=int(seed))
    pair = make_pair(composition, split[int(index)], seed=int(seed))
    drawn = panels(pair, side_px=PANEL_PX)
    for column, panel in zip(st.columns(len(drawn)), drawn, strict=True):
        column.image(panel.image, caption=panel.title)
    apart_px = np.abs(brought_back(pair) - pair.first.keypoints_px)[pair.first.visible].max()
    st.markdown(
        f"Rings are joints of view 2, brought back by the affines on record; they miss those of "
        f"view 1 by at most **{apart_px:.2g} px** of {image_px:.0f}."
    )
    rows = record_rows(pair)
    st.table({name: [row[place] for row in rows] for place, name in enumerate(RECORD_COLUMNS)})


def _operations() -> CompositionConfig:
    values: dict[str, dict[str, Any]] = {}
    for name, fields in operation_forms().items():
        if st.checkbox(label_of(name), value=name in FIRST_ON, key=name):
            with st.expander(f"{label_of(name)}: how strongly"):
                values[name] = _asked_all(name, fields)
    chosen = st.selectbox("Published policy", policies(), format_func=label_of)
    policy: dict[str, Any] = {"control": chosen}
    if chosen == "rand_augment":
        policy["rand_augment"] = _asked_all("rand_augment", form_of(RandAugmentConfig))
    return composition_from(values, policy=policy)


def _asked_all(section: str, fields: Sequence[FormField]) -> dict[str, Any]:
    return {field.name: _asked(field, f"{section}/{field.name}") for field in fields}


def _asked(field: FormField, key: str) -> Any:
    label = label_of(field.name)
    if field.control == "switch":
        return st.checkbox(label, value=field.default, key=key)
    if field.control == "choice":
        return st.selectbox(label, field.choices, field.choices.index(field.default), key=key)
    if field.control == "text":
        return st.text_input(label, value=field.default or "", key=key) or None
    kind = int if field.is_whole else float
    low, high = (None if bound is None else kind(bound) for bound in (field.low, field.high))
    default = None if field.default is None else kind(field.default)
    if field.control == "slider":
        return st.slider(label, low, high, default, key=key)
    return st.number_input(label, low, high, default, key=key)
