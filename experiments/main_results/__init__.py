"""The README's result table."""
