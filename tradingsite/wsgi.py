"""WSGI entry, for servers that do not speak ASGI."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
