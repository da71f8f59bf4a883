"""The pages: each view parses, asks one selector or service per app it shows, and renders."""
