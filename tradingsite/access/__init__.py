"""Who may do what: roles, the matrix of routes, API tokens, and what a principal may change."""
