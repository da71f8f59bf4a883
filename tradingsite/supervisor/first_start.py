"""What the very first start leaves behind: directories, and ``.env.local`` with every setting spelled out."""

import os
import secrets
from pathlib import Path

from tradingsite import deployment

_HEAD = """\
# Settings of this installation, written by its first start. Yours to change; never commit it.
# Order: .env.base, this file, .env.docker or .env.production by mode, then the real environment.
# Every name is explained in docs/environment.md; .env.example shows the optional ones.
"""

# The range of the sample bars, for `./platform.sh start backtest`.
_FIRST_VALUES = {
    "TRADINGSITE_ENVIRONMENT": "dev",
    "TRADINGSITE_DEPLOYMENT_MODE": "local",
    "TRADINGSITE_DEBUG": "false",
    "TRADINGSITE_LOG_LEVEL": "INFO",
    "TRADINGSITE_STARTUP_MODE": "live",
    "TRADINGSITE_DATA_START_DATE": "2000-03-01",
    "TRADINGSITE_DATA_END_DATE": "2013-03-01",
    "DATABASE_URL": deployment.EMBEDDED,
    "REDIS_URL": deployment.EMBEDDED,
    "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
}


def write_settings(folder: Path, *, state: str, root: Path = deployment.ROOT) -> Path | None:
    """Write ``.env.local`` (mode 600) and its directories under ``state``, unless the file is there.

    In docker and production the environment is somebody's deliberate work: nothing is written.
    """
    path = folder / ".env.local"
    if path.exists() or os.environ.get("TRADINGSITE_DEPLOYMENT_MODE", "local") != "local":
        return None
    values = {
        **_FIRST_VALUES,
        "TRADINGSITE_DATA_DIR": f"{state}/data",
        "TRADINGSITE_RESULTS_DIR": f"{state}/results",
        "TRADINGSITE_STATE_DIR": state,
        "SECRET_KEY": secrets.token_urlsafe(50),
    }
    for name in ("TRADINGSITE_DATA_DIR", "TRADINGSITE_RESULTS_DIR"):
        (root / values[name]).mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}={value}\n" for name, value in values.items()]
    # Exclusive: two first starts at once must not mix two secret keys.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(_HEAD + "".join(lines))
    return path
