"""The supervisor: order, restarts, one at a time, and nothing left behind. Real processes, small ones."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tradingsite import deployment
from tradingsite.supervisor import console, control, keeper, leftovers, platform, servers
from tradingsite.supervisor.child import Spec
from tradingsite.supervisor.console import Console
from tradingsite.supervisor.loop import Loop, ProcessFailed, StopRequested

ROOT = deployment.ROOT


def wait_for(condition: Callable[[], bool], *, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        with contextlib.suppress(FileNotFoundError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return True
    return False


def spec(name: str, code: str, **more: object) -> Spec:
    return Spec(name, [sys.executable, "-c", code], dict(os.environ), ROOT, **more)  # type: ignore[arg-type]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path / "log" / "platform.log", megabytes=1, files=2, is_quiet=True)
    yield made
    made.close()


@pytest.fixture
def loop(screen: Console, tmp_path: Path) -> Iterator[Loop]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = Loop(screen, lambda request: {"heard": request}, notes=tmp_path / "processes.json")
    yield made
    made.stop_reason = "the end of the test"
    made.stop(list(made.children))
    made.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def turn(loop: Loop, condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    loop.wait_until(condition, timeout=seconds, name="test")


def test_child__its_lines__reach_the_log_with_its_name(loop: Loop, screen: Console) -> None:
    loop.run_to_end(spec("greeter", "print('hello'); print('no newline', end='')", is_one_shot=True), timeout=10)
    lines = [line.split(" ", 1)[1] for line in screen.path.read_text().splitlines()]
    assert lines == ["greeter          | hello", "greeter          | no newline"]
    assert screen.path.stat().st_mode & 0o777 == 0o600


def test_child__dies_while_the_platform_runs__comes_back_after_growing_pauses(loop: Loop) -> None:
    loop.is_ready = True
    child = loop.start(spec("flaky", "raise SystemExit(3)"))
    turn(loop, lambda: child.restarts >= 2)
    # 0.5 s, then 1 s, then 2 s ...: the third pause is being waited for or over.
    assert child.plan_restart() == 2.0
    assert child.plan_restart() == 4.0
    assert [child.plan_restart() for _ in range(5)][-1] == 30.0


def test_child__was_well_for_a_while_between_its_deaths__comes_back_after_the_shortest_pause(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.is_ready = True
    child = loop.start(spec("flaky", "raise SystemExit(3)"))
    turn(loop, lambda: child.restarts >= 2)
    now = time.monotonic()
    monkeypatch.setattr("tradingsite.supervisor.child.time.monotonic", lambda: now + 11.0)
    assert child.plan_restart() == 0.5


def test_child__keeps_dying_before_the_platform_is_ready__ends_the_start(loop: Loop) -> None:
    loop.start(spec("broken", "raise SystemExit(3)"))
    with pytest.raises(ProcessFailed, match="broken ended with exit code 3"):
        turn(loop, lambda: False, seconds=30)


def test_step__that_fails__is_named_with_its_exit_code(loop: Loop) -> None:
    with pytest.raises(ProcessFailed, match="migrate ended with exit code 7"):
        loop.run_to_end(spec("migrate", "raise SystemExit(7)", is_one_shot=True), timeout=10)


def test_stop__a_process_that_will_not_end__is_killed_after_its_grace(loop: Loop) -> None:
    stubborn = (
        "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    child = loop.start(spec("stubborn", stubborn, grace_seconds=0.5))
    turn(loop, lambda: loop.console.recent("stubborn") == ["up"])
    started = time.monotonic()
    loop.stop(["stubborn"])
    assert child.exit_code == -signal.SIGKILL
    assert 0.4 < time.monotonic() - started < 5


def test_stop__a_process_with_children_of_its_own__takes_them_along(loop: Loop) -> None:
    code = "import subprocess,time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    loop.start(spec("pool", code))
    turn(loop, lambda: bool(loop.console.recent("pool")))
    grandchild = int(loop.console.recent("pool")[0])
    loop.stop(["pool"])
    assert wait_for(lambda: not is_running(grandchild))


def test_wait__somebody_asks_to_stop__ends_at_once(loop: Loop) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(StopRequested):
        turn(loop, lambda: False)


def test_control__a_question_from_another_process__is_answered(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    loop.listen(path)
    asking = (
        "import sys; from pathlib import Path; from tradingsite.supervisor import control\n"
        "print(control.ask(Path(sys.argv[1]), {'do': 'x'}))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", asking, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as other:
        turn(loop, lambda: other.poll() is not None)
        assert other.stdout is not None
        assert other.stdout.read().strip() == "{'heard': {'do': 'x'}}"
    assert path.stat().st_mode & 0o777 == 0o600


def test_control__nonsense_or_silence__does_not_stop_the_platform(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    loop.listen(path)
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(path))
        rude.sendall(b"\xff not json\n")
        answers: list[bytes | None] = []
        turn(loop, lambda: answers.append(_answer_of(rude)) or answers[-1] is not None)
    # Told that it was nonsense, or hung up on; either way the loop came back to say so.
    assert answers[-1] is not None
    assert b"Traceback" not in answers[-1]


def _answer_of(connection: socket.socket) -> bytes | None:
    connection.settimeout(0.05)
    with contextlib.suppress(TimeoutError):
        return connection.recv(100)
    return None


def test_lock__second_supervisor__is_refused_with_the_firsts_pid(tmp_path: Path) -> None:
    first = control.lock(tmp_path / "platform.lock")
    with pytest.raises(control.AlreadyRunning, match=str(os.getpid())):
        control.lock(tmp_path / "platform.lock")
    first.close()
    control.lock(tmp_path / "platform.lock").close()


# A supervisor with a database-like process (own signal), a pool with a grandchild, and one that ignores signals.
DOOMED = """
import os, sys, signal, time
from pathlib import Path
from tradingsite.supervisor.console import Console
from tradingsite.supervisor.loop import Loop
from tradingsite.supervisor.child import Spec
folder = Path(sys.argv[1])
loop = Loop(Console(folder / "log", megabytes=1, files=1, is_quiet=True), lambda r: {}, notes=folder / "notes")
def run(name, code, **more):
    code = "import os,signal,subprocess,time\\n" + code
    loop.start(Spec(name, [sys.executable, "-c", code], dict(os.environ), folder, **more))
tell = "print(os.getpid(), flush=True)\\n"
run("server", tell + "time.sleep(600)", stop_signal=signal.SIGINT)
run("pool", tell + "print(subprocess.Popen(['sleep', '600']).pid, flush=True)\\ntime.sleep(600)")
run("deaf", "[signal.signal(n, signal.SIG_IGN) for n in (2, 15)]\\n" + tell + "time.sleep(600)")
loop.wait_until(lambda: len(sum(map(loop.console.recent, ("server", "pool", "deaf")), [])) == 4, timeout=20, name="x")
pids = [int(line) for name in ("server", "pool", "deaf") for line in loop.console.recent(name)]
print(*pids, loop._keeper.pid, flush=True)
loop.serve()
"""


def start_doomed(folder: Path) -> tuple["subprocess.Popen[str]", list[int]]:
    process = subprocess.Popen([sys.executable, "-c", DOOMED, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, [int(word) for word in process.stdout.readline().split()]


@pytest.mark.slow
def test_supervisor__killed_with_signal_9__leaves_no_process(tmp_path: Path) -> None:
    supervisor, pids = start_doomed(tmp_path)
    assert len(pids) == 5  # server, pool, its grandchild, deaf, keeper
    assert all(is_running(pid) for pid in pids)
    supervisor.kill()
    supervisor.communicate()
    assert wait_for(lambda: not any(is_running(pid) for pid in pids), seconds=10)


@pytest.mark.slow
def test_supervisor__killed_together_with_its_keeper__next_start_clears_up(tmp_path: Path) -> None:
    supervisor, pids = start_doomed(tmp_path)
    os.kill(pids[-1], signal.SIGKILL)
    supervisor.kill()
    supervisor.communicate()
    leftovers.clear(tmp_path / "notes")
    assert wait_for(lambda: not any(is_running(pid) for pid in pids), seconds=5)
    assert not (tmp_path / "notes").exists()


def test_leftovers__a_number_used_again_by_somebody_else__is_not_touched(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "30"], start_new_session=True)
    (tmp_path / "notes").write_text(json.dumps({str(stranger.pid): [15, "a program of ours"]}))
    assert leftovers.clear(tmp_path / "notes") == []
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_keeper__told_that_a_process_ended__leaves_its_number_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "30"], start_new_session=True)
    words = f"+{stranger.pid} 15\n-{stranger.pid}\n"
    subprocess.run([sys.executable, "-I", "-S", keeper.__file__], input=words, text=True, check=True, timeout=10)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_log__grown_past_its_size__is_rotated_and_the_oldest_dropped(tmp_path: Path) -> None:
    made = Console(tmp_path / "log", megabytes=1, files=2, is_quiet=True)
    for _ in range(45):
        made.line("web", "x" * 100_000)  # 4.5 MB into files of 1 MB, of which two old ones are kept
    made.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]


def test_logs__of_one_process__shows_its_last_lines_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Console(tmp_path / "log", megabytes=1, files=2, is_quiet=True)
    for number in range(5):
        made.line("web", f"line {number}")
        made.line("beat", "tick")
    made.close()
    console.follow(made.path, name="web", lines=2)
    assert [line.rpartition("| ")[2] for line in capsys.readouterr().out.splitlines()] == ["line 3", "line 4"]


def test_procfile__every_process__is_a_module_of_ours() -> None:
    commands = platform.procfile(ROOT / "Procfile")
    assert list(commands) == ["web", "worker-bots", "worker-backtests", "stream", "beat"]
    for command in commands.values():
        assert command[:2] == ["python", "-m"]
        assert (ROOT / (command[2].replace(".", "/") + ".py")).is_file()


def test_private_folder__of_somebody_else__is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(deployment.SetupError, match="belongs to somebody else"):
        platform.private_folder(tmp_path / "link")
    assert platform.private_folder(tmp_path / "mine").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_servers__started_for_real__answer_survive_a_kill_and_keep_data(loop: Loop, tmp_path: Path) -> None:
    # Given: the PostgreSQL and the Valkey of the pip packages, in a fresh directory
    sockets = platform.private_folder(deployment.socket_folder(tmp_path))
    postgres = servers.postgres(tmp_path, sockets, is_throwaway=True)
    valkey = servers.valkey(tmp_path, sockets)
    postgres.prepare(os.environ)
    assert not postgres.is_ready()
    loop.is_ready = True
    database = loop.start(postgres.spec(dict(os.environ), tmp_path))
    queue = loop.start(valkey.spec(dict(os.environ), tmp_path))
    turn(loop, postgres.is_ready, seconds=30)
    turn(loop, valkey.is_ready, seconds=30)
    import psycopg

    with psycopg.connect(f"host={sockets} user=postgres dbname={servers.DATABASE}") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        collation = connection.execute("SELECT datlocprovider FROM pg_database WHERE datname = current_database()")
        assert collation.fetchone() == ("b",)  # builtin: the same order on every system

    # When: both are killed
    for child in (database, queue):
        assert child.pid is not None
        os.killpg(child.pid, signal.SIGKILL)
    turn(loop, lambda: database.restarts == 1 and queue.restarts == 1)

    # Then: both come back by themselves, and nothing committed is lost
    turn(loop, postgres.is_ready, seconds=30)
    turn(loop, valkey.is_ready, seconds=30)
    connection = psycopg.connect(f"host={sockets} user=postgres dbname={servers.DATABASE}")
    assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)

    # And a stop does not wait for a client that stays connected
    started = time.monotonic()
    loop.stop(["valkey"])
    loop.stop(["postgres"])
    assert time.monotonic() - started < 5
    assert database.exit_code == 0
    connection.close()


def test_postgres__data_of_another_major_version__is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(servers.ServiceFailed, match="written by PostgreSQL 15"):
        servers.postgres(tmp_path, tmp_path).prepare(os.environ)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another identity")
def test_postgres__root_without_user_namespaces__runs_as_nobody_or_says_why(tmp_path: Path) -> None:
    programs = Path(servers.postgres(tmp_path, tmp_path).programs)
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(servers.ServiceFailed, match="ordinary user"):
        servers.identity_for(programs, tmp_path / "closed", may_use_namespaces=False)


def test_port__used_by_another_program__is_named_with_its_setting(tmp_path: Path) -> None:
    from tests.platform.test_deployment import complete

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = deployment.load(complete(tmp_path) | {"TRADINGSITE_PORT": str(port)}, root=tmp_path)
        with pytest.raises(platform.PortInUse, match=f"127.0.0.1 port {port}.*TRADINGSITE_PORT") as caught:
            platform.check_port(settings)
    assert caught.value.specific_code == "PLATFORM-004"
    platform.check_port(settings)


def test_summary__ready__tells_address_database_queue_and_broker(tmp_path: Path) -> None:
    from tests.platform.test_deployment import complete

    environ = complete(tmp_path)
    environ["DATABASE_URL"] = "postgres://me:hidden@db/x"  # not-a-secret
    environ["TRADINGSITE_HOST"] = "0.0.0.0"
    text = "\n".join(platform.summary(deployment.load(environ, root=tmp_path), 3.21))
    assert "ready in 3.2 s" in text
    assert "http://127.0.0.1:8001/login" in text
    assert "postgres://me:****@db/x" in text
    assert f"our own Valkey in {tmp_path / 'var' / 'valkey'}" in text
    assert "broker    simulated" in text
    assert "hidden" not in text
    assert "feed" not in text  # in backtest mode nothing is fed to bots


def test_summary__in_live_mode__tells_the_pace_of_the_feed(tmp_path: Path) -> None:
    from tests.platform.test_deployment import complete

    environ = complete(tmp_path) | {
        "TRADINGSITE_STARTUP_MODE": "live",
        "TRADINGSITE_REPLAY_BARS_PER_SECOND": "0.5",
    }
    lines = platform.summary(deployment.load(environ, root=tmp_path), 1.0)
    assert "  feed      replay of stored bars at 0.5 bars a second" in lines
