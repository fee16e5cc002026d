"""Speech enhancement: training, evaluation, and enhancement of files."""
