"""The API of configuration, described for OpenAPI: shapes of bodies and answers, and examples. Nothing is judged here.

shapes      the pieces
bodies      what may be sent
answers     what is answered
describing  one operation: parameters, body, answer, refusals
"""
