"""Runs: prepared, trained, evaluated, recorded in a folder, restored and replayed."""
