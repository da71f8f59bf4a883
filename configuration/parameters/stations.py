"""The weather stations there are: where each thermometer stands, and whose midnight begins its day."""

from typing import Final, NamedTuple


class Station(NamedTuple):
    """A station by its ICAO code. Degrees north and east; ``time_zone`` is an IANA name.

    ``noaa_station`` is what NOAA calls it; ``venue_hint`` is the city as the market's own addresses
    name it, '' where nobody trades its temperature.
    """

    code: str
    city: str
    name: str
    latitude: float
    longitude: float
    time_zone: str
    noaa_station: str
    venue_hint: str = ""


_ROWS: Final = (
    Station("EGLC", "London", "London City", 51.505, 0.05, "Europe/London", "EGLC", "london"),
    Station("KLGA", "New York", "LaGuardia", 40.7769, -73.874, "America/New_York", "KLGA", "nyc"),
    # The others' positions are their airports' published reference points, Central Park's its observatory's.
    Station("KNYC", "New York", "Central Park", 40.779, -73.9693, "America/New_York", "KNYC"),
    Station("KLAX", "Los Angeles", "Los Angeles International", 33.9425, -118.408, "America/Los_Angeles", "KLAX"),
    Station("KMIA", "Miami", "Miami International", 25.7954, -80.2901, "America/New_York", "KMIA"),
    Station("KPHL", "Philadelphia", "Philadelphia International", 39.8722, -75.2408, "America/New_York", "KPHL"),
    Station("KAUS", "Austin", "Austin-Bergstrom International", 30.1945, -97.6699, "America/Chicago", "KAUS"),
    Station("KMDW", "Chicago", "Chicago Midway", 41.786, -87.7524, "America/Chicago", "KMDW"),
    Station("KDEN", "Denver", "Denver International", 39.8617, -104.6732, "America/Denver", "KDEN"),
)  # fmt: skip

STATIONS: Final[dict[str, Station]] = {station.code: station for station in _ROWS}
