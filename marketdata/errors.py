"""What can be broken in market data itself, beside the errors everybody shares."""

from engine.domain.errors import DataError


class BarsCorrupted(DataError):
    """Stored bars do not match the checksum taken when they were sealed. Restore the database from a backup."""

    code = "BARS_CORRUPTED"
    status = 500
