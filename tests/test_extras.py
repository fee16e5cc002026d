"""Optional packages: a missing one is one line with the command that brings it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import auricle
from auricle.errors import AuricleError
from auricle.exporting.onnx_file import write_onnx
from auricle.extras import EXTRAS, optional, require
from auricle.frontends import create_frontend
from auricle.metrics.signals import stoi

PROJECT = (Path(auricle.__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
INSTALLED_AS = {"sklearn": "scikit-learn"}


@pytest.mark.parametrize("package", EXTRAS)
def test_each_extra_brings_its_packages_and_the_core_brings_none(package, monkeypatch):
    extra = re.search(rf"^{EXTRAS[package]} = \[(.*)\]$", PROJECT, re.MULTILINE)
    name = INSTALLED_AS.get(package, package)
    assert f'"{name}>=' in extra.group(1)
    core = PROJECT.partition("dependencies = [")[2].partition("\n]")[0]
    assert f'"{name}>=' not in core
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AuricleError, match=rf"needs the package {package}: pip install 'auricle\[{EXTRAS[package]}\]'"):
        require(package, "this")


def test_what_is_installed_is_imported():
    assert optional("math", "arithmetic").pi == pytest.approx(3.14159265)


def test_export_and_stoi_name_their_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(AuricleError, match=r"ONNX needs the package onnxscript: pip install 'auricle\[onnx\]'"):
        write_onnx(create_frontend("mel"), tmp_path / "new" / "mel.onnx")
    assert not (tmp_path / "new").exists()
    monkeypatch.setitem(sys.modules, "pystoi", None)
    with pytest.raises(AuricleError, match=r"STOI needs the package pystoi: pip install 'auricle\[speech\]'"):
        stoi([0.0], [0.0], 16000)
