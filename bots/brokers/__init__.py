"""One adapter for each broker, behind the Protocol in ports."""
