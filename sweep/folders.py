"""Where a study and its runs folder keep things."""

from dataclasses import dataclass
from pathlib import Path

TRACKING_URI = "MLFLOW_TRACKING_URI"
"""MLflow's own variable: another tracking store than the one in the runs folder."""


@dataclass(frozen=True)
class RunsDir:
    """The folder that studies share: stages, rendered data, the MLflow store."""

    root: Path

    @property
    def stages(self) -> Path:
        """Return the stage store's folder."""
        return self.root / "stages"

    @property
    def data(self) -> Path:
        """Return the folder of data sets that are made here."""
        return self.root / "data"

    @property
    def mlflow_uri(self) -> str:
        """Return the default tracking store."""
        return f"sqlite:///{self.root.resolve() / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Return where MLflow keeps files."""
        return self.root / "mlartifacts"

    @property
    def lock(self) -> Path:
        """Return the file whose lock drivers share, and a collection has alone."""
        return self.root / ".lock"

    @property
    def storage(self) -> Path:
        """Return the file that names the storage shared with other machines, if there is one."""
        return self.root / ".storage"

    @property
    def train_scratch(self) -> Path:
        """Return where Ray Train keeps its files if it is not told where."""
        return self.root / ".train"

    def studies(self) -> "list[StudyDir]":
        """Return the folders in which a study was begun."""
        found = [StudyDir(path) for path in sorted(self.root.glob("*")) if path.is_dir()]
        return [study for study in found if study.journal.exists() or study.lock.exists()]

    def study(self, name: str) -> "StudyDir":
        """Return the folder of one study."""
        return StudyDir(self.root / name)


@dataclass(frozen=True)
class StudyDir:
    """The folder of one study."""

    root: Path

    @property
    def resolved(self) -> Path:
        """Return the study as resolved when it started."""
        return self.root / "study.yaml"

    @property
    def journal(self) -> Path:
        """Return the study's one truth."""
        return self.root / "journal.jsonl"

    @property
    def optuna_log(self) -> Path:
        """Return the copy that optuna-dashboard opens."""
        return self.root / "optuna.log"

    @property
    def lock(self) -> Path:
        """Return the file whose lock the one driver holds."""
        return self.root / "driver.lock"

    @property
    def scratch(self) -> Path:
        """Return what Ray keeps while a driver runs; what a dead driver left goes with the next."""
        return self.root / ".scratch"

    @property
    def report(self) -> Path:
        """Return the report's folder."""
        return self.root / "report"

    @property
    def status(self) -> Path:
        """Return the page that shows, in a browser, how the study goes."""
        return self.root / "status.html"

    @property
    def exported(self) -> Path:
        """Return where a trial is exported to if nothing else is said."""
        return self.root / "export"

    @property
    def patches(self) -> Path:
        """Return the folder of all `changes`."""
        return self.root / "changes"

    def changes(self, digest: str) -> Path:
        """Return the patch with this digest: how the code differed from the commit it was at."""
        return self.patches / f"{digest[:16]}.patch"

    @property
    def tracking(self) -> Path:
        """Return what the tracker remembers between drivers."""
        return self.root / "tracking.json"


def existing_above(path: Path) -> Path:
    """Return the folder itself, or the nearest one above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
