"""Every Python that auricle is for, asked one after the other.

python tools/pythons.py

Each requirement has a wheel for it, and which of the extras' are built from source is said; the sources compile with
its interpreter; and where torch has a wheel without CUDA for it, auricle's own wheel is installed and used
(`try_wheel`). Ends with 1 where one of this fails.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPILE = """
from pathlib import Path
for path in Path("src").rglob("*.py"):
    compile(path.read_bytes(), str(path), "exec")
"""


def main() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    torch = (ROOT / "constraints.txt").read_text(encoding="utf-8").strip() + "+cpu"
    failed = False
    for version in re.findall(r"Python :: (3\.\d+)", project):
        core, extras = (without_wheel(names, version) for names in requirements(project))
        failed |= tell(version, "requirements with a wheel", f"not {core}" if core else "all")
        tell(version, "of the extras with a wheel", f"all but {extras}" if extras else "all")
        python = interpreter(version)
        if python is None:
            tell(version, "sources and wheel", "no interpreter here")
            continue
        failed |= tell(version, "sources compile", run(python, "-c", COMPILE) or "yes")
        if has_wheel(torch, version):
            failed |= tell(version, "auricle's wheel works", run(sys.executable, "tools/try_wheel.py", python) or "yes")
        else:
            tell(version, "auricle's wheel works", "not tried: no torch without CUDA here")
    sys.exit(failed)


def requirements(project: str) -> list[list[str]]:
    """What auricle depends on, and what its extras do; without development's tools."""
    runtime = project[project.index("\ndependencies = [") : project.index("\ndev = [")]
    parts = runtime.split("[project.optional-dependencies]")
    return [[name for name in re.findall(r'"([^"]+)"', part) if not name.startswith("auricle")] for part in parts]


def without_wheel(names: list[str], version: str) -> str:
    return ", ".join(name for name in names if not has_wheel(name, version))


def has_wheel(requirement: str, version: str) -> bool:
    """Whether pip finds a wheel for that Python; nothing is installed, and no dependency is looked at."""
    with tempfile.TemporaryDirectory() as folder:
        target = ["--only-binary", ":all:", "--python-version", version, "--target", folder]
        return not run(sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", *target, requirement)


def interpreter(version: str) -> str | None:
    """An interpreter of that version that runs: on the path, or one of pyenv's."""
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    candidates = [str(path) for path in installed] + [shutil.which(f"python{version}") or ""]
    return next((python for python in candidates if python and not run(python, "-c", "")), None)


def run(*command: str) -> str:
    """The last line of what a failing command says, nothing where it succeeds."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else ([*(done.stdout + done.stderr).splitlines(), "failed"])[-1]


def tell(version: str, what: str, answer: str) -> bool:
    """Print one line; true where the answer is a failure."""
    print(f"{version:5} {what:28} {answer}", flush=True)
    return answer not in ("yes", "all") and not answer.startswith("not tried")


if __name__ == "__main__":
    main()
