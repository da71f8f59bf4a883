"""The deployment settings: read from the environment and its files, judged together, or refused.

No setting has a default in code. ``.env.base`` (committed), ``.env.local``, then ``.env.docker`` or
``.env.production`` by deployment mode, then the real environment: the later one wins. An empty value
counts as missing. Every fault is found before anything starts, and all are told in one message.

Standard library only: the supervisor reads its settings here before Django exists.
"""

import hashlib
import ipaddress
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from engine.domain.errors import Fault, SetupError

ROOT = Path(__file__).resolve().parent.parent
PAGE = "docs/environment.md"
EMBEDDED = "embedded"

NOT_SET = "CONFIG-MGR-002"
FILE_NOT_FOUND = "CONFIG-MGR-003"
NOT_READABLE = "CONFIG-MGR-004"
NOT_VALID = "CONFIG-MGR-005"

# A Unix socket's path is limited to about 107 bytes, of which ".s.PGSQL.5432" needs 15.
_LONGEST_SOCKET_FOLDER = 88

Check = Callable[[str], str | None]


class DeploymentError(SetupError):
    """The deployment settings do not allow a start; ``faults`` names each of them."""

    code = "CONFIG-001"

    def __str__(self) -> str:
        return self.message  # the report tells every fault already


class Setting(NamedTuple):
    """One name of the environment.

    ``expected`` is read by people, ``example`` can be pasted; ``check`` gives what is wrong with a
    value that is set, or None. ``only_if``: required where another setting has this value.
    """

    name: str
    about: str
    expected: str
    example: str
    check: Check
    is_required: bool = True
    is_secret: bool = False
    only_if: tuple[str, str] | None = None


@dataclass(frozen=True)
class Deployment:
    """Every setting with the place it came from. ``values`` holds text, as the environment does."""

    root: Path
    folder: Path  # of .env.local and the files by mode; .env.base always lies in root
    values: Mapping[str, str]
    origins: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str) -> str:
        """The value, or empty text where an optional setting is not set."""
        return self.values.get(name, "")

    def is_on(self, name: str) -> bool:
        """Whether a flag is set to true or 1."""
        return self.get(name) in ("true", "1")

    def items(self, name: str) -> list[str]:
        """A setting of several values, separated by commas."""
        return [item.strip() for item in self.get(name).split(",") if item.strip()]

    def path(self, name: str) -> Path:
        """A directory setting as an absolute path; relative ones start at the project."""
        return _absolute(self.root, self.values[name])

    @property
    def state(self) -> Path:
        """Where servers, logs, locks and caches of this installation live."""
        return self.path("TRADINGSITE_STATE_DIR")

    @property
    def settings_module(self) -> str:
        return "tradingsite.settings." + ("dev" if self["TRADINGSITE_ENVIRONMENT"] == "dev" else "prod")

    @property
    def database_url(self) -> str:
        """PostgreSQL's address, also where it is our own."""
        if self["DATABASE_URL"] == EMBEDDED:
            return f"postgres://postgres:@/tradingsite?host={socket_folder(self.state)}"
        return self["DATABASE_URL"]

    @property
    def redis_url(self) -> str:
        """Redis's address as redis-py and channels-redis read it, also where it is our own."""
        if self["REDIS_URL"] == EMBEDDED:
            return f"unix://{socket_folder(self.state) / 'valkey.sock'}?db=0"
        return self["REDIS_URL"]

    @property
    def broker_url(self) -> str:
        """The same Redis in the form Celery reads."""
        parts = urlsplit(self.redis_url)
        if parts.scheme != "unix":
            return self.redis_url
        database = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis+socket://{parts.path}?virtual_host={database}"


def load(environ: Mapping[str, str] | None = None, *, root: Path = ROOT) -> Deployment:
    """The settings of this process, validated.

    Raises:
        DeploymentError (CONFIG-001): with every missing (CONFIG-MGR-002), unreadable
            (CONFIG-MGR-003, -004) and invalid (CONFIG-MGR-005) setting.
    """
    deployment, faults = _gather(os.environ if environ is None else environ, root)
    faults += _judge(deployment)
    if faults:
        raise DeploymentError(_report(deployment, faults), faults=faults)
    return deployment


def load_or_exit() -> Deployment:
    """The settings of this process; where they do not allow a start, the report and exit code 1, no traceback."""
    try:
        return load()
    except DeploymentError as error:
        sys.exit(error.message)


def socket_folder(state: Path) -> Path:
    """Where our own servers put their sockets: in ``state``, or short and private where that is too long."""
    folder = state.resolve() / "run"
    if len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER:
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"tradingsite-{os.getuid()}-{name}"


def masked(name: str, value: str) -> str:
    """A value as it may be shown: secrets by their last four characters, addresses without password."""
    if re.search(r"SECRET|PASSWORD|TOKEN|KEY", name):
        return "****" + value[-4:] if len(value) >= 12 else "****"
    return _without_password(value)


def passed_through(deployment: Deployment) -> dict[str, str]:
    """Names beginning with TRADINGSITE_ that are no setting of ours, masked."""
    known = {setting.name for setting in SETTINGS}
    extra = (name for name in deployment.values if name.startswith("TRADINGSITE_") and name not in known)
    return {name: masked(name, deployment.values[name]) for name in sorted(extra)}


# --- what a value must look like


def _choice(*allowed: str) -> Check:
    return lambda value: None if value in allowed else f"must be one of {', '.join(allowed)}"


def _whole(low: int, high: int) -> Check:
    def check(value: str) -> str | None:
        is_whole = re.fullmatch(r"[0-9]{1,9}", value) is not None
        return None if is_whole and low <= int(value) <= high else f"must be a whole number from {low} to {high}"

    return check


def _pace(value: str) -> str | None:
    is_number = re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", value) is not None
    return None if is_number and 0.1 <= float(value) <= 1000 else "must be a number from 0.1 to 1000"


def _address(*schemes: str) -> Check:
    def check(value: str) -> str | None:
        if value == EMBEDDED:
            return None
        parts = urlsplit(value)
        if parts.scheme not in schemes:
            return f"must be {EMBEDDED} or begin with {' or '.join(scheme + '://' for scheme in schemes)}"
        return None if parts.netloc or parts.path.strip("/") else "names no server"

    return check


def _date(value: str) -> str | None:
    try:
        date.fromisoformat(value)
    except ValueError:
        return "is no calendar date"
    return None if len(value) == 10 else "must be written YYYY-MM-DD"


def _secret_key(value: str) -> str | None:
    if value.startswith("django-insecure-") or len(set(value)) < 5:
        return "is a placeholder"
    return None if len(value) >= 50 else f"has {len(value)} characters, at least 50 are needed"


def _hosts(value: str) -> str | None:
    hosts = [host.strip() for host in value.split(",")]
    bad = [host for host in hosts if not re.fullmatch(r"\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", host)]
    return f"contains {', '.join(repr(host) for host in bad)}, which is no host name" if bad else None


def _origins(value: str) -> str | None:
    bad = [origin for origin in value.split(",") if not re.fullmatch(r"https?://[^/\s]+", origin.strip())]
    return f"contains {', '.join(bad)}, which is no scheme://host" if bad else None


def _listen(value: str) -> str | None:
    if re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        return None
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "is neither a host name nor an address"
    return None


def _anything(value: str) -> str | None:
    return None


# The directories' own state is judged in _judge_directories: it needs the project's root.
SETTINGS: tuple[Setting, ...] = (
    Setting(
        "TRADINGSITE_ENVIRONMENT",
        "What this installation is for; staging and production are hardened alike.",
        "dev, staging or production",
        "dev",
        _choice("dev", "staging", "production"),
    ),
    Setting(
        "TRADINGSITE_DEPLOYMENT_MODE",
        "How it runs; decides which further file of settings is read.",
        "local, docker or production",
        "local",
        _choice("local", "docker", "production"),
    ),
    Setting(
        "TRADINGSITE_DATA_DIR",
        "Market data files and their cache.",
        "a directory that exists and can be read",
        "var/data",
        _anything,
    ),
    Setting(
        "TRADINGSITE_RESULTS_DIR",
        "Results and exports.",
        "a directory that exists and can be written",
        "var/results",
        _anything,
    ),
    Setting(
        "TRADINGSITE_DEBUG",
        "Stack traces in answers to staff; never where strangers can reach the site.",
        "true or false",
        "false",
        _choice("true", "false"),
    ),
    Setting(
        "TRADINGSITE_LOG_LEVEL",
        "The least severe event that is logged.",
        "DEBUG, INFO, WARNING or ERROR",
        "INFO",
        _choice("DEBUG", "INFO", "WARNING", "ERROR"),
    ),
    Setting(
        "TRADINGSITE_STARTUP_MODE",
        "live runs bots; backtest leaves out bots and streams.",
        "backtest or live",
        "live",
        _choice("backtest", "live"),
    ),
    Setting(
        "TRADINGSITE_DATA_START_DATE",
        "First day of the data a backtest installation works on.",
        "a date as YYYY-MM-DD, before TRADINGSITE_DATA_END_DATE",
        "2024-05-12",
        _date,
        only_if=("TRADINGSITE_STARTUP_MODE", "backtest"),
    ),
    Setting(
        "TRADINGSITE_DATA_END_DATE",
        "Last day of the data a backtest installation works on.",
        "a date as YYYY-MM-DD, after TRADINGSITE_DATA_START_DATE",
        "2025-09-18",
        _date,
        only_if=("TRADINGSITE_STARTUP_MODE", "backtest"),
    ),
    Setting(
        "DATABASE_URL",
        "The truth. embedded: our own PostgreSQL 18 under TRADINGSITE_STATE_DIR.",
        "embedded, or postgres://user:...@host:5432/name",
        EMBEDDED,
        _address("postgres", "postgresql"),
        is_secret=True,
    ),
    Setting(
        "REDIS_URL",
        "The task queue and the live pages' hints. embedded: our own Valkey under TRADINGSITE_STATE_DIR.",
        "embedded, or redis://, rediss:// or unix://",
        EMBEDDED,
        _address("redis", "rediss", "unix"),
        is_secret=True,
    ),
    Setting(
        "SECRET_KEY",
        "Signs sessions and links. Changing it logs everybody out.",
        "at least 50 random characters",
        "",
        _secret_key,
        is_secret=True,
    ),
    Setting(
        "ALLOWED_HOSTS",
        "The host names this site answers to, separated by commas.",
        "host names separated by commas",
        "localhost,127.0.0.1,[::1]",
        _hosts,
    ),
    Setting(
        "TRADINGSITE_HOST",
        "The address the web server listens on.",
        "an address or host name of this machine",
        "127.0.0.1",
        _listen,
    ),
    Setting(
        "TRADINGSITE_PORT",
        "The port the web server listens on.",
        "a whole number from 1 to 65535",
        "8001",
        _whole(1, 65535),
    ),
    Setting(
        "TRADINGSITE_STATE_DIR",
        "Our own servers' files, logs, locks and caches.",
        "a directory; it is created",
        "var",
        _anything,
    ),
    Setting(
        "TRADINGSITE_LOG_FORMAT",
        "auto is readable in dev and JSON elsewhere.",
        "auto, json or readable",
        "auto",
        _choice("auto", "json", "readable"),
    ),
    Setting(
        "TRADINGSITE_LOG_FILE_MB",
        "Size at which the platform's log file is rotated.",
        "a whole number from 1 to 10000",
        "20",
        _whole(1, 10_000),
    ),
    Setting(
        "TRADINGSITE_LOG_FILES",
        "How many rotated log files are kept.",
        "a whole number from 1 to 1000",
        "5",
        _whole(1, 1000),
    ),
    Setting(
        "TRADINGSITE_TRUSTED_PROXIES",
        "Addresses whose X-Forwarded-Proto and -For headers are believed, separated by commas.",
        "addresses separated by commas",
        "127.0.0.1",
        _anything,
    ),
    Setting(
        "CSRF_TRUSTED_ORIGINS",
        "Further origins whose forms are accepted, separated by commas.",
        "scheme://host, separated by commas",
        "https://trading.example.com",
        _origins,
        is_required=False,
    ),
    Setting(
        "SECRET_KEY_FALLBACKS",
        "Earlier secret keys whose signatures are still accepted, separated by commas.",
        "earlier keys, separated by commas",
        "",
        _anything,
        is_required=False,
        is_secret=True,
    ),
    Setting(
        "ALPACA_API_KEY",
        "Key id of an Alpaca account; without it the broker is simulated.",
        "the key id Alpaca shows",
        "",
        _anything,
        is_required=False,
        is_secret=True,
    ),
    Setting(
        "ALPACA_SECRET_KEY",
        "Secret of the same Alpaca key.",
        "the secret Alpaca shows once",
        "",
        _anything,
        is_required=False,
        is_secret=True,
    ),
    Setting(
        "ALPACA_LIVE",
        "1 allows live trading to be switched on; it never switches it on by itself.",
        "0 or 1",
        "0",
        _choice("0", "1"),
        is_required=False,
    ),
    Setting(
        "CONFIG_REQUIRE_REASON",
        "Which changes through the API need a reason: all, or those of guarded and critical parameters.",
        "always or risky; not set means risky",
        "always",
        _choice("always", "risky"),
        is_required=False,
    ),
    Setting(
        "CONFIG_CACHE_TTL_SECONDS",
        "How long configuration is served unconfirmed while the database is away, before it counts as degraded.",
        "a whole number from 1 to 3600; not set means 60",
        "60",
        _whole(1, 3600),
        is_required=False,
    ),
    Setting(
        "CONFIG_DATABASE_TIMEOUT_MS",
        "How long a read of the configuration's version may take before the database counts as away.",
        "a whole number from 50 to 60000; not set means 2000",
        "2000",
        _whole(50, 60_000),
        is_required=False,
    ),
    Setting(
        "CONFIG_LISTEN",
        "Whether processes are woken by the database as soon as configuration changes, or look every five seconds.",
        "on or off; not set means on",
        "on",
        _choice("on", "off"),
        is_required=False,
    ),
    Setting(
        "CONFIG_LISTEN_DATABASE_URL",
        "PostgreSQL's direct address for that, where DATABASE_URL leads to a pooler that shares connections.",
        "postgres://...; not set means DATABASE_URL",
        "postgres://tradingsite@db.internal:5432/tradingsite",
        _address("postgres", "postgresql"),
        is_required=False,
        is_secret=True,
    ),
    Setting(
        "API_READS_PER_MINUTE",
        "Reads through the API that one user or token may send in a minute, counted by each web process.",
        "a whole number from 0 to 1000000, 0 for no limit; not set means 6000",
        "6000",
        _whole(0, 1_000_000),
        is_required=False,
    ),
    Setting(
        "API_WRITES_PER_MINUTE",
        "Writes through the API that one user or token may send in a minute, counted by each web process.",
        "a whole number from 0 to 1000000, 0 for no limit; not set means 1200",
        "1200",
        _whole(0, 1_000_000),
        is_required=False,
    ),
    Setting(
        "TRADINGSITE_REPLAY_BARS_PER_SECOND",
        "How fast stored bars are fed to bots, until another pace is set for a timeframe.",
        "a number from 0.1 to 1000, with at most 3 decimals",
        "4",
        _pace,
    ),
    Setting(
        "ENGINE_CACHE_DIR",
        "Where the engine's compiled code is kept, if not under the state directory.",
        "a directory that can be written",
        "",
        _anything,
        is_required=False,
    ),
)


# --- reading


def _gather(environ: Mapping[str, str], root: Path) -> tuple[Deployment, list[Fault]]:
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    faults: list[Fault] = []

    def take(found: Mapping[str, str], place: str) -> None:
        for name, value in found.items():
            if value.strip():
                values[name], origins[name] = value.strip(), place

    folder = _absolute(root, environ.get("TRADINGSITE_ENV_DIR", "") or ".")
    for path in (root / ".env.base", folder / ".env.local"):
        take(_read(path, faults), path.name)
    mode = environ.get("TRADINGSITE_DEPLOYMENT_MODE") or values.get("TRADINGSITE_DEPLOYMENT_MODE")
    if mode in ("docker", "production"):
        take(_read(folder / f".env.{mode}", faults), f".env.{mode}")
    take({name: value for name, value in environ.items() if is_setting(name)}, "environment")
    return Deployment(root, folder, values, origins), faults


def is_setting(name: str) -> bool:
    """Whether a name of the environment is one of our settings, or passed through."""
    return name.startswith("TRADINGSITE_") or any(setting.name == name for setting in SETTINGS)


def _read(path: Path, faults: list[Fault]) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path.name} cannot be read: {error}"
        faults.append(Fault(FILE_NOT_FOUND, path.name, message, "a text file you may read"))
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", line)
        if match is None:
            # The line itself is not repeated: it may hold half a secret.
            message = f"{path.name} line {number} is not NAME=value"
            faults.append(Fault(NOT_READABLE, f"{path.name}:{number}", message, "NAME=value"))
        else:
            found[match[1]] = _unquoted(match[2].strip())
    return found


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" else value


# --- judging


def _judge(deployment: Deployment) -> list[Fault]:
    faults = [fault for setting in SETTINGS if (fault := _judge_one(setting, deployment))]
    bad = {fault.pointer for fault in faults}
    for fault in (*_judge_directories(deployment), *_judge_dates(deployment), *_judge_hardening(deployment)):
        if fault.pointer not in bad:
            faults.append(fault)
    return faults


def _judge_one(setting: Setting, deployment: Deployment) -> Fault | None:
    value = deployment.get(setting.name)
    if not value:
        return _missing(setting) if _is_needed(setting, deployment) else None
    wrong = setting.check(value)
    return _invalid(deployment, setting.name, wrong) if wrong else None


def _is_needed(setting: Setting, deployment: Deployment) -> bool:
    if setting.only_if is not None:
        name, value = setting.only_if
        return deployment.get(name) == value
    return setting.is_required


def _missing(setting: Setting) -> Fault:
    because = f", which {setting.only_if[0]}={setting.only_if[1]} needs" if setting.only_if else ""
    return Fault(NOT_SET, setting.name, f"{setting.name} is not set{because}", setting.expected)


def _invalid(deployment: Deployment, name: str, wrong: str, code: str = NOT_VALID) -> Fault:
    shown = masked(name, deployment[name])
    return Fault(code, name, f"{name} {wrong}", _BY_NAME[name].expected, shown)


def _judge_directories(deployment: Deployment) -> Iterable[Fault]:
    for name, access, verb in (
        ("TRADINGSITE_DATA_DIR", os.R_OK | os.X_OK, "read"),
        ("TRADINGSITE_RESULTS_DIR", os.W_OK | os.X_OK, "written"),
    ):
        if not deployment.get(name):
            continue
        path = deployment.path(name)
        # Not Path.exists: where a parent is closed to this user, it raises instead of answering.
        if not os.path.exists(path):
            yield _invalid(deployment, name, "does not exist, or lies where this user may not look", FILE_NOT_FOUND)
        elif not path.is_dir():
            yield _invalid(deployment, name, "is not a directory")
        elif not os.access(path, access):
            yield _invalid(deployment, name, f"cannot be {verb} by this user")


def _judge_dates(deployment: Deployment) -> Iterable[Fault]:
    start, end = deployment.get("TRADINGSITE_DATA_START_DATE"), deployment.get("TRADINGSITE_DATA_END_DATE")
    if start and end and not _date(start) and not _date(end) and end <= start:
        wrong = f"is {end}, not after TRADINGSITE_DATA_START_DATE {start}"
        yield _invalid(deployment, "TRADINGSITE_DATA_END_DATE", wrong)


def _judge_hardening(deployment: Deployment) -> Iterable[Fault]:
    if deployment.get("TRADINGSITE_ENVIRONMENT") not in ("staging", "production"):
        return
    if deployment.get("TRADINGSITE_DEBUG") == "true":
        yield _invalid(deployment, "TRADINGSITE_DEBUG", "must be false in staging and production: it shows code")
    if "*" in deployment.get("ALLOWED_HOSTS").split(","):
        yield _invalid(deployment, "ALLOWED_HOSTS", "must not be * in staging and production: name the hosts")


# --- telling


def _report(deployment: Deployment, faults: list[Fault]) -> str:
    count = "one deployment setting is" if len(faults) == 1 else f"{len(faults)} deployment settings are"
    lines = [f"CONFIG-001 The platform cannot start: {count} missing or wrong.", ""]
    for fault in faults:
        lines += [f"  {fault.code}  {fault.message}", f"      expected  {fault.allowed}"]
        if fault.got is not None:
            place = deployment.origins.get(fault.pointer, "a file")
            lines.append(f"      there     {fault.got!r}, from {place}")
        lines += [f"      action    {_action(fault, deployment)}", f"      see       {_page(fault)}"]
    ours = sorted(name for name in deployment.values if is_setting(name))
    lines += ["", "  searched  " + "; ".join(_searched(deployment))]
    lines += ["  there     " + (", ".join(ours) or "nothing of ours"), f"  see       {PAGE}"]
    return "\n".join(lines)


def _searched(deployment: Deployment) -> list[str]:
    names = [".env.base", ".env.local"]
    mode = deployment.get("TRADINGSITE_DEPLOYMENT_MODE")
    if mode in ("docker", "production"):
        names.append(f".env.{mode}")
    paths = [(deployment.root if name == ".env.base" else deployment.folder) / name for name in names]
    return [f"{path} ({'read' if os.path.exists(path) else 'not there'})" for path in paths] + ["the environment"]


def _action(fault: Fault, deployment: Deployment) -> str:
    name = fault.pointer
    place = deployment.origins.get(name, ".env.local")
    if name == "SECRET_KEY":
        return 'generate one with python3 -c "import secrets; print(secrets.token_urlsafe(50))" into .env.local'
    if name not in _BY_NAME:
        return f"mend {name}"
    if fault.code == FILE_NOT_FOUND:
        return f"create it (mkdir -p {deployment.path(name)}), or name another in {place}"
    if fault.code == NOT_SET:
        return f"add {name}={_BY_NAME[name].example} to .env.local, or export it"
    return f"change {name} in {place}"


def _page(fault: Fault) -> str:
    return f"{PAGE}#{fault.pointer.lower()}" if fault.pointer in _BY_NAME else PAGE


def _absolute(root: Path, value: str) -> Path:
    path = Path(value).expanduser()
    return path if path.is_absolute() else root / path


def _without_password(value: str) -> str:
    parts = urlsplit(value)
    if not parts.password:
        return value
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(parts.username or '')}:****@{host}"))


_BY_NAME = {setting.name: setting for setting in SETTINGS}
