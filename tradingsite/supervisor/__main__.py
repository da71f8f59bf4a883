"""The commands behind ./platform.sh that concern running processes."""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine.domain.errors import SetupError
from tradingsite import deployment
from tradingsite.deployment import Deployment
from tradingsite.supervisor import console, control, first_start, platform

_NOT_RUNNING = 3
_STOP_SECONDS = 40.0
_START_SECONDS = 120.0


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except deployment.DeploymentError as error:
        return _complain(error.message)
    except SetupError as error:
        return _complain(f"{error.specific_code} {error.message}")
    except control.AlreadyRunning as running:
        return _complain(
            f"This platform is running already (process {running}). ./platform.sh status shows it, "
            "./platform.sh worker QUEUE adds a worker to it, ./platform.sh stop ends it."
        )
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="platform.sh", description=__doc__)
    commands = parser.add_subparsers(required=True)

    start = commands.add_parser("start", help="start everything and stay; Ctrl-C stops it")
    start.add_argument("mode", nargs="?", choices=("backtest", "live"), help="backtest: without bots and streams")
    start.add_argument("-d", "--detach", action="store_true", help="return when it is ready, leave it running")
    start.add_argument("--in-background", action="store_true", help=argparse.SUPPRESS)
    start.set_defaults(run=_start)

    commands.add_parser("stop", help="stop everything").set_defaults(run=_stop)
    commands.add_parser("status", help="what runs").set_defaults(run=_status)

    logs = commands.add_parser("logs", help="the last lines of the log")
    logs.add_argument("name", nargs="?", default="", help="of one process only")
    logs.add_argument("-f", "--follow", action="store_true")
    logs.add_argument("-n", "--lines", type=int, default=200)
    logs.set_defaults(run=_logs)

    worker = commands.add_parser("worker", help="add a worker to the running platform")
    worker.add_argument("queue")
    worker.set_defaults(run=_worker)

    commands.add_parser("settings", help="every setting, its value and where it came from").set_defaults(run=_settings)

    servers = commands.add_parser("servers", help="run a command with only the servers of this installation up")
    servers.add_argument("command", nargs=argparse.REMAINDER)
    servers.set_defaults(run=_servers)

    run = commands.add_parser("run", help="run a command against servers of its own, in var/test")
    run.add_argument("command", nargs=argparse.REMAINDER)
    run.set_defaults(run=_run)
    return parser


def _start(options: argparse.Namespace) -> int:
    if options.mode:
        os.environ["TRADINGSITE_STARTUP_MODE"] = options.mode
    folder = Path(os.environ.get("TRADINGSITE_ENV_DIR") or deployment.ROOT)
    written = first_start.write_settings(folder, state=os.environ.get("TRADINGSITE_STATE_DIR") or "var")
    if written:
        _tell(f"wrote {written} (mode 600): every setting of this installation")
    settings = deployment.load()
    if options.detach:
        return _start_detached(settings, options)
    with platform.acquire(settings.state):
        return platform.Platform(settings, is_quiet=options.in_background).run()


def _start_detached(settings: Deployment, options: argparse.Namespace) -> int:
    control.lock(settings.state / "platform.lock").close()  # a second start is refused here and now
    command = [sys.executable, "-m", "tradingsite.supervisor", "start", "--in-background"]
    process = subprocess.Popen(  # noqa: S603  ourselves
        [*command, *([options.mode] if options.mode else [])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return _wait_for_detached(settings, process)


def _wait_for_detached(settings: Deployment, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        status = _ask(settings, {"do": "status"}) or {}
        if status.get("has_once"):
            # At once, not when all is ready: a password made by a start that then fails is still needed.
            _tell(*(_ask(settings, {"do": "once"}) or {}).get("lines", []))
        if status.get("is_ready"):
            _tell(*status["summary"])
            return 0
        time.sleep(0.1)
    console.follow(platform.log_path(settings), lines=30)
    return 1


def _stop(_options: argparse.Namespace) -> int:
    settings = deployment.load()
    answer = _ask(settings, {"do": "stop"})
    if answer is None:
        return _not_running()
    if not control.wait_for_end(answer["pid"], timeout=_STOP_SECONDS) or not control.wait_for_lock(
        settings.state / "platform.lock", timeout=_STOP_SECONDS
    ):
        return _complain(f"The platform has not ended after {_STOP_SECONDS:.0f} s; see ./platform.sh logs.")
    _tell("stopped")
    return 0


def _status(_options: argparse.Namespace) -> int:
    settings = deployment.load()
    status = _ask(settings, {"do": "status"})
    if status is None:
        return _not_running()
    _tell(f"{'ready' if status['is_ready'] else 'starting'}, supervisor {status['pid']}")
    _tell(f"{'NAME':<20} {'PID':>8}  {'STATE':<19} {'RESTARTS':>8}  AGE")
    for row in status["processes"]:
        age = _age(row["age_seconds"])
        _tell(f"{row['name']:<20} {row['pid'] or '-':>8}  {row['state']:<19} {row['restarts']:>8}  {age}")
    _tell(*status["summary"][1:])
    return 0


def _logs(options: argparse.Namespace) -> int:
    path = platform.log_path(deployment.load())
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        console.follow(path, name=options.name, lines=options.lines, is_endless=options.follow)
    return 0


def _worker(options: argparse.Namespace) -> int:
    answer = _ask(deployment.load(), {"do": "worker", "queue": options.queue})
    if answer is None:
        return _not_running()
    if "error" in answer:
        return _complain(answer["error"])
    _tell(f"started {answer['name']}; it ends with the platform")
    return 0


def _settings(_options: argparse.Namespace) -> int:
    settings = deployment.load()
    for setting in deployment.SETTINGS:
        value = settings.get(setting.name)
        shown = deployment.masked(setting.name, value) if value else "(not set)"
        _tell(f"{setting.name:<30} {shown:<44} {settings.origins.get(setting.name, '')}")
    for name, shown in deployment.passed_through(settings).items():
        _tell(f"{name:<30} {shown:<44} {settings.origins[name]} (passed through)")
    return 0


def _servers(options: argparse.Namespace) -> int:
    settings = deployment.load()
    with platform.acquire(settings.state):
        return platform.Platform(settings, is_quiet=True).run_command(_words(options))


def _words(options: argparse.Namespace) -> list[str]:
    words: list[str] = options.command
    return words[1:] if words[:1] == ["--"] else words


def _run(options: argparse.Namespace) -> int:
    state = deployment.ROOT / "var" / "test"
    # Nothing of the operator's own environment may reach tests: no keys, no database, no other mode.
    for name in [name for name in os.environ if deployment.is_setting(name)]:
        del os.environ[name]
    os.environ.update(
        {"TRADINGSITE_ENV_DIR": str(state), "TRADINGSITE_STATE_DIR": "var/test", "TRADINGSITE_DEPLOYMENT_MODE": "local"}
    )
    os.environ["DJANGO_SETTINGS_MODULE"] = "tradingsite.settings.test"
    first_start.write_settings(state, state="var/test")
    settings = deployment.load()
    with platform.acquire(settings.state):
        return platform.Platform(settings, is_quiet=True, is_throwaway=True).run_command(_words(options))


def _ask(settings: Deployment, request: dict[str, Any]) -> dict[str, Any] | None:
    return control.ask(deployment.socket_folder(settings.state) / "control.sock", request)


def _age(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _not_running() -> int:
    _tell("not running")
    return _NOT_RUNNING


def _tell(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201  a command's answer


def _complain(text: str) -> int:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  a command's answer
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
