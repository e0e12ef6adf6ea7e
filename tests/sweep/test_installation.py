"""Whether the packages are those that were tested, told without needing any of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweep import installation
from sweep.findings import Level
from sweep.installation import check_installation, check_python, read_requirements, satisfies

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("installed", "rules", "fine"),
    [
        ("2.60.0", "==2.60.0", True),
        ("2.60", "==2.60.0", True),
        ("2.60.1", "==2.60.0", False),
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.14.3", ">=2.9,<3", True),
        ("3.0", ">=2.9,<3", False),
        ("2.8.9", ">=2.9,<3", False),
        ("1.0", "", True),
    ],
)
def test_versions_are_compared_by_number(installed, rules, fine):
    assert satisfies(installed, rules) is fine


def test_requirements_are_read_without_extras_and_comments(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# made by hand\nray[default,tune]==2.60.0\n\nscipy\nnumpy>=2.2,<3  # both\n")
    found = [(r.name, r.rules) for r in read_requirements(path)]
    assert found == [("ray", "==2.60.0"), ("scipy", ""), ("numpy", ">=2.2,<3")]
    assert read_requirements(tmp_path / "none.txt") == []


def with_installed(monkeypatch, versions):
    monkeypatch.setattr(installation, "installed_version", versions.get)


def test_missing_and_other_packages_are_named_with_what_to_type(tmp_path, monkeypatch):
    path = tmp_path / "requirements.txt"
    path.write_text("ray==2.60.0\nscipy\n")
    with_installed(monkeypatch, {"ray": "2.50.0", "opencv-python-headless": "5"})
    missing, other, cv2 = check_installation(path)
    assert (missing.level, missing.message) == (Level.FAIL, "missing: scipy")
    assert other.level is Level.WARN
    assert other.message == "other versions: ray 2.50.0 (==2.60.0 was tested)"
    assert "pip install -r requirements.txt" in missing.remedy
    assert cv2.level is Level.OK


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        (
            {"opencv-python": "4", "opencv-python-headless": "5"},
            "opencv-python and opencv-python-headless write the same files `cv2`; one of them is",
        ),
        ({"opencv-python": "4"}, "opencv-python instead of opencv-python-headless"),
        ({}, "no build instead of opencv-python-headless"),
    ],
)
def test_only_the_headless_build_of_opencv_may_be_there(versions, message, tmp_path, monkeypatch):
    with_installed(monkeypatch, versions)
    cv2 = check_installation(tmp_path / "none.txt")[-1]
    assert cv2.level is Level.FAIL
    assert cv2.message.startswith(message)
    assert "pip" in cv2.remedy


@pytest.mark.parametrize(
    ("version", "level"), [((3, 10), 2), ((3, 11), 0), ((3, 12), 0), ((3, 13), 2)]
)
def test_python_must_be_one_the_packages_are_for(version, level, monkeypatch):
    monkeypatch.setattr(installation.sys, "version_info", version)
    assert check_python().level == level


def test_the_doctor_speaks_where_no_package_is_installed(tmp_path):
    command = [sys.executable, "-I", "-S", str(ROOT / "sweep" / "doctor.py")]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert found.returncode == 1
    assert "missing: ray, optuna" in found.stdout
    assert "Mend these first" in found.stdout
    assert found.stderr == ""
