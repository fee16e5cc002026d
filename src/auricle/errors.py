"""The exception for all errors that the user can correct.

The command line prints its message as a single line and exits with code 2. It is a `ValueError`, so that general code
can catch it without importing auricle.
"""

from __future__ import annotations


class AuricleError(ValueError):
    """An invalid input; the message quotes the invalid value and says what is valid."""
