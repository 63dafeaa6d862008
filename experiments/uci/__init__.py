"""UCI regression by mean-field variational inference, in the standard protocol."""
