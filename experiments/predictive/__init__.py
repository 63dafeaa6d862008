"""What predictions cost, how exact they are, and whether they cover what they promise."""
