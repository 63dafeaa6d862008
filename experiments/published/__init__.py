"""Published rows of other methods than variational inference, beside ours."""
