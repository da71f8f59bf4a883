"""What a request about configuration says. Every fault at once, each with its place.

body         the fields of a body, by name and type
conditions   ETags and idempotency keys
naming       names, pointers, and what somebody may have meant
places       namespaces and scopes, in path, query and body
query        the names of a query
wishes       a write as it was asked for
"""
