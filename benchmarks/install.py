"""Measure what an installation weighs, and write the page of it.

python benchmarks/install.py results/install/before.toml pyproject.toml --output docs/benchmarks/install.md

The size of a group of dependencies is that of the installed files of all packages that it brings, counted from what is
installed here. Every package of every group must be installed.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from page import DASH, markdown

CORE, DEVELOPMENT = "core", "dev"
MIB = 2**20


def groups(project: Path) -> dict[str, list[Requirement]]:
    """The requirements of the core and of each extra of a pyproject.toml."""
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    texts = {CORE: table["dependencies"], **table.get("optional-dependencies", {})}
    return {name: [Requirement(text) for text in listed] for name, listed in texts.items() if name != DEVELOPMENT}


def brought(requirements: list[Requirement], extras: dict[str, list[Requirement]]) -> set[str]:
    """The names of all packages that these requirements install, in the end."""
    found: set[str] = set()
    waiting = [requirement for requirement in requirements if applies(requirement, frozenset())]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        name, wanted = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        if name == "auricle":
            waiting += [needed for extra in wanted for needed in extras[extra]]
            continue
        found.add(name)
        listed = map(Requirement, distribution(name).requires or ())
        waiting += [needed for needed in listed if applies(needed, wanted)]
    return found


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether the requirement's marker holds here, without an extra or with one of `extras`."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def mebibytes(package: str) -> float:
    """The size of a package's installed files, without compiled caches."""
    files = distribution(package).files or ()
    places = [Path(str(file.locate())) for file in files if file.suffix != ".pyc"]
    return sum(place.stat().st_size for place in places if place.is_file()) / MIB


def weights(project: Path) -> dict[str, tuple[float, int]]:
    """By group, MiB and number of packages: of the core without PyTorch, and what each extra adds to the core."""
    requirements = groups(project)
    core = brought(requirements[CORE], requirements)
    found = {}
    for name, listed in requirements.items():
        packages = brought(listed, requirements) - (core if name != CORE else brought([Requirement("torch")], {}))
        found[name] = sum(map(mebibytes, packages)), len(packages)
    return found


def write(before: dict[str, tuple[float, int]], now: dict[str, tuple[float, int]], command: str) -> str:
    """The page in Markdown."""

    def cells(found: tuple[float, int] | None) -> list[str]:
        return [DASH, DASH] if found is None else [f"{found[0]:.0f}", str(found[1])]

    names = [CORE, *sorted({*before, *now} - {CORE})]
    rows = [
        [f"`auricle[{name}]`" if name != CORE else "`auricle`", *cells(before.get(name)), *cells(now.get(name))]
        for name in names
    ]
    table = markdown(["installed", "before, MiB", "packages", "now, MiB", "packages"], "lrrrr", rows)
    return f"""# What an installation weighs

Written by `{command}` on {datetime.date.today().isoformat()}: Python {platform.python_version()},
{platform.system()}; files of packages as installed, without compiled caches.

`auricle` is what every installation has besides PyTorch and the packages that PyTorch needs; of an extra it is what the
extra adds to that. "Before" is 0.1.0 of 2026-11-27, when ONNX and STOI came with every installation.

{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the page of installed sizes.")
    parser.add_argument("before", type=Path, help="an earlier pyproject.toml")
    parser.add_argument("now", type=Path, help="the present pyproject.toml")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/install.md"), help="the page to write")
    arguments = parser.parse_args()
    try:
        found = weights(arguments.before), weights(arguments.now)
    except PackageNotFoundError as error:
        parser.error(f"{error.name} is not installed here: its size cannot be counted")
    command = shlex.join(["python", "benchmarks/install.py", *sys.argv[1:]])
    arguments.output.write_text(write(*found, command), encoding="utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
