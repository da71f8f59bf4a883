"""One module per part of the site; ``urls`` names each view."""
