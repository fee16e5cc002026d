"""Damaged and hostile versions of files."""

from __future__ import annotations

import json
import random
import re
import struct

NASTY_TEXTS = (
    "", " ", "nan", "inf", "-1", "0", "1e999", "9" * 400, "null", "true", "[]", "{}", "../../../none/x",
    "/auricle-fuzz-nowhere/x",
    "a\0b", "\ud800", "\u202e", "$\\frac{", "$$", "%s%n", "{0}", "=1+1", "a" * 5000, "é", "e\u0301", "\n", "\r\n", '"',
    "'", ",", ";", "\t", "-", "--help", "CON", ".", "..", "~", "*", "🦉" * 50,
)  # fmt: skip
NASTY_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, 0.0, -0.0, 1e308, 1e-308, float("nan"),
    float("inf"), [], {}, [[]], {"": None}, "x", [1, "a", None], {"class_path": "subprocess.Popen", "init_args": {}},
)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to four random changes of its bytes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(9)
        at = rng.randrange(len(changed) + 1)
        size = min(len(changed) - at, rng.choice((1, 2, 4, 16, 100, 5000)))
        if kind == 0:
            del changed[at:]
        elif kind == 1:
            del changed[at : at + size]
        elif kind == 2:
            changed[at:at] = changed[at : at + size] * rng.choice((1, 2, 50))
        elif kind == 3:
            changed[at : at + size] = rng.randbytes(size)
        elif kind == 4 and size:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 5:
            changed[at : at + 4] = struct.pack("<I", rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)))
        elif kind == 6:
            changed[at:at] = rng.choice(NASTY_TEXTS).encode("utf-8", "surrogatepass")
        elif kind == 7:
            changed[at : at + size] = bytes(size)
        else:
            numbers = list(re.finditer(rb"-?\d+(\.\d+)?", bytes(changed[:100_000])))
            if numbers:
                number = rng.choice(numbers)
                changed[number.start() : number.end()] = rng.choice(
                    (b"-1", b"0", b"99999999999", b"nan", b"1e400", b"x")
                )
    return bytes(changed)


def mutated_text(text: str, rng: random.Random) -> bytes:
    """Text with changes, sometimes in another encoding or without sense."""
    kind = rng.randrange(6)
    if kind == 0:
        return text.encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-16-le")))
    if kind == 1:
        return rng.choice(NASTY_TEXTS).encode("utf-8", "surrogatepass")
    if kind == 2:
        lines = text.splitlines(keepends=True)
        rng.shuffle(lines)
        return "".join(lines[: rng.randint(0, len(lines))]).encode("utf-8", "surrogatepass")
    return mutated(text.encode("utf-8", "surrogatepass"), rng)


def mutated_value(value: object, rng: random.Random) -> object:
    """A JSON value of which one part is another value, is missing, or stands twice."""
    copy = json.loads(json.dumps(value))
    holder, key = _place(copy, rng)
    if holder is None:
        return rng.choice(NASTY_VALUES)
    kind = rng.randrange(4)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.extend(holder * rng.choice((1, 3)))
    elif kind == 2:
        holder[key] = rng.choice(NASTY_TEXTS)
    else:
        holder[key] = rng.choice(NASTY_VALUES)
    return copy


def _place(value: object, rng: random.Random) -> tuple[object, object]:
    """A random container within `value` and a key in it; None if there is none."""
    places: list[tuple[object, object]] = []

    def walk(part: object) -> None:
        members = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, member in members:
            places.append((part, key))
            walk(member)

    walk(value)
    return rng.choice(places) if places else (None, None)


def mutated_table(text: str, rng: random.Random) -> bytes:
    """A CSV table of which one cell, one column or one row is another."""
    if rng.random() < 0.4:
        return mutated_text(text, rng)
    rows = [line.split(",") for line in text.splitlines()] or [[""]]
    row = rng.choice(rows)
    kind = rng.randrange(4)
    if kind == 0:
        row[rng.randrange(len(row))] = rng.choice(NASTY_TEXTS)
    elif kind == 1:
        del row[rng.randrange(len(row)) :]
    elif kind == 2:
        column = rng.randrange(len(rows[0]))
        rows = [[*cells[:column], *cells[column + 1 :]] for cells in rows]
    else:
        rows.append([rng.choice(NASTY_TEXTS) for _ in rows[0]])
    return "\n".join(",".join(cells) for cells in rows).encode("utf-8", "surrogatepass")
