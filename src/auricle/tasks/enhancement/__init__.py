"""Speech enhancement: training, evaluation, and use on files."""
