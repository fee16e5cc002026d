"""Evaluation: scores with intervals, stress tests, comparisons, and the figures and pages that show them."""
