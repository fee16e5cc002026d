"""The script of `auricle completion` completes in bash what the command line takes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import auricle
from auricle.commands import VERBS, every_verb
from auricle.commands.completion import KINDS
from auricle.commands.flags import flags_of
from auricle.published import MODELS

BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "auricle"
    path.write_text(auricle.completion("bash"), encoding="utf-8")
    return path


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("auricle eval", {"evaluate"}),
        ("auricle train ", {"audiomae", "classifier", "enhancer", "separator", "trnet"}),
        ("auricle train classifier --training.ep", {"--training.epochs"}),
        ("auricle train classifier --frontend mel-s", {"mel-spcen"}),
        ("auricle train classifier --optimization.schedule c", {"constant", "cosine"}),
        ("auricle stress runs/a --suite f", {"full"}),
        ("auricle list f", {"frontends"}),
        ("auricle train classifier --init-from efficientat-mn0", {f"efficientat-mn0{n}" for n in (1, 2, 4, 5)}),
        ("auricle train classifier --init-from pyproj", {"pyproject.toml"}),
        ("auricle teach x --model panns", {name for name in MODELS if name.startswith("panns")}),
        ("auricle download cm", {name for name in MODELS if name.startswith("cm")}),
    ],
)
def test_in_bash(typed: str, offered: set[str], script: Path) -> None:
    words = typed.split(" ")
    program = (
        f"source {script}; COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
        '_shtab_auricle; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run([str(BASH), "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"-h", "--help"} == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_verb_is_there(shell: str) -> None:
    text = auricle.completion(shell)
    assert all(name in text for name in VERBS)


def test_names_stand_for_options_that_there_are() -> None:
    assert set(KINDS) <= {flag.key for verb in every_verb().values() for flag in flags_of(verb.options)}
