"""Deployment settings: all faults at once, each with what a person needs to mend it."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradingsite import deployment
from tradingsite.deployment import DeploymentError
from tradingsite.supervisor import first_start

REQUIRED = [setting.name for setting in deployment.SETTINGS if setting.is_required]
SECRET = "an-example-that-is-long-enough-0123456789-0123456789-abc"  # not-a-secret


def complete(root: Path) -> dict[str, str]:
    """An environment with nothing missing and nothing wrong."""
    for name in ("data", "results"):
        (root / name).mkdir(exist_ok=True)
    return {
        "TRADINGSITE_ENVIRONMENT": "dev",
        "TRADINGSITE_DEPLOYMENT_MODE": "local",
        "TRADINGSITE_DATA_DIR": "data",
        "TRADINGSITE_RESULTS_DIR": "results",
        "TRADINGSITE_DEBUG": "false",
        "TRADINGSITE_LOG_LEVEL": "INFO",
        "TRADINGSITE_STARTUP_MODE": "backtest",
        "TRADINGSITE_DATA_START_DATE": "2024-05-12",
        "TRADINGSITE_DATA_END_DATE": "2025-09-18",
        "DATABASE_URL": "embedded",
        "REDIS_URL": "embedded",
        "SECRET_KEY": SECRET,
        "ALLOWED_HOSTS": "localhost",
        "TRADINGSITE_HOST": "127.0.0.1",
        "TRADINGSITE_PORT": "8001",
        "TRADINGSITE_STATE_DIR": "var",
        "TRADINGSITE_LOG_FORMAT": "auto",
        "TRADINGSITE_LOG_FILE_MB": "20",
        "TRADINGSITE_LOG_FILES": "5",
        "TRADINGSITE_TRUSTED_PROXIES": "127.0.0.1",
        "TRADINGSITE_REPLAY_BARS_PER_SECOND": "4",
    }


def faults_of(environ: dict[str, str], root: Path) -> dict[str, str]:
    """Setting -> code of its fault."""
    with pytest.raises(DeploymentError) as caught:
        deployment.load(environ, root=root)
    return {fault.pointer: fault.code for fault in caught.value.faults}


def test_load__everything_set__gives_values_and_origins(tmp_path: Path) -> None:
    settings = deployment.load(complete(tmp_path), root=tmp_path)
    assert settings["TRADINGSITE_PORT"] == "8001"
    assert settings.path("TRADINGSITE_DATA_DIR") == tmp_path / "data"
    assert settings.origins["SECRET_KEY"] == "environment"


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_load__one_required_setting_missing_or_empty__names_it(name: str, empty: str | None, tmp_path: Path) -> None:
    environ = complete(tmp_path)
    if empty is None:
        del environ[name]
    else:
        environ[name] = empty
    # Without STARTUP_MODE nobody knows whether the dates are needed; they are here anyway.
    if name.startswith("TRADINGSITE_DATA_") and name.endswith("DATE"):
        environ["TRADINGSITE_STARTUP_MODE"] = "backtest"
    assert faults_of(environ, tmp_path) == {name: "CONFIG-MGR-002"}


def test_load__nothing_set__names_every_required_setting_at_once(tmp_path: Path) -> None:
    expected = {setting.name for setting in deployment.SETTINGS if setting.is_required and setting.only_if is None}
    assert faults_of({}, tmp_path) == dict.fromkeys(expected, "CONFIG-MGR-002")


def test_load__backtest_mode_without_dates__needs_both(tmp_path: Path) -> None:
    environ = complete(tmp_path)
    del environ["TRADINGSITE_DATA_START_DATE"], environ["TRADINGSITE_DATA_END_DATE"]
    expected = {"TRADINGSITE_DATA_START_DATE": "CONFIG-MGR-002", "TRADINGSITE_DATA_END_DATE": "CONFIG-MGR-002"}
    assert faults_of(environ, tmp_path) == expected
    environ["TRADINGSITE_STARTUP_MODE"] = "live"
    deployment.load(environ, root=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRADINGSITE_ENVIRONMENT", "prod"),
        ("TRADINGSITE_DEPLOYMENT_MODE", "cloud"),
        ("TRADINGSITE_DEBUG", "yes"),
        ("TRADINGSITE_LOG_LEVEL", "info"),
        ("TRADINGSITE_STARTUP_MODE", "paper"),
        ("TRADINGSITE_DATA_START_DATE", "2024-02-30"),
        ("TRADINGSITE_DATA_START_DATE", "20240512"),
        ("TRADINGSITE_DATA_END_DATE", "2024-05-12"),  # not after the start
        ("TRADINGSITE_PORT", "0"),
        ("TRADINGSITE_PORT", "65536"),
        ("TRADINGSITE_PORT", "eight"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("DATABASE_URL", "postgres://"),
        ("REDIS_URL", "localhost:6379"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "django-insecure-" + SECRET),
        ("SECRET_KEY", "a" * 60),
        ("ALLOWED_HOSTS", "https://example.com"),
        ("CSRF_TRUSTED_ORIGINS", "example.com"),
        ("ALPACA_LIVE", "true"),
        ("TRADINGSITE_HOST", "not a host"),
        ("TRADINGSITE_LOG_FILE_MB", "-1"),
        ("CONFIG_REQUIRE_REASON", "never"),
        ("TRADINGSITE_REPLAY_BARS_PER_SECOND", "0.05"),
        ("TRADINGSITE_REPLAY_BARS_PER_SECOND", "1000.5"),
        ("TRADINGSITE_REPLAY_BARS_PER_SECOND", "0.1234"),
        ("TRADINGSITE_REPLAY_BARS_PER_SECOND", "nan"),
    ],
)
def test_load__a_value_outside_what_is_allowed__is_invalid(name: str, value: str, tmp_path: Path) -> None:
    assert faults_of(complete(tmp_path) | {name: value}, tmp_path) == {name: "CONFIG-MGR-005"}


def test_load__directory_missing_or_a_file__says_which(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environ = complete(tmp_path) | {"TRADINGSITE_DATA_DIR": "nowhere", "TRADINGSITE_RESULTS_DIR": "file"}
    expected = {"TRADINGSITE_DATA_DIR": "CONFIG-MGR-003", "TRADINGSITE_RESULTS_DIR": "CONFIG-MGR-005"}
    assert faults_of(environ, tmp_path) == expected


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def faults_for_a_stranger(environ: dict[str, str], root: Path) -> dict[str, str]:
    """The same, asked by somebody who is not root: root may do everything, so it becomes nobody meanwhile."""
    if os.geteuid() != 0:
        return faults_of(environ, root)
    nobody = 65534
    os.setresuid(nobody, nobody, 0)
    try:
        return faults_of(environ, root)
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize(("name", "mode"), [("data", 0o000), ("results", 0o555)])
def test_load__directory_this_user_may_not_use__is_invalid(name: str, mode: int, public: Path) -> None:
    # Given: data that cannot be read, or results that can be read but not written
    environ = complete(public)
    for folder in ("data", "results"):
        (public / folder).chmod(mode if folder == name else 0o777)
    # When / Then
    assert faults_for_a_stranger(environ, public) == {f"TRADINGSITE_{name.upper()}_DIR": "CONFIG-MGR-005"}


def test_load__directory_below_a_closed_one__is_a_fault_and_no_traceback(public: Path) -> None:
    # Given: data in a home that others may not enter
    environ = complete(public) | {"TRADINGSITE_DATA_DIR": "home/data"}
    (public / "results").chmod(0o777)
    (public / "home" / "data").mkdir(parents=True)
    (public / "home").chmod(0o000)
    # When / Then
    assert faults_for_a_stranger(environ, public) == {"TRADINGSITE_DATA_DIR": "CONFIG-MGR-003"}
    (public / "home").chmod(0o700)


def test_load__file_of_settings_this_user_may_not_read__is_a_fault_that_names_it(public: Path) -> None:
    environ = complete(public)
    (public / "results").chmod(0o777)
    (public / ".env.local").write_text("TRADINGSITE_PORT=2\n")
    (public / ".env.local").chmod(0o000)
    assert faults_for_a_stranger(environ, public) == {".env.local": "CONFIG-MGR-003"}


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_load__debug_or_any_host_in_production__is_refused(environment: str, tmp_path: Path) -> None:
    environ = complete(tmp_path) | {
        "TRADINGSITE_ENVIRONMENT": environment,
        "TRADINGSITE_DEBUG": "true",
        "ALLOWED_HOSTS": "*",
    }
    assert set(faults_of(environ, tmp_path)) == {"TRADINGSITE_DEBUG", "ALLOWED_HOSTS"}


def test_load__files_and_environment__the_later_wins(tmp_path: Path) -> None:
    environ = complete(tmp_path)
    for name in ("TRADINGSITE_PORT", "TRADINGSITE_HOST", "TRADINGSITE_LOG_LEVEL", "TRADINGSITE_LOG_FILES"):
        del environ[name]
    environ |= {"TRADINGSITE_DEPLOYMENT_MODE": "docker", "TRADINGSITE_LOG_LEVEL": "ERROR"}
    (tmp_path / ".env.base").write_text(
        "TRADINGSITE_PORT=1\nTRADINGSITE_HOST=base\nTRADINGSITE_LOG_LEVEL=DEBUG\nTRADINGSITE_LOG_FILES=1\n"
    )
    (tmp_path / ".env.local").write_text('# mine\nexport TRADINGSITE_PORT="2"\nTRADINGSITE_HOST=local\n')
    (tmp_path / ".env.docker").write_text("TRADINGSITE_PORT=3\n")
    (tmp_path / ".env.production").write_text("TRADINGSITE_PORT=4\n")  # of another mode: not read
    settings = deployment.load(environ, root=tmp_path)
    shown = {name: (settings[name], settings.origins[name]) for name in ("TRADINGSITE_PORT", "TRADINGSITE_HOST")}
    assert shown == {"TRADINGSITE_PORT": ("3", ".env.docker"), "TRADINGSITE_HOST": ("local", ".env.local")}
    assert settings["TRADINGSITE_LOG_LEVEL"] == "ERROR"
    assert settings.origins["TRADINGSITE_LOG_FILES"] == ".env.base"


def test_load__empty_in_a_later_place__does_not_hide_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text("TRADINGSITE_PORT=2\n")
    environ = complete(tmp_path) | {"TRADINGSITE_PORT": ""}  # as `docker run -e NAME=` leaves it
    assert deployment.load(environ, root=tmp_path)["TRADINGSITE_PORT"] == "2"


def test_load__mode_named_in_a_file__reads_that_modes_file(tmp_path: Path) -> None:
    environ = complete(tmp_path)
    del environ["TRADINGSITE_DEPLOYMENT_MODE"], environ["TRADINGSITE_PORT"]
    (tmp_path / ".env.local").write_text("TRADINGSITE_DEPLOYMENT_MODE=production\n")
    (tmp_path / ".env.production").write_text("TRADINGSITE_PORT=4\n")
    assert deployment.load(environ, root=tmp_path)["TRADINGSITE_PORT"] == "4"


def test_load__a_line_that_is_no_setting__is_a_fault_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text("SECRET_KEY: hunter2hunter2\n")
    with pytest.raises(DeploymentError) as caught:
        deployment.load(complete(tmp_path), root=tmp_path)
    assert [(fault.code, fault.pointer) for fault in caught.value.faults] == [("CONFIG-MGR-004", ".env.local:1")]
    assert "hunter2" not in caught.value.message


def test_report__of_a_missing_setting__says_all_a_person_needs(tmp_path: Path) -> None:
    environ = complete(tmp_path) | {"TRADINGSITE_LOG_LEVEL": "LOUD", "SECRET_KEY": "my-very-secret-word"}
    del environ["TRADINGSITE_DEBUG"]
    with pytest.raises(DeploymentError) as caught:
        deployment.load(environ, root=tmp_path)
    report = str(caught.value)
    assert "CONFIG-001 The platform cannot start: 3 deployment settings are missing or wrong." in report
    assert "CONFIG-MGR-002  TRADINGSITE_DEBUG is not set" in report
    assert "expected  true or false" in report
    assert "action    add TRADINGSITE_DEBUG=false to .env.local, or export it" in report
    assert "there     'LOUD', from environment" in report
    assert f"searched  {tmp_path / '.env.base'} (not there)" in report
    assert "docs/environment.md#tradingsite_debug" in report
    assert "TRADINGSITE_STATE_DIR" in report.rpartition("there     ")[2]  # the names that are there
    assert "my-very-secret" not in report


def test_passed_through__unknown_names_of_ours__are_kept_and_masked(tmp_path: Path) -> None:
    extra = {"TRADINGSITE_COLOUR": "blue", "TRADINGSITE_X_TOKEN": "abcdefghijkl9876", "OTHER_NAME": "x"}
    settings = deployment.load(complete(tmp_path) | extra, root=tmp_path)
    assert deployment.passed_through(settings) == {
        "TRADINGSITE_COLOUR": "blue",
        "TRADINGSITE_X_TOKEN": "****9876",
    }


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("SECRET_KEY", "abcdefghijklmnop", "****mnop"),
        ("ALPACA_API_KEY", "short", "****"),  # the last four of so few would tell too much
        ("DATABASE_URL", "postgres://me:hidden@db:5432/x", "postgres://me:****@db:5432/x"),  # not-a-secret
        ("TRADINGSITE_PORT", "8001", "8001"),
    ],
)
def test_masked__secrets__show_their_last_four_characters(name: str, value: str, shown: str) -> None:
    assert deployment.masked(name, value) == shown


def test_urls__embedded__point_at_sockets_in_the_state_directory(tmp_path: Path) -> None:
    settings = deployment.load(complete(tmp_path), root=tmp_path)
    folder = deployment.socket_folder(settings.state)
    assert settings.database_url == f"postgres://postgres:@/tradingsite?host={folder}"
    assert settings.redis_url == f"unix://{folder}/valkey.sock?db=0"
    assert settings.broker_url == f"redis+socket://{folder}/valkey.sock?virtual_host=0"


def test_urls__of_ones_own__are_left_as_they_are(tmp_path: Path) -> None:
    environ = complete(tmp_path) | {"DATABASE_URL": "postgres://db/x", "REDIS_URL": "redis://q:6379/1"}
    settings = deployment.load(environ, root=tmp_path)
    assert (settings.database_url, settings.broker_url) == ("postgres://db/x", "redis://q:6379/1")


def test_socket_folder__deep_state_directory__is_short_private_and_stable(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    folder = deployment.socket_folder(deep)
    # 107 bytes is what a Unix socket's path may have; the longest of ours is ".s.PGSQL.5432.lock".
    assert len(os.fsencode(folder / ".s.PGSQL.5432.lock")) <= 107
    assert folder == deployment.socket_folder(deep) != deployment.socket_folder(tmp_path / ("e" * 100))


def test_first_start__no_settings_yet__writes_them_all_for_the_owner_only(tmp_path: Path) -> None:
    path = first_start.write_settings(tmp_path, state="var", root=tmp_path)
    assert path == tmp_path / ".env.local"
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / ".env.base").write_bytes((deployment.ROOT / ".env.base").read_bytes())
    settings = deployment.load({}, root=tmp_path)
    written = path.read_text()
    missing = [name for name in REQUIRED if f"{name}=" not in written and settings.origins[name] != ".env.base"]
    assert missing == []
    assert len(settings["SECRET_KEY"]) >= 50


def test_first_start__settings_are_there__leaves_them_alone(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text("SECRET_KEY=mine\n")
    assert first_start.write_settings(tmp_path, state="var", root=tmp_path) is None
    assert (tmp_path / ".env.local").read_text() == "SECRET_KEY=mine\n"


def test_first_start__in_docker__writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADINGSITE_DEPLOYMENT_MODE", "docker")
    assert first_start.write_settings(tmp_path, state="var", root=tmp_path) is None
    assert list(tmp_path.iterdir()) == []


# Read by platform.sh before there are settings, or to find them.
OF_PLATFORM_SH = {"PLATFORM_PYTHON", "TRADINGSITE_ENV_DIR"}


def sections_of_the_page() -> dict[str, str]:
    """Setting -> what docs/environment.md says under its heading."""
    page = (deployment.ROOT / deployment.PAGE).read_text(encoding="utf-8")
    _, *rest = re.split(r"^### (?=[A-Z_]+$)", page, flags=re.MULTILINE)
    return {name: text for name, _, text in (section.partition("\n") for section in rest)}


def test_page__its_headings__are_exactly_the_settings() -> None:
    # A heading is also the address that a fault's "see" line names.
    assert sections_of_the_page().keys() - OF_PLATFORM_SH == {setting.name for setting in deployment.SETTINGS}


@pytest.mark.parametrize("setting", deployment.SETTINGS, ids=lambda setting: setting.name)
def test_page__each_setting__says_what_the_code_says(setting: deployment.Setting) -> None:
    text = sections_of_the_page()[setting.name]
    assert setting.about in text
    assert f"- Expected: {setting.expected}\n" in text
    assert ("- Required" in text) == setting.is_required


def test_example_file__its_names__are_exactly_the_settings_once_each() -> None:
    text = (deployment.ROOT / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", text, re.MULTILINE)
    assert sorted(names) == sorted({setting.name for setting in deployment.SETTINGS} | OF_PLATFORM_SH)


def test_example_file__completed_and_used__is_a_sound_set_of_settings(tmp_path: Path) -> None:
    # Given: the file as it is, with the one value a person must make up, and the two directories
    example = (deployment.ROOT / ".env.example").read_text(encoding="utf-8")
    (tmp_path / ".env.local").write_text(example.replace("SECRET_KEY=\n", f"SECRET_KEY={SECRET}\n"))
    for name in ("data", "results"):
        (tmp_path / "var" / name).mkdir(parents=True)
    # When / Then
    assert deployment.load({}, root=tmp_path)["DATABASE_URL"] == "embedded"


@pytest.mark.slow
@pytest.mark.parametrize(("given", "in_force"), [("always", "always"), ("", "risky")])
def test_require_reason__of_the_environment__reaches_the_service(given: str, in_force: str) -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tradingsite.settings.dev", "CONFIG_REQUIRE_REASON": given}
    code = "from django.conf import settings; print(settings.CONFIG_REQUIRE_REASON)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=deployment.ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [in_force]
