"""Mistakes people make with gradients through samples, each with its correct form.

Every module has `wrong(seed)` and `right(seed)`, one gradient each or None, and EXACT, the true
gradient; `python -m experiments.gradient_estimators.mistakes stopped_sample` shows what they give.
"""
