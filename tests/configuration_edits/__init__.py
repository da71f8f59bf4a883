"""Many editors at once: whatever was accepted is in the ledger, and the ledger is what is in force."""
