"""Studies of several runs: comparisons, stress tests, grids of trainings, and computational costs."""
