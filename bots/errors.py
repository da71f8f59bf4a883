"""What can go wrong with a bot, beside what is wrong with a field of it."""

from engine.domain.errors import NotFound, WrongState


class BotNotFound(NotFound):
    """There is no such bot, or it belongs to somebody else."""

    code = "BOT_NOT_FOUND"
    component = "bots"


class BotRunning(WrongState):
    """The bot trades; what was asked needs it stopped."""

    code = "BOT_RUNNING"
    component = "bots"
