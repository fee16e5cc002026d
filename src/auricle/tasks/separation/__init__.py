"""Query-based sound separation: training, evaluation, and use on files."""
