"""The engine's rooms, read aloud: hand-computed examples, independent oracles, properties."""
