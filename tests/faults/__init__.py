"""Processes of a whole platform are killed while it trades, and nothing may be lost or done twice."""
