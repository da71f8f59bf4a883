"""The web process: Django over ASGI, and the sockets of tradingsite.routing."""

import os

# Read by the settings: a web process gets a connection pool and a time limit per statement.
os.environ.setdefault("PLATFORM_PROCESS", "web")

from tradingsite import deployment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", deployment.load().settings_module)

from django.core.asgi import get_asgi_application

# Sets Django up; what follows imports models.
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter  # noqa: E402

from tradingsite import routing  # noqa: E402

application = ProtocolTypeRouter({"http": django_application, "websocket": routing.websocket})
