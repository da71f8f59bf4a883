"""The web process: Django over ASGI."""

import os

# Read by the settings: a web process gets a connection pool and a time limit per statement.
os.environ.setdefault("PLATFORM_PROCESS", "web")

from tradingsite import deployment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", deployment.load().settings_module)

from django.core.asgi import get_asgi_application

application = get_asgi_application()
