"""The study of shifted and foreign inputs: see README.md."""
