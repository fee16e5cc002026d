"""Sound classification: training, evaluation, and labels for recordings and live sound."""
