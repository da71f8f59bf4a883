"""The pages, without a browser: who may see them, what stands on them, how many queries they cost."""
