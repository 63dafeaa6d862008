"""What predictions cost, and what a tolerance holds."""
