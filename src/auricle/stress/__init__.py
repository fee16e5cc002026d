"""Stress tests: runs under every condition of a suite, the figures that sum them up, and the report."""
