"""Runs the platform's processes: in order, watched, restarted, and never left behind.

Standard library only: it starts before Django and outlives every failure of it. One thread, one
loop (``loop.Loop``); everything it waits for is a file descriptor or a time.
"""
