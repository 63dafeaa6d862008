"""Which variational family comes how near, and what it costs."""
