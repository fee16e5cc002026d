"""The error of everything that the user can correct.

The command line prints its message as a single line and exits with code 2. In Python it is a `ValueError`, so code that
catches bad values needs no knowledge of auricle.
"""

from __future__ import annotations


class AuricleError(ValueError):
    """An invalid input; the message quotes the offending value and says what would be right."""
