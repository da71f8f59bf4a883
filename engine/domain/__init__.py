"""The words every room shares: enums, values, declarations, parameters, state, events, errors."""
