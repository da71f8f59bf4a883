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


class TradeNotFound(NotFound):
    """There is no such trade, or it belongs to somebody else's bot."""

    code = "TRADE_NOT_FOUND"
    component = "bots"


class PositionNotFound(NotFound):
    """There is no such position, or it belongs to somebody else's bot."""

    code = "POSITION_NOT_FOUND"
    component = "bots"


class OrderNotFound(NotFound):
    """There is no such order, or it belongs to somebody else's bot."""

    code = "ORDER_NOT_FOUND"
    component = "bots"


class BotDecisionNotFound(NotFound):
    """There is no such decision of a bot, or it belongs to somebody else's."""

    code = "BOT_DECISION_NOT_FOUND"
    component = "bots"


class SymbolNotFound(NotFound):
    """No instrument has that symbol."""

    code = "SYMBOL_NOT_FOUND"
    component = "bots"


class PositionAlreadyClosed(WrongState):
    """The position holds nothing any more."""

    code = "POSITION_ALREADY_CLOSED"
    component = "bots"


class OrderWorking(WrongState):
    """An order of this position works already; it must end before another may be asked."""

    code = "ORDER_WORKING"
    component = "bots"
