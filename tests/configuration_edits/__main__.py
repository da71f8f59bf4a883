"""``python -m tests.configuration_edits --editors 16 --edits 10000``: processes edit at once, the ledger is judged.

Through services, API and admin forms; each editor is a process with a connection of its own.
``--hierarchies 100000``: so many random hierarchies are resolved, and compared with the oracle.
A database of its own is made next to the one that DATABASE_URL names.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.configuration_edits", description=__doc__)
    parser.add_argument("--editors", type=int, default=16)
    parser.add_argument("--edits", type=int, default=10_000, help="of all editors together")
    parser.add_argument("--hierarchies", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    # What the command starts itself with, once for each editor.
    parser.add_argument("--editor", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    parser.add_argument("--answers", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    _set_up()
    if options.editor is not None:
        options.answers.write_bytes(pickle.dumps(_one_editor(options)))
        return 0
    wrong = _hierarchies(options) if options.hierarchies else _edits(options)
    for words in wrong[:50]:
        print(f"VIOLATED  {words}")
    print("Everything held." if not wrong else f"{len(wrong)} violations.", flush=True)
    return 1 if wrong else 0


def _set_up() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tradingsite.settings.test"
    os.environ["TRADINGSITE_LOG_LEVEL"] = "ERROR"  # a refusal is no news here
    import django

    django.setup()


def _hierarchies(options: argparse.Namespace) -> list[str]:
    from tests.configuration_edits.hierarchies import disagreements

    began = time.perf_counter()
    found = disagreements(options.hierarchies, seed=options.seed)
    print(f"{options.hierarchies} hierarchies in {time.perf_counter() - began:.1f} s, seed {options.seed}.")
    return found


def _edits(options: argparse.Namespace) -> list[str]:
    from tests.configuration_edits.judging import violations

    name = _make_database()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(number) for number in range(options.editors)]
        words = [sys.executable, "-m", "tests.configuration_edits", "--seed", str(options.seed), "--database", name]
        words += ["--edits", str(options.edits // options.editors)]
        editors = [
            subprocess.Popen([*words, "--editor", str(number), "--answers", str(file)])
            for number, file in enumerate(files)
        ]
        ended = [editor.wait() for editor in editors]
        # Written a moment ago, by processes of our own.
        answers = [answer for file in files if file.exists() for answer in pickle.loads(file.read_bytes())]
    print(f"{len(answers)} edits by {options.editors} processes in {time.perf_counter() - began:.1f} s.")
    for (door, outcome, code), count in sorted(Counter((a.door, a.outcome, a.code) for a in answers).items()):
        print(f"  {door:<9} {outcome:<8} {code:<18} {count:>6}")
    broken = [f"editor {number} broke off" for number, code in enumerate(ended) if code]
    return [*broken, *violations(answers)]


def _make_database() -> str:
    from django.core.management import call_command
    from django.db import connections

    from tests import emptying
    from tests.people import a_person

    connection = connections["default"]
    settings = connection.settings_dict
    settings["TEST"]["NAME"] = f"test_{settings['NAME'].removeprefix('test_')}_edits"
    name: str = connection.creation.create_test_db(verbosity=0, autoclobber=True, keepdb=True)
    emptying.allow()
    call_command("flush", interactive=False, verbosity=0)
    a_person("editor", role="owner", is_staff=True, is_superuser=True)
    return name


def _one_editor(options: argparse.Namespace) -> list[Any]:
    from django.contrib.auth.models import User
    from django.db import connections

    from tests.configuration_edits.editors import Editor

    connections["default"].settings_dict["NAME"] = options.database
    connections["broker"].creation.set_as_test_mirror(connections["default"].settings_dict)
    editor = Editor(options.editor, seed=options.seed, user=User.objects.get(username="editor"))
    return editor.work(options.edits)


if __name__ == "__main__":
    sys.exit(main())
