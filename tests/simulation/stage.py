"""Actors that run one at a time: threads with database connections of their own, and a baton that only one holds.

An actor plays an ordinary function of the platform. At each checkpoint it gives the baton back; the
scheduler decides whether it goes on at once, later, or never.
"""

import threading
from collections.abc import Callable
from typing import Final

from django.db import connections

PATIENCE: Final = 300.0
"""Seconds until an actor that does not come back is taken for blocked; the first of all may compile the engine."""

_here = threading.local()


class Killed(BaseException):
    """The process of this actor ends here. Nothing of the platform catches it, as nothing catches kill -9."""


class Blocked(AssertionError):
    """An actor holds the baton and does not come back: it waits for somebody who cannot run."""


class Actor:
    """One thread. ``where``: the checkpoint it stands at; None: it has nothing to do.

    ``ended``: how its last play ended, None if it just returned. ``open_at``: checkpoints that it
    passed with a transaction open.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.where: str | None = None
        self.ended: BaseException | None = None
        self.answer: object = None
        self.paused_until = 0.0
        self.open_at: list[str] = []
        self._play: Callable[[], object] | None = None
        self._doomed = False
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, name=f"simulation {name}", daemon=True)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        return self.where is None

    def begin(self, play: Callable[[], object]) -> None:
        """Play until the first checkpoint, or to the end."""
        self._play, self.ended, self.answer, self.where = play, None, None, "begun"
        self._run()

    def go_on(self) -> None:
        """Play from the checkpoint to the next one, or to the end."""
        self._run()

    def kill(self) -> None:
        """End it at the checkpoint where it stands."""
        self._doomed = True
        self._run()

    def leave(self) -> None:
        """End the thread. Its connections are closed."""
        if not self.is_idle:
            self.kill()
        self._play = None
        self._go.release()
        self._thread.join(PATIENCE)

    def checkpoint(self, name: str) -> None:
        """Called by the play, in its own thread."""
        self.open_at += [f"{name} ({alias})" for alias in ("default", "broker") if connections[alias].in_atomic_block]
        self.where = name
        self._back.release()
        self._go.acquire()
        if self._doomed:
            raise Killed(name)

    def _run(self) -> None:
        self._go.release()
        if not self._back.acquire(timeout=PATIENCE):
            raise Blocked(f"{self.name} did not come back from after {self.where}.")

    def _live(self) -> None:
        _here.actor = self
        while True:
            self._go.acquire()
            if self._play is None:
                connections.close_all()
                return
            try:
                self.answer = self._play()
            except BaseException as ended:  # whatever it is, the scheduler has to hear of it
                self.ended = ended
            self.where, self._doomed = None, False
            self._back.release()


def checkpoint(name: str) -> None:
    """Of the actor whose thread this is; the scheduler's own passes by."""
    actor: Actor | None = getattr(_here, "actor", None)
    if actor is not None:
        actor.checkpoint(name)
