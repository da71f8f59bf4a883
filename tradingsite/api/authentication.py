"""Who is asking: the session's user. API tokens follow with the roles."""

from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request


class Session(SessionAuthentication):
    """The browser's session, CSRF checked on every write.

    Names a challenge, so that an anonymous caller gets an honest 401: without one DRF answers 403.
    """

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="api"'
