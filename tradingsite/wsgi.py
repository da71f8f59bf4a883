"""WSGI entry, for servers that do not speak ASGI."""

import os

from django.core.wsgi import get_wsgi_application

from tradingsite import deployment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", deployment.load().settings_module)
application = get_wsgi_application()
