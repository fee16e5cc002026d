"""Presentation of results: HTML pages, tables and plots."""
