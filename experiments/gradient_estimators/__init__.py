"""The study of gradient estimators: see README.md."""
