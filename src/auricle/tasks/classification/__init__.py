"""Sound classification: training, evaluation, and labelling of recordings and live sound."""
