"""Study: what tracking costs a run when the network fails, and what is lost (nothing)."""
