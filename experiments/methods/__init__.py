"""Every method on the same model and data, one binding apart."""
