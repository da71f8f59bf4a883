#!/usr/bin/env bash
# One command for everything: ./platform.sh start, ./platform.sh test. Prints its commands without one.
# Needs CPython 3.12 or 3.13 and nothing else. Works with bash 3.2 (macOS).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

venv=.venv
python=$venv/bin/python

usage() {
    cat <<'TEXT'
Usage: ./platform.sh COMMAND

  start [backtest] [-d]   set up what is missing, start everything, stay (-d: in the background)
  stop                    stop everything
  restart [backtest] [-d] stop, then start
  status                  what runs, since when, how often restarted
  logs [-f] [NAME]        the last lines of the log, of one process only if named
  worker QUEUE            add a worker (bots, backtests) to the running platform
  settings                every setting, its value (secrets masked) and where it came from

  test [PYTEST ARGUMENTS] all tests, with coverage; own database, works beside a running platform
  check [--list | GATE..] every quality gate: format, lint, types, imports, migrations, security
  bench [NAME]            benchmarks of bench/
  simulate [ARGUMENTS]    faults in the order protocol, seed by seed (--help tells more)
  faults [ROUNDS]         kill processes of a platform of its own, and see that nothing is lost
  shell                   Django's shell on the running platform
  lock                    resolve requirements.txt into the lock files again (needs uv)

A first start writes .env.local; docs/operations.md and docs/environment.md tell the rest.
TEXT
}

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# --- finding Python ----------------------------------------------------------------------------

# Prints the real path of a usable interpreter. Shims may exist and fail, so each one is run.
usable() {
    "$1" -c '
import sys
if sys.implementation.name != "cpython" or sys.version_info[:2] not in ((3, 12), (3, 13)):
    sys.exit(1)
import ensurepip, ssl, venv
print(sys.executable)' 2>/dev/null
}

candidates() {
    local name folder
    [ -z "${PLATFORM_PYTHON:-}" ] || say "$PLATFORM_PYTHON"
    for name in python3.12 python3.13 python3 python; do
        command -v "$name" 2>/dev/null || true
    done
    for folder in "${PYENV_ROOT:-$HOME/.pyenv}/versions" "${ASDF_DATA_DIR:-$HOME/.asdf}/installs/python" \
        "${UV_PYTHON_INSTALL_DIR:-$HOME/.local/share/uv/python}" "${CONDA_PREFIX:-$HOME/miniconda3}" \
        "$HOME/miniconda3/envs" "$HOME/anaconda3/envs" "$HOME/miniforge3/envs" /opt/conda \
        /opt/homebrew/opt /usr/local/opt /opt/homebrew /usr/local /usr; do
        for name in python3.12 python3.13; do
            ls -d "$folder/bin/$name" "$folder"/*/bin/"$name" 2>/dev/null || true
        done
    done
}

find_python() {
    local candidate found
    if [ -n "${PLATFORM_PYTHON:-}" ]; then
        usable "$PLATFORM_PYTHON" || fail "PLATFORM_PYTHON is $PLATFORM_PYTHON, which is no CPython 3.12 or 3.13 with venv, ensurepip and ssl."
        return
    fi
    while IFS= read -r candidate; do
        if found=$(usable "$candidate"); then say "$found"; return; fi
    done < <(candidates | awk '!seen[$0]++')
    if command -v uv >/dev/null 2>&1; then
        say "No Python 3.12 or 3.13 here; asking uv to install 3.12." >&2
        uv python install 3.12 >&2 || true
        if found=$(usable "$(uv python find 3.12 2>/dev/null)"); then say "$found"; return; fi
    fi
    no_python
}

no_python() {
    local candidate
    {
        say "No CPython 3.12 or 3.13 with the modules venv, ensurepip and ssl was found. Looked at:"
        while IFS= read -r candidate; do
            say "  $candidate ($("$candidate" --version 2>&1 | head -1 || true))"
        done < <(candidates | awk '!seen[$0]++')
        say "Install one of these ways, or set PLATFORM_PYTHON to an interpreter:"
        say "  Debian, Ubuntu   sudo apt install python3.12 python3.12-venv"
        say "  Fedora           sudo dnf install python3.12"
        say "  macOS            brew install python@3.12"
        say "  pyenv            pyenv install 3.12"
        say "  uv               uv python install 3.12"
    } >&2
    exit 1
}

# --- installing --------------------------------------------------------------------------------

# SHA-256 of the given files and words, with what every system has once Python is there.
stamp_of() {
    "$1" -c '
import hashlib, platform, sys
digest = hashlib.sha256(platform.python_version().encode())
for name in sys.argv[1:]:
    digest.update(open(name, "rb").read())
print(digest.hexdigest())' "${@:2}"
}

# install runtime|dev: bring .venv up to the lock. A development environment serves the runtime too.
install() {
    local lock=requirements.lock stamp_file=$venv/.installed interpreter wanted started
    [ "$1" = runtime ] || lock=requirements-dev.lock
    if [ -x "$python" ] && "$python" -c '' 2>/dev/null; then
        wanted="$(stamp_of "$python" requirements.lock requirements-dev.lock)"
        case "$(cat "$stamp_file" 2>/dev/null || true)" in
            "$wanted dev") return ;;
            "$wanted runtime") [ "$1" = dev ] || return 0 ;;
        esac
    else
        interpreter=$(find_python)
        say "Python: $interpreter ($("$interpreter" --version))"
        rm -rf "$venv"
        "$interpreter" -m venv "$venv"
        wanted="$(stamp_of "$python" requirements.lock requirements-dev.lock)"
    fi
    started=$SECONDS
    say "Installing $lock (once; about a minute) ..."
    rm -f "$stamp_file"
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --compile -r "$lock" || fail "The packages could not be installed; pip says why above. Is the network there?"
    say "$wanted $1" > "$stamp_file"
    say "Installed in $((SECONDS - started)) s."
}

# The engine is compiled once per state of its sources, not in front of the first user.
warm_engine() {
    local stamp_file=var/engine-cache/.warmed sources wanted
    sources=$(find engine -name '*.py' -not -path '*/tests/*' | LC_ALL=C sort)
    # shellcheck disable=SC2086  one word per file: our own names have no spaces
    wanted=$(stamp_of "$python" requirements.lock $sources)
    [ "$(cat "$stamp_file" 2>/dev/null || true)" != "$wanted" ] || return 0
    say "Compiling the engine (once per state of its sources) ..."
    "$python" -m engine.warm || fail "The engine could not be compiled; see above."
    mkdir -p var/engine-cache
    say "$wanted" > "$stamp_file"
}

supervisor() { exec "$python" -m tradingsite.supervisor "$@"; }

# For commands that make no sense before the first start.
need_venv() { [ -x "$python" ] || fail "Nothing is installed yet. ./platform.sh start does it."; }

# --- commands ----------------------------------------------------------------------------------

main() {
    local command=${1:-help}
    [ $# -eq 0 ] || shift
    case "$command" in
        start)
            install runtime
            warm_engine
            supervisor start "$@"
            ;;
        restart)
            need_venv
            "$python" -m tradingsite.supervisor stop || [ $? -eq 3 ]
            install runtime
            warm_engine
            supervisor start "$@"
            ;;
        stop | status | logs | worker | settings)
            need_venv
            supervisor "$command" "$@"
            ;;
        test)
            install dev
            warm_engine
            exec scripts/test "$@"
            ;;
        check)
            install dev
            supervisor run -- "$python" scripts/check.py "$@"
            ;;
        bench)
            install dev
            warm_engine
            exec scripts/bench "$@"
            ;;
        faults)
            install dev
            warm_engine
            exec scripts/faults "$@"
            ;;
        simulate)
            install dev
            warm_engine
            exec scripts/simulate "$@"
            ;;
        shell)
            need_venv
            exec "$python" manage.py shell "$@"
            ;;
        lock)
            exec scripts/lock
            ;;
        help | -h | --help)
            usage
            ;;
        *)
            printf 'There is no command %s.\n\n' "$command" >&2
            usage >&2
            exit 2
            ;;
    esac
}

# Sourced (by a test), it only defines its functions.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
