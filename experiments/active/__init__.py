"""Which labels to ask for: acquisition scores against random choice."""
