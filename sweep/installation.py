"""Whether Python and the installed packages are those the project was made for.

Needs the standard library alone.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from sweep.findings import Finding, Level

PYTHON_FROM, PYTHON_BELOW = (3, 11), (3, 13)
CV2_BUILDS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
WANTED_CV2 = "opencv-python-headless"

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?\s*(?P<rules>[<>=!~][^;#\s]*)?"
)
_RULE = re.compile(r"(==|>=|<)([0-9]+(?:\.[0-9]+)*)")


@dataclass(frozen=True)
class Requirement:
    """One line of requirements.txt.

    Attributes:
        rules: Versions it may have, such as `==2.60.0` or `>=2.9,<3`; empty for any.
    """

    name: str
    rules: str


def read_requirements(path: Path) -> list[Requirement]:
    """Return the packages a requirements file names; none if there is no such file."""
    if not path.is_file():
        return []
    matches = [_REQUIREMENT.match(line.strip()) for line in path.read_text("utf-8").splitlines()]
    return [Requirement(name=m["name"], rules=m["rules"] or "") for m in matches if m]


def installed_version(name: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def installed_versions(requirements: list[Requirement]) -> dict[str, str | None]:
    """Return the installed version of every package; None where it is not installed."""
    return {requirement.name: installed_version(requirement.name) for requirement in requirements}


def all_installed() -> dict[str, str]:
    """Return the version of every package that is installed here, asked for or brought along."""
    found = {found.metadata["Name"]: found.version for found in distributions()}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def check_python() -> Finding:
    """Say whether this Python is one the packages are for."""
    found = f"Python {platform.python_version()} in {sys.prefix}"
    if PYTHON_FROM <= sys.version_info[:2] < PYTHON_BELOW:
        return Finding(Level.OK, "python", found)
    wanted = ".".join(map(str, PYTHON_FROM))
    return Finding(
        Level.FAIL, "python", f"{found}; {wanted} is needed", f"make env PYTHON=python{wanted}"
    )


def check_installation(requirements: Path) -> list[Finding]:
    """Say which packages are missing or have another version than they should."""
    wanted = read_requirements(requirements)
    installed = installed_versions(wanted)
    return [*_package_findings(wanted, installed), _cv2_finding()]


def satisfies(installed: str, rules: str) -> bool:
    """Say whether a version obeys rules of the forms `==`, `>=` and `<`.

    A local part, such as that of torch's CPU build `2.13.0+cpu`, does not count.
    """
    own = _numbers(installed.partition("+")[0])
    for operator, stated in _RULE.findall(rules):
        other = _numbers(stated)
        length = max(len(own), len(other))
        left, right = _padded(own, length), _padded(other, length)
        if not {"==": left == right, ">=": left >= right, "<": left < right}[operator]:
            return False
    return True


def _package_findings(
    wanted: list[Requirement], installed: Mapping[str, str | None]
) -> Iterator[Finding]:
    missing = [r.name for r in wanted if installed[r.name] is None]
    other = [
        f"{r.name} {found} ({r.rules} was tested)"
        for r in wanted
        if (found := installed[r.name]) is not None and not satisfies(found, r.rules)
    ]
    remedy = "make requirements, or pip install -r requirements.txt"
    if missing:
        yield Finding(Level.FAIL, "packages", f"missing: {', '.join(missing)}", remedy)
    if other:
        yield Finding(Level.WARN, "packages", f"other versions: {', '.join(other)}", remedy)
    if not wanted:
        yield Finding(Level.WARN, "packages", "there is no requirements.txt to compare with")
    elif not missing and not other:
        yield Finding(Level.OK, "packages", f"all {len(wanted)} as in requirements.txt")


def _cv2_finding() -> Finding:
    builds = [name for name in CV2_BUILDS if installed_version(name) is not None]
    if builds == [WANTED_CV2]:
        return Finding(Level.OK, "opencv", f"{WANTED_CV2} {installed_version(WANTED_CV2)} alone")
    remedy = (
        f"pip uninstall -y {' '.join(builds)} && pip install --force-reinstall {WANTED_CV2}"
        if builds
        else f"pip install {WANTED_CV2}"
    )
    message = (
        f"{' and '.join(builds)} write the same files `cv2`; one of them is broken"
        if len(builds) > 1
        else f"{' '.join(builds) or 'no build'} instead of {WANTED_CV2}, which albumentations needs"
    )
    return Finding(Level.FAIL, "opencv", message, remedy)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", text))


def _padded(numbers: tuple[int, ...], length: int) -> tuple[int, ...]:
    return numbers + (0,) * (length - len(numbers))
