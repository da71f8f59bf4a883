#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from tradingsite import deployment


def main() -> None:
    try:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", deployment.load().settings_module)
    except deployment.DeploymentError as error:
        sys.exit(error.message)
    from django.core.management import execute_from_command_line  # noqa: PLC0415  only with valid settings

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
