"""Stress tests: evaluation of runs under every condition of a suite, with summary statistics and a report."""
