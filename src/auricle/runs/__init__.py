"""Run folders: training, saving and resuming runs, evaluating them, and reading their results."""
