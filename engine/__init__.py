"""The pure core: it decides, and knows nobody. No Django, no I/O, no clock, no dice."""
