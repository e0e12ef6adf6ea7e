"""MLflow's runs of one study: which are found again, and which are put in the bin."""

from types import SimpleNamespace

from mlflow.entities import RunData, RunTag
from mlflow.store.entities import PagedList

from sweep.tracking import store
from sweep.tracking.store import RunStore

FOLDER = "tags.folder_id = 'here'"


class PagingClient:
    """Holds runs as a tracking store does, whose page tokens are places in what is found now."""

    def __init__(self, journals):
        self.runs = {f"{number}": journal for number, journal in enumerate(journals)}

    def search_runs(self, _experiments, condition, *, max_results, page_token):
        found = [
            SimpleNamespace(
                info=SimpleNamespace(run_id=run, status="RUNNING", end_time=None),
                data=RunData(tags=[RunTag("journal_id", journal), RunTag("run_key", run)]),
            )
            for run, journal in self.runs.items()
            if condition in (FOLDER, f"tags.journal_id = '{journal}'")
        ]
        first = int(page_token or 0)
        last = first + max_results
        return PagedList(found[first:last], str(last) if last < len(found) else None)

    def delete_run(self, run):
        del self.runs[run]


def test_all_runs_of_a_replaced_journal_go_however_many_pages_they_fill(monkeypatch):
    monkeypatch.setattr(store, "RUNS_PER_PAGE", 3)
    client = PagingClient(["old"] * 10 + ["new"] * 4)
    found = RunStore(client, "1", "new", "here")
    found.recover()
    assert set(client.runs.values()) == {"new"}
    assert list(found.runs) == ["10", "11", "12", "13"]
