"""The web server: uvicorn, told everything by the deployment settings."""

import os
import signal
import sys

os.environ.setdefault("PLATFORM_PROCESS", "web")

import uvicorn

from tradingsite import deployment

# A stop waits this long for requests in flight.
_GRACE_SECONDS = 2


def main() -> None:
    settings = deployment.load_or_exit()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings.settings_module)
    import django  # noqa: PLC0415  the settings module is known only now

    django.setup()
    from configuration import listening  # noqa: PLC0415
    from tradingsite.asgi import application  # noqa: PLC0415

    # uvicorn repeats the signal that stopped it: then there is still something to put away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listening.start("web")
    uvicorn.run(
        application,
        host=settings["TRADINGSITE_HOST"],
        port=int(settings["TRADINGSITE_PORT"]),
        forwarded_allow_ips=settings["TRADINGSITE_TRUSTED_PROXIES"],
        timeout_graceful_shutdown=_GRACE_SECONDS,
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=64 * 1024,  # what browsers send; nothing of ours is longer than a word
        server_header=False,
        access_log=False,
        log_config=None,  # Django's LOGGING has configured everything by then
    )


if __name__ == "__main__":
    main()
