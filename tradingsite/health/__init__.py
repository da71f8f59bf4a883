"""Is it alive, is it ready, and if not, which part."""
