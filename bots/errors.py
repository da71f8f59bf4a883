"""What can go wrong with a bot, beside what is wrong with a field of it."""

from engine.domain.errors import DataError, NotFound, WrongState


class BotNotFound(NotFound):
    """There is no such bot, or it belongs to somebody else."""

    code = "BOT_NOT_FOUND"
    component = "bots"


class BotRunning(WrongState):
    """The bot trades; what was asked needs it stopped."""

    code = "BOT_RUNNING"
    component = "bots"


class BotAlreadyRunning(WrongState):
    """The bot trades already; it cannot be started again."""

    code = "BOT_ALREADY_RUNNING"
    component = "bots"


class BotNotRunning(WrongState):
    """The bot does not trade; there is nothing to stop or to pause."""

    code = "BOT_NOT_RUNNING"
    component = "bots"


class BotNotPaused(WrongState):
    """The bot is not paused; there is nothing to resume."""

    code = "BOT_NOT_PAUSED"
    component = "bots"


class BotHoldsPositions(WrongState):
    """The bot holds something, or an order of it may still fill; what was asked needs it flat."""

    code = "BOT_HOLDS_POSITIONS"
    component = "bots"


class CycleBlocked(DataError):
    """While the bot decided, configuration or an operator changed what it decides on, again and again."""

    code = "CYCLE_BLOCKED"
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


class LeverageNotFound(NotFound):
    """No open account that trades that symbol, or it belongs to somebody else's bot."""

    code = "LEVERAGE_NOT_FOUND"
    component = "bots"


class LeverageNotOffered(WrongState):
    """The broker has no leverage for that symbol."""

    code = "LEVERAGE_NOT_OFFERED"
    component = "bots"


class LeverageRefused(WrongState):
    """The broker refused to set the leverage; what was in force still is."""

    code = "LEVERAGE_REFUSED"
    component = "bots"
