"""Grids of trainings: front-ends by folds by seeds, stress-tested as one."""
