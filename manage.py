#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from tradingsite import deployment


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", deployment.load_or_exit().settings_module)
    from django.core.management import execute_from_command_line  # noqa: PLC0415  only with valid settings

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
