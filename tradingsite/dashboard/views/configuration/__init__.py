"""Configuration: what is in force and why, who changed it, and how to take it back."""
