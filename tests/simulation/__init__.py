"""A deterministic simulation of the order protocol: the production services, seeded faults, one clock.

``world`` plays a seed, ``verdict`` judges it, ``mutants`` break the protocol on purpose. docs/simulation.md
tells how to run it.
"""
