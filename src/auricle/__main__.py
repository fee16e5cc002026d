"""The command line: `auricle VERB`; see `auricle.commands.parser`.

Fields of a verb's options that are not keyword-only are positional; the docstring is the help. Options may be written
with hyphens or underscores, read from a YAML file (`--config`), and printed as YAML (`--print_config`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from auricle.errors import AuricleError

BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; for invalid input it prints one line and exits with code 2."""
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except AuricleError as error:
        print(f"auricle: {error}", file=sys.stderr)
        code = BAD_INPUT
    except BrokenPipeError:
        code = 0
    except OSError as error:
        print(f"auricle: {error.filename or ''}: {error.strerror or error}".replace(": : ", ": "), file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        print("auricle: interrupted; run the same command again to resume", file=sys.stderr)
        code = 130
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Parse the arguments and run the verb; returns the exit code."""
    from auricle import __version__
    from auricle.commands.parser import parse
    from auricle.readers import yaml_text

    if arguments[:1] == ["--version"]:
        print(f"auricle {__version__}")
        return 0
    parsed = parse(arguments)
    if parsed is None:
        return 0
    verb, options, only_printed = parsed
    if only_printed:
        print(yaml_text(options.settings()), end="")
        return 0
    return verb.run(options)


if __name__ == "__main__":
    main()
