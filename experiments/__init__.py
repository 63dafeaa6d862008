"""Studies: each folder holds a question, its script and its committed results."""
