"""Hooks: what they are told, and that they can neither hold up nor fail a study."""

import json
import os
import shlex
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sweep import hooks
from sweep.hooks import call_hook, check_hook, shown_hook
from sweep.ledger import Ledger
from sweep.notification import Notifier, events_in
from sweep.options import parse_options
from sweep.study import Study


def told(records):
    """Return the events of a whole journal."""
    ledger, study, found = Ledger(), Study.model_validate(records[0]["study"]), []
    for record in records:
        ledger.apply(record)
        found += events_in(record, ledger, study)
    return found


def in_python(code):
    return shlex.join([sys.executable, "-c", code])


def test_bests_failures_and_the_end_are_told_once(journal_script):
    script = journal_script(search={"sampler": "tpe", "trials": 3}, arms={"peclr": {}})
    script.trial(0, arm="peclr", error_mm=54.0)
    script.trial(1, error_mm=58.0)
    script.trial(2, state="FAIL", stop_at=("pretrain", 1))
    script.write("session", event="interrupted", host="lab", pid=1)
    script.write("session", event="opened", host="lab", pid=2)
    script.trial(3, error_mm=50.0)
    script.write("session", event="closed", host="lab", pid=2)
    events = told(script.records)
    assert [(e["event"], e.get("trial")) for e in events] == [
        ("new_best", 0),
        ("failed", 2),
        ("new_best", 3),
        ("done", None),
    ]
    assert events[1]["error_class"] == "diverged"
    assert events[2]["value"] == 50.0
    assert events[2]["text"] == "toy: trial 3 is the best so far, 50.00 mm"
    assert events[3]["trials"] == {"RUNNING": 0, "COMPLETE": 3, "PRUNED": 0, "FAIL": 1}


def test_a_session_that_closes_early_is_not_done(journal_script):
    script = journal_script()
    script.trial(0, arm="peclr")
    script.write("session", event="closed", host="lab", pid=1)
    assert [event["event"] for event in told(script.records)] == ["new_best"]


def test_a_command_gets_the_event_on_its_standard_input(tmp_path):
    target = tmp_path / "got.json"
    code = f"import sys; open({str(target)!r}, 'w').write(sys.stdin.read())"
    call_hook(in_python(code), {"event": "done", "value": 1.5})
    assert json.loads(target.read_text()) == {"event": "done", "value": 1.5}


def test_a_command_has_ended_although_a_child_of_its_own_session_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(hooks, "LIMIT_S", 5.0)
    pid, held = tmp_path / "pid", tmp_path / "held"
    os.mkfifo(held)
    child = f"setsid sh -c 'echo $$ > {pid}; read line < {held}' & exit 0"
    call_hook(shlex.join(["sh", "-c", child]), {"event": "done"})  # raises after the limit
    held.write_text("end\n")  # waits until the child reads, which outlived its command
    assert pid.read_text().strip().isdigit()


@contextmanager
def server(answer):
    """Serve one request with `answer(handler, body)`; yield the server's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        thread.join()


def test_an_address_gets_the_event_as_the_body_of_a_post():
    bodies = []

    def answer(request, body):
        bodies.append(json.loads(body))
        request.send_response(204)
        request.end_headers()

    with server(answer) as address:
        call_hook(f"{address}/hook", {"event": "failed"})
    assert bodies == [{"event": "failed"}]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "https://user:key@chat.example:8443/secret",
            "to https://chat.example:8443, the same path",
        ),
        ("/secret/again", r"to http://127.0.0.1:\d+, another path"),
    ],
)
def test_an_address_that_has_moved_is_a_failure_that_names_the_new_one(status, place, told):
    def answer(request, _body):
        request.send_response(status)
        request.send_header("Location", place)
        request.end_headers()

    with (
        server(answer) as address,
        pytest.raises(OSError, match=rf"has moved \({status}\) {told}") as refused,
    ):
        call_hook(f"{address}/secret", {"event": "failed"})
    assert "secret" not in str(refused.value)
    assert "key" not in str(refused.value)


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (in_python("raise SystemExit('no such room')"), "ended with 1: no such room"),
        (in_python("import time; time.sleep(60)"), "took longer than 0.5 s and was ended"),
        ("no-such-program --loud", "No such file or directory"),
        ("http://127.0.0.1:9/secret", "refused"),
        ("https://chat..example/secret", "label empty or too long"),
        ("http://chat.example/secret-hoök", "can't encode character"),
    ],
)
def test_a_hook_that_fails_is_a_line_and_the_next_is_called(
    journal_script, monkeypatch, hook, message
):
    monkeypatch.setattr(hooks, "LIMIT_S", 0.5)
    lines, called = [], []

    def call(given, event):
        called.append(given)
        if given == hook:
            call_hook(given, event)

    script = journal_script()
    script.trial(0, arm="peclr")
    study, ledger = Study.model_validate(script.records[0]["study"]), Ledger(script.records)
    with Notifier(study, (hook, "other"), tell=lines.append, call=call) as notifier:
        notifier(script.records[-1], ledger)
    assert called == [hook, "other"]
    (line,) = lines
    assert message in line
    assert line.startswith("--notify ")
    assert "secret" not in line


def test_a_slow_hook_holds_nothing_up(journal_script):
    script = journal_script()
    script.trial(0, arm="peclr")
    study, ledger = Study.model_validate(script.records[0]["study"]), Ledger(script.records)
    begun, may_end = threading.Event(), threading.Event()

    def call(_given, _event):
        begun.set()
        may_end.wait(10)

    with Notifier(study, ("slow",), tell=print, call=call) as notifier:
        notifier(script.records[-1], ledger)
        assert begun.wait(10)
        notifier(script.records[-1], ledger)  # returns while the first call still waits
        may_end.set()


def test_the_hooks_are_options_that_stay():
    options = parse_options(["toy", "--notify", "echo done", "--notify", "https://chat.example/x"])
    assert options.notify == ("echo done", "https://chat.example/x")
    assert "--notify 'echo done' --notify https://chat.example/x" in options.again
    assert shown_hook(options.notify[1]) == "https://chat.example"


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("", "give a command"),
        ("say 'x", "quotation"),
        ("http:///x", "no host"),
        ("https://chat..example/hook", "label empty or too long"),
        ("http://chat.example/hoök", "as %XX"),
        ("http://chat.example:room/x", "Port could not be cast"),
        ("http://[chat.example/x", "Invalid IPv6 URL"),
        (" https://chat.example/x", "blank before or after the address"),
        ("https://chat.example/x\n", "blank before or after the address"),
        ("/no/such --loud", "there is no program /no/such"),
        ("no-such-program", "there is no program no-such-program"),
    ],
)
def test_a_hook_that_cannot_be_called_is_refused_at_once(hook, message, capsys):
    with pytest.raises(ValueError, match=message):
        check_hook(hook, runs_here=True)
    with pytest.raises(SystemExit, match="2"):
        parse_options(["toy", "--notify", hook])
    assert message in capsys.readouterr().err


def test_a_command_that_is_to_run_on_a_cluster_need_not_be_here():
    there = ["toy", "--cluster", "c.yaml", "--notify", "/head/only --loud"]
    assert parse_options(there).notify == ("/head/only --loud",)
