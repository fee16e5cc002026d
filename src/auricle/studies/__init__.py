"""Studies over many runs: comparisons, stress tests, grids, costs."""
