"""How results are shown: pages, tables and plots."""
