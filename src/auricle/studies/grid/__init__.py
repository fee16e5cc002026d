"""Grids of trainings: every front-end with every fold and seed, stress-tested together."""
