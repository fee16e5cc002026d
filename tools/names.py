"""Write src/auricle/commands/names.json: the names that `auricle list` shows, with their descriptions.

python tools/names.py
"""

from __future__ import annotations

import json

from auricle.commands.names import INDEX, REGISTRIES, registered


def index() -> str:
    """The text of the file."""
    return json.dumps({kind: registered(kind) for kind in REGISTRIES}, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    INDEX.write_text(index(), encoding="utf-8")
    print(f"wrote {INDEX}")
