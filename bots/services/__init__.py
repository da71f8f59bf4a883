"""What may be done to bots: one module for each part of their life."""
