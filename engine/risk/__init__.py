"""Two doors: may we hold this (targets), and is this order allowed (orders)."""
