"""What the pages offer, and what they were told on the command line."""

import sys
from pathlib import Path

import pytest
import yaml

from hpe.augment.composition import CompositionConfig, operations_of
from hpe.augment.control import RandAugmentConfig
from hpe.augment.geometric import RotateConfig, ZoomConfig
from hpe.augment.occlusion import OccludeConfig
from hpe.data.catalog import DATA_SETS
from sweep import view
from sweep.folders import RunsDir
from sweep.viewer.choices import data_choices, model_choices, needs_rendering, parse_settings
from sweep.viewer.fields import FormField, composition_from, form_of, operation_forms, policies
from sweep.viewer.options import ViewerOptions, viewer_options
from tests.sweep.viewer.conftest import DATA


def test_every_operation_has_a_form_whose_defaults_are_the_settings_own():
    forms = operation_forms()
    assert set(forms) == set(operations_of(CompositionConfig()))
    defaults = {name: {field.name: field.default for field in form} for name, form in forms.items()}
    on = {name: {"enabled": True} for name in forms}
    assert composition_from(defaults) == CompositionConfig.model_validate(on)


def test_controls_follow_from_the_rules_of_a_field():
    assert form_of(RotateConfig)[1] == FormField("max_deg", "slider", 45.0, 0.0, 180.0)
    assert form_of(ZoomConfig)[2] == FormField("min_factor", "number", None, 0.25, 1.0)
    occlude = {field.name: field for field in form_of(OccludeConfig)}
    assert occlude["source"].choices == ("drawn", "voc", "pictures")
    assert occlude["folder"].control == "text"
    assert occlude["min_count"].is_whole
    assert occlude["order"].control == "number"
    assert occlude["min_scale"] == FormField("min_scale", "slider", 0.2, 0.0, 8.0)
    assert form_of(RandAugmentConfig)[0].is_whole


def test_what_breaks_a_rule_is_named():
    with pytest.raises(ValueError, match=r"^occlude: min_count must be <= max_count"):
        composition_from({"occlude": {"min_count": 9, "max_count": 1}})
    with pytest.raises(ValueError, match="rotate/max_deg"):
        composition_from({"rotate": {"max_deg": 999.0}})


def test_a_published_policy_is_part_of_the_composition():
    assert "trivial_augment" in policies()
    policy = {"control": "rand_augment", "rand_augment": {"num_operations": 5}}
    config = composition_from({}, policy=policy)
    assert (config.control, config.rand_augment.num_operations) == ("rand_augment", 5)


def test_offers_the_data_of_studies_then_every_set_of_hands(viewed_runs):
    told = data_choices(viewed_runs)
    assert yaml.safe_load(told[0].settings) == DATA
    names = {yaml.safe_load(choice.settings)["name"] for choice in told[1:]}
    hands = {name for name, entry in DATA_SETS.items() if entry.task == "hand_pose"}
    assert names == hands - {"mixture"}


def test_offers_the_trials_that_have_weights(viewed_runs):
    assert [choice.reference for choice in model_choices(viewed_runs)] == ["mine/0", "mine/1"]
    assert model_choices(viewed_runs)[1].told == "mine/1 (arm_1, seed 0)"
    assert model_choices(RunsDir(viewed_runs.root / "nothing")) == []


def test_official_labels_are_never_shown():
    assert parse_settings("{name: freihand, final: true}")["final"] is False


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{name: [", "must be YAML"),
        ("{name: frehand}", "there is no data set"),
        ("{name: none}", "something else"),
        ("7", "must be a name or settings"),
    ],
)
def test_refuses_settings_of_no_data_set_of_hands(text, match):
    with pytest.raises(ValueError, match=match):
        parse_settings(text)


def test_knows_what_has_been_rendered(viewed_runs):
    made = {"data_dir": None, "made_dir": viewed_runs.data}
    assert not needs_rendering(DATA, **made)
    assert needs_rendering({**DATA, "val": 5}, **made)


def test_the_server_listens_on_this_machine_alone_and_reports_to_nobody():
    folders = ViewerOptions(RunsDir(Path("runs")), Path("data"))
    command = view.server_command(folders, port=1234)
    assert "--server.address=127.0.0.1" in command
    assert "--browser.gatherUsageStats=false" in command
    assert "--server.port=1234" in command
    passed_on = viewer_options(command[command.index("--") + 1 :])
    assert passed_on.runs.root == Path("runs").resolve()
    assert passed_on.data_dir == Path("data").resolve()


def test_says_what_to_install_where_the_library_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "streamlit", None)
    assert view.main([]) == 2
    assert "pip install -r requirements-view.txt" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536"])
def test_refuses_what_is_no_port(port, capsys):
    with pytest.raises(SystemExit):
        view.main(["--port", port])
    assert "between 1 and 65535" in capsys.readouterr().err
