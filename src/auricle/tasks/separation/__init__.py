"""Query-based sound separation: training, evaluation, and separation of files."""
