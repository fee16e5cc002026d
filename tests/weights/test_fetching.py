"""Fetching from a server that cuts, changes, lies, or is not there."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest

from auricle.errors import AuricleError
from auricle.published import PublishedFile, fetching
from auricle.published.fetching import fetch
from loopback import Site, serving

CONTENT = np.random.default_rng(0).bytes(100_000)
OTHER = np.random.default_rng(1).bytes(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_PAUSE_S", 0.001)
    monkeypatch.setattr(fetching, "_BLOCK", 4096)
    for name in ("AURICLE_MIRROR", "AURICLE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def published(site: Site, sha256: str = SHA256, size: int | None = len(CONTENT), **more: str) -> PublishedFile:
    return PublishedFile("model.pt", f"{site.address}/model.pt", size, sha256, **more)


@pytest.fixture
def site():
    with serving(Site({"/model.pt": CONTENT})) as site:
        yield site


def test_a_whole_file_is_fetched_at_once(site: Site, tmp_path: Path):
    assert fetch(published(site), tmp_path).read_bytes() == CONTENT
    assert site.asked == [("/model.pt", "")]


@pytest.mark.parametrize("tag", ['"1"', ""])
@pytest.mark.parametrize("ranges", [True, False])
def test_cut_connections_are_gone_on_with(site: Site, tmp_path: Path, tag: str, ranges: bool):
    """Where the server serves no parts, the file is begun again; what arrives is whole either way."""
    site.cuts, site.tag, site.ranges = [30_000, 20_000, 0, 1], tag, ranges
    assert fetch(published(site), tmp_path).read_bytes() == CONTENT
    asked = [int(span.removeprefix("bytes=").removesuffix("-") or 0) for _, span in site.asked]
    expected = [0, 30_000, 50_000, 50_000, 50_001] if ranges else [0, 30_000, 20_000, 0, 1]
    assert asked == expected


def test_a_later_call_goes_on_where_an_earlier_one_was_ended(site: Site, tmp_path: Path):
    site.cuts = [40_000] + fetching.ATTEMPTS * [0]
    with pytest.raises(AuricleError, match="the same command goes on from there"):
        fetch(published(site), tmp_path)
    site.cuts = []
    site.asked.clear()
    assert fetch(published(site), tmp_path).read_bytes() == CONTENT
    assert site.asked == [("/model.pt", "bytes=40000-")]


def test_another_version_meanwhile_is_fetched_from_the_beginning(site: Site, tmp_path: Path):
    """The file has changed between the two answers: parts of both must not be joined."""
    site.cuts = [40_000] + fetching.ATTEMPTS * [0]
    site.files["/model.pt"] = OTHER
    with pytest.raises(AuricleError, match="goes on from there"):
        fetch(published(site, sha256=""), tmp_path)
    site.cuts, site.tag = [], '"2"'
    site.files["/model.pt"] = CONTENT
    assert fetch(published(site, sha256=""), tmp_path).read_bytes() == CONTENT


def test_without_a_checksum_and_a_version_nothing_is_joined(site: Site, tmp_path: Path):
    site.tag = ""
    site.cuts = [40_000]
    assert fetch(published(site, sha256=""), tmp_path).read_bytes() == CONTENT
    assert [span for _, span in site.asked] == ["", ""]


@pytest.mark.parametrize(
    "known",
    [
        {"sha256": hashlib.sha256(OTHER).hexdigest()},
        {"sha256": "", "md5": hashlib.md5(OTHER).hexdigest()},
        {"sha256": "", "git_blob": "0" * 40},
        {"size": len(CONTENT) + 1},
    ],
)
def test_wrong_bytes_are_not_kept(site: Site, tmp_path: Path, known: dict):
    with pytest.raises(AuricleError, match=r"is not the published model\.pt: its .* nothing is kept"):
        fetch(published(site, **known), tmp_path)
    assert not list(tmp_path.iterdir())


def test_gits_checksum_is_that_of_git(site: Site, tmp_path: Path):
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    found = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True).stdout.strip()
    assert fetch(published(site, sha256="", git_blob=found), tmp_path / "to").read_bytes() == CONTENT


@pytest.mark.parametrize("lengths", [True, False])
def test_more_bytes_than_published_are_not_read(site: Site, tmp_path: Path, lengths: bool):
    site.lengths = lengths
    with pytest.raises(AuricleError, match=r"more than the 50,000"):
        fetch(published(site, size=50_000), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.part")) <= 50_000


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_refusal_is_one_line(site: Site, tmp_path: Path, status: int):
    site.status = status
    with pytest.raises(AuricleError, match=rf"/model\.pt: {status} ") as caught:
        fetch(published(site), tmp_path)
    assert "\n" not in str(caught.value)
    assert len(site.asked) == 1


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path):
    with serving(Site()) as site:
        file = published(site)
    with pytest.raises(AuricleError, match="the connection failed") as caught:
        fetch(file, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname"])
def test_an_address_is_never_a_file_of_this_computer(site: Site, tmp_path: Path, monkeypatch, address: str):
    with pytest.raises(AuricleError, match="an address begins with https"):
        fetch(PublishedFile("x", address), tmp_path)
    site.redirect = address
    with pytest.raises(AuricleError):
        fetch(published(site, sha256="", size=None), tmp_path)
    assert not list(tmp_path.glob("*.part"))


def test_a_mirror_has_the_files_by_their_names(site: Site, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AURICLE_MIRROR", f"{site.address}/weights/")
    site.files = {"/weights/a%3D1.pt": CONTENT}
    file = PublishedFile("a=1.pt", "https://nowhere.invalid/a", len(CONTENT), SHA256)
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_a_proxy_is_asked(site: Site, tmp_path: Path, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("http_proxy", site.address)
    site.files = {"http://weights.invalid/model.pt": CONTENT}
    file = PublishedFile("model.pt", "http://weights.invalid/model.pt", len(CONTENT), SHA256)
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_offline_and_without_an_address_nothing_is_asked(site: Site, tmp_path: Path, monkeypatch):
    with pytest.raises(AuricleError, match=r"get it from https://page, and give it by --from FILE"):
        fetch(PublishedFile("x", page="https://page"), tmp_path)
    monkeypatch.setenv("AURICLE_OFFLINE", "1")
    with pytest.raises(AuricleError, match="cannot be fetched offline"):
        fetch(published(site), tmp_path)
    assert not site.asked
    assert not list(tmp_path.iterdir())
