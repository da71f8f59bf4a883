"""No process reads what was replaced before it asked: played by processes, judged by their own records."""
