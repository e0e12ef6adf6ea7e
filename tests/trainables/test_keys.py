"""A stage's key: what makes two stages the same, and what makes them different."""

import ast
import dataclasses
import shutil
import sys
import textwrap

import pytest

from hpe.phases.catalog import PHASES
from trainables import keys
from trainables.keys import (
    NUMERIC_LIBRARIES,
    Execution,
    code_digest,
    code_of,
    contents_digest,
)
from trainables.plans import configure, make_stages, parse_plan
from trainables.slot_config import SlotShape


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes modules of a package `lab` and digests `lab.phase`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def digest(**modules):
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        for name in [name for name in sys.modules if name.split(".")[0] == "lab"]:
            del sys.modules[name]
        code_digest.cache_clear()
        return code_digest("lab.phase")

    digest.folder = folder
    yield digest
    code_digest.cache_clear()


PHASE = """
from lab.loss import loss

def run(x):
    return loss(x)
"""
LOSS = """
def loss(x):
    return x + 1
"""


def test_a_changed_statement_in_an_imported_module_changes_the_digest(package):
    before = package(phase=PHASE, loss=LOSS)
    assert package(loss=LOSS.replace("+ 1", "+ 2")) != before


def test_a_changed_comment_or_docstring_changes_nothing(package):
    before = package(phase=PHASE, loss=LOSS)
    commented = '''
    """What is lost."""

    def loss(x):
        """Return the loss."""
        # one more
        return x + 1
    '''
    assert package(loss=commented) == before


def test_a_module_that_is_not_imported_changes_nothing(package):
    before = package(phase=PHASE, loss=LOSS, other="a = 1")
    assert package(other="a = 2") == before


def test_a_package_without_a_file_of_its_own_runs_nothing():
    assert set(keys.code_of("tests.sweep.engine_phases")) >= {"tests", "tests.sweep"}
    assert keys.code_of("tests.sweep.engine_phases")["tests.sweep"].body == []


def test_an_import_inside_a_function_counts(package):
    phase = """
    def run(x):
        from lab import loss
        return loss.loss(x)
    """
    before = package(phase=phase, loss=LOSS)
    assert package(loss=LOSS.replace("+ 1", "+ 2")) != before


FORMS = {
    "a submodule": "from lab import loss",
    "a name of a submodule": "from lab.loss import loss",
    "under another name": "import lab.loss as criterion",
    "everything": "from lab.loss import *",
    "relative": "from .loss import loss",
    "a relative submodule": "from . import loss",
    "in a function": "def run(x):\n    import lab.loss",
    "in a branch": "try:\n    import lab.loss\nexcept ImportError:\n    pass",
    "for types only": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import lab.loss",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_import_of_any_form_counts(package, form):
    before = package(phase=form, loss=LOSS)
    assert package(loss=LOSS.replace("+ 1", "+ 2")) != before


def test_what_a_package_exports_from_its_modules_counts(package):
    (package.folder / "phase.py").write_text("from lab.parts import loss")
    init = "from lab.parts.inner import loss"
    before = _with_parts(package, init=init, inner=LOSS)
    assert _with_parts(package, init=init, inner=LOSS.replace("+ 1", "+ 2")) != before


def test_the_init_of_a_package_on_the_way_counts(package):
    (package.folder / "phase.py").write_text("from lab.parts.inner import loss")
    before = _with_parts(package, init="", inner=LOSS)
    changed = _with_parts(package, init="import torch; torch.manual_seed(0)", inner=LOSS)
    assert changed != before
    assert _with_parts(package, init='"""Parts."""', inner=LOSS) == before


def _with_parts(package, *, init, inner):
    """Write the package `lab.parts` of two modules and digest `lab.phase`."""
    folder = package.folder / "parts"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text(init)
    (folder / "inner.py").write_text(inner)
    return package()


def test_modules_that_import_each_other_are_digested_once(package):
    assert package(phase="import lab.loss", loss="import lab.phase")


IMPORTED_WITHOUT_ENTERING_A_KEY = {"jaxtyping", "pydantic"}


@pytest.mark.slow
def test_every_library_that_phases_compute_with_enters_the_key():
    trees = [tree for spec in PHASES.values() for tree in code_of(spec.run.__module__).values()]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    imported |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    outside = {name.split(".")[0] for name in imported} - sys.stdlib_module_names - {"hpe"}
    assert outside - IMPORTED_WITHOUT_ENTERING_A_KEY <= set(NUMERIC_LIBRARIES)


def test_a_changed_file_beside_the_code_counts_where_the_code_looks_for_files(package):
    asset = package.folder / "weights.npz"
    reading = "from pathlib import Path\nWEIGHTS = Path(__file__).with_name('weights.npz')"
    for loss, counts in ((reading, True), (LOSS, False)):
        asset.write_bytes(b"1")
        before = package(phase=PHASE, loss=loss)
        (package.folder / "CREDITS.md").write_text("whom to thank")
        assert package() == before
        asset.write_bytes(b"2")
        assert (package() != before) is counts


PLAN = parse_plan(["pretrain", "finetune"], PHASES)
DATA = {"config": {}, "root": "here", "digest": "d" * 64}


def keys_of(settings=None, *, plan=PLAN, data=DATA, seed=0, execution=None):
    stages = make_stages(
        plan,
        configure(plan, settings or {}),
        data=data,
        seed=seed,
        execution=execution or Execution(),
    )
    return [stage.key for stage in stages]


PRETRAINING = {
    "a setting": {"pretrain/loss/temperature": 0.7},
    "precision": {"pretrain/precision": "bf16"},
    "the memory format": {"pretrain/channels_last": False},
    "an augmentation": {"pretrain/augment/rotate/enabled": True},
}


@pytest.mark.parametrize("settings", PRETRAINING.values(), ids=PRETRAINING)
def test_a_setting_that_matters_changes_its_stage_and_those_after_it(settings):
    assert not set(keys_of(settings)) & set(keys_of())


def test_a_setting_of_the_last_phase_leaves_those_before_it_shared():
    changed, plain = keys_of({"finetune/label_fraction": 0.1}), keys_of()
    assert changed[0] == plain[0]
    assert changed[1] != plain[1]


@pytest.mark.parametrize(
    "change",
    [
        {"data": {**DATA, "digest": "e" * 64}},
        {"seed": 1},
        {"execution": Execution(world_size=2)},
        {"execution": Execution(device="cuda")},
    ],
    ids=["data", "seed", "world size", "device"],
)
def test_what_every_stage_depends_on_changes_every_key(change):
    assert not set(keys_of(**change)) & set(keys_of())


@pytest.mark.parametrize("library", NUMERIC_LIBRARIES.values())
def test_another_version_of_a_library_changes_every_key(monkeypatch, library):
    before, installed = keys_of(), keys.version
    monkeypatch.setattr(keys, "version", lambda name: installed(name) + ".1" * (name == library))
    assert not set(keys_of()) & set(before)


def test_loader_workers_and_where_the_data_lies_change_nothing():
    settings = {"pretrain/loader_workers": 4, "finetune/loader_workers": 2}
    assert keys_of(settings, data={**DATA, "root": "elsewhere"}) == keys_of()


def test_of_a_slots_shape_only_the_number_of_workers_and_the_device_enter_the_key():
    assert {field.name for field in dataclasses.fields(Execution)} == {"world_size", "device"}
    shape = {field.name for field in dataclasses.fields(SlotShape)}
    assert {"cpus_per_worker", "threads"} <= shape


def test_the_default_spelled_out_is_the_default():
    assert keys_of({"pretrain/loss/temperature": 0.2, "finetune/label_fraction": 1}) == keys_of()


def voc_files_in(folder):
    """Write one of each file that objects are cut out of; what is in them is not read here."""
    for name in ("Annotations/1.xml", "JPEGImages/1.jpg", "SegmentationObject/1.png"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(name)


def limits_in(folder):
    for name in ("jointAngleModel_v2.npy", "staticPose.npy"):
        (folder / name).write_text(name)


def pictures_in(folder):
    (folder / "below").mkdir()
    (folder / "below" / "cup.png").write_text("a picture")


def occluding(section, source):
    return {f"{section}/occlude/enabled": True, f"{section}/occlude/source": source}


FOLDERS = {
    "voc": (voc_files_in, "body_pose", occluding("body_pose/augment", "voc")),
    "pictures": (pictures_in, "pretrain", occluding("pretrain/augment", "pictures")),
    "limits": (limits_in, "evolve", {}),
}
"""What lies in a folder that settings name, the phase that reads it, and its other settings."""
NAMED_BY = {
    "body_pose": "body_pose/augment/occlude/folder",
    "pretrain": "pretrain/augment/occlude/folder",
    "evolve": "evolve/limits/folder",
}


@pytest.fixture(params=FOLDERS)
def with_folder(request, tmp_path):
    """Return a folder, and a function that gives the key of the stage that reads one like it."""
    write, phase, settings = FOLDERS[request.param]
    plan = parse_plan([phase], PHASES)
    write(tmp_path)

    def key(folder):
        contents_digest.cache_clear()
        (found,) = keys_of({**settings, NAMED_BY[phase]: str(folder)}, plan=plan)
        return found

    yield tmp_path, key
    contents_digest.cache_clear()


def test_another_content_of_a_file_that_settings_name_changes_the_key(with_folder):
    folder, key = with_folder
    before = key(folder)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        content = path.read_text()
        path.write_text(content.swapcase())
        assert key(folder) != before, path
        path.write_text(content)
    assert key(folder) == before


def test_the_same_files_elsewhere_and_others_beside_them_change_nothing(
    with_folder, tmp_path_factory
):
    folder, key = with_folder
    before = key(folder)
    (folder / "README.txt").write_text("read by nobody")
    assert key(folder) == before
    elsewhere = shutil.copytree(folder, tmp_path_factory.mktemp("other") / "place")
    assert key(elsewhere) == before


def test_files_that_are_missing_are_named(with_folder):
    folder, key = with_folder
    first = min(path for path in folder.rglob("*") if path.is_file())
    first.unlink()
    with pytest.raises(ValueError, match=f"part of a stage's key: .*{folder}"):
        key(folder)


def test_the_names_of_cutouts_which_say_their_order_enter_the_key(tmp_path):
    plan = parse_plan(["pretrain"], PHASES)
    pictures_in(tmp_path)
    settings = {NAMED_BY["pretrain"]: str(tmp_path), **occluding("pretrain/augment", "pictures")}
    before = keys_of(settings, plan=plan)
    (tmp_path / "below").rename(tmp_path / "aside")
    contents_digest.cache_clear()
    assert keys_of(settings, plan=plan) != before


def test_a_lifting_that_follows_other_limits_is_another(tmp_path):
    plan = parse_plan(["evolve", "lift"], PHASES)
    limits_in(tmp_path)
    settings = {"evolve/limits/folder": str(tmp_path)}
    before = keys_of(settings, plan=plan)
    (tmp_path / "staticPose.npy").write_text("another")
    contents_digest.cache_clear()
    assert not set(keys_of(settings, plan=plan)) & set(before)


def test_a_folder_that_is_not_read_is_neither_looked_at_nor_part_of_the_key():
    plan = parse_plan(["body_pose"], PHASES)
    settings = {"source": "voc", "folder": "/nowhere"}
    unread = {f"body_pose/augment/occlude/{name}": value for name, value in settings.items()}
    assert keys_of(unread, plan=plan) == keys_of(plan=plan)
