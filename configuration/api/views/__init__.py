"""Configuration over HTTP: parse, one call, answer.

namespaces   what there is to configure; one pair of addresses for every namespace, trading among them
strategies   the strategies, as document 001 has them
scopes       one scope of a namespace: read, merge, replace, clear
resolving    what is in force for whom, when, and why
ledger       decisions: listed, compared, taken back, many as one
transfer     out as a file, and in again
platform     document 000's sections
health       fresh and sound
"""
