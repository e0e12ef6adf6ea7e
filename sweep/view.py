"""`python sweep/view.py`: look at augmentations, and at what two networks do, in a browser."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":  # run as a file: the project is importable, its folder `sweep` is not
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != ROOT / "sweep")]

from sweep.command import exit_code_of  # noqa: E402 - after the path is right
from sweep.folders import RunsDir  # noqa: E402 - the same
from sweep.viewer.options import ViewerOptions, add_folders  # noqa: E402 - the same

APP = ROOT / "sweep" / "viewer" / "app.py"
ADDRESS = "127.0.0.1"
PORT = 8501


def main(arguments: Sequence[str] | None = None) -> int:
    """Become the server of the pages; return an exit code where that was refused."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _serve(options))


def _serve(options: argparse.Namespace) -> None:
    require_library()
    folders = ViewerOptions(RunsDir(options.runs_dir), options.data_dir)
    sys.stdout.write(
        f"pages     http://{ADDRESS}:{options.port} (this machine only); Ctrl-C ends\n"
    )
    sys.stdout.flush()
    os.execv(sys.executable, server_command(folders, port=options.port))


def require_library() -> None:
    """Refuse to start without the library that makes the pages.

    Raises:
        ValueError: If it is not installed.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise ValueError(
            "the pages need Streamlit, which nothing else here does: "
            "pip install -r requirements-view.txt"
        )


def server_command(folders: ViewerOptions, *, port: int) -> list[str]:
    """Return the command line of the server: this machine only, and nothing sent anywhere."""
    settings = {
        "server.address": ADDRESS,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "browser.serverAddress": ADDRESS,
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    server = [sys.executable, "-m", "streamlit", "run", str(APP), *flags]
    return [*server, "--", *folders.as_arguments()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python sweep/view.py", description=__doc__, allow_abbrev=False
    )
    add_folders(parser)
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"default: {PORT}")
    return parser


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"must be between 1 and 65535, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
