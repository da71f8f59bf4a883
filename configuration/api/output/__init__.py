"""Configuration as JSON: plain maps and lists, under the names the documents use.

configurations   resolved values with origins, what is foreseen, differences
explanations     one value with everything about it
ledger           decisions, and how to take them back
parameters       what the catalogue says
places           scopes and their addresses
previews         what a change would do
"""

from configuration.api.output.configurations import (
    candidate_output,
    configuration_output,
    difference_output,
    foreseen,
    freshness_output,
    resolved_output,
    source_of,
)
from configuration.api.output.explanations import decision_output, explained_output, layered_output
from configuration.api.output.ledger import (
    audit_output,
    change_set_output,
    changed_output,
    undo_call,
    whole_change_set_output,
)
from configuration.api.output.parameters import found_output, limits_output, namespace_output, parameter_output
from configuration.api.output.places import API, address_of, schema_address, scope_output
from configuration.api.output.previews import preview_output

__all__ = [
    "API",
    "address_of",
    "audit_output",
    "candidate_output",
    "change_set_output",
    "changed_output",
    "configuration_output",
    "decision_output",
    "difference_output",
    "explained_output",
    "foreseen",
    "found_output",
    "freshness_output",
    "layered_output",
    "limits_output",
    "namespace_output",
    "parameter_output",
    "preview_output",
    "resolved_output",
    "schema_address",
    "scope_output",
    "source_of",
    "undo_call",
    "whole_change_set_output",
]
