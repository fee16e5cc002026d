"""The one kind of error that is the user's to mend.

The command line prints its message as a single line and exits with code 2; from Python it is a
`ValueError`, so code that guards against bad values catches it without knowing auricle.
"""

from __future__ import annotations


class AuricleError(ValueError):
    """A bad input, described in words that quote the offending value and say what would be right."""
