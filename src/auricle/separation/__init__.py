"""Any sound out of a mixture, by query: separators trained, used on files of any length and measured."""
