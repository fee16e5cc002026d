"""The lock of a folder: held by one process, named to the others, free once its process has ended in any way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from auricle.errors import AuricleError
from auricle.runs.folder_lock import folder_lock, lock_path

HOLD = """
import sys, time
from auricle.runs.folder_lock import folder_lock
with folder_lock(sys.argv[1], "test"):
    print("held", flush=True)
    time.sleep(60)
"""


def held_elsewhere(folder):
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_refused_until_the_first_is_killed(tmp_path):
    process = held_elsewhere(tmp_path)
    with pytest.raises(AuricleError) as refused, folder_lock(tmp_path, "test"):
        pass
    for part in (str(tmp_path), f"process {process.pid} on {socket.gethostname()}"):
        assert part in str(refused.value)
    process.kill()
    process.wait()
    with folder_lock(tmp_path, "test"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_another_name_and_another_folder_are_free(tmp_path):
    with folder_lock(tmp_path / "new", "test"), folder_lock(tmp_path / "new", "other"), folder_lock(tmp_path, "test"):
        assert lock_path(tmp_path / "new", "other").exists()


def test_it_excludes_within_a_process_too(tmp_path):
    refused = pytest.raises(AuricleError, match=f"process {os.getpid()}")
    with folder_lock(tmp_path, "test"), refused, folder_lock(tmp_path, "test"):
        pass
    with folder_lock(tmp_path, "test"):
        pass


def test_a_child_does_not_keep_it(tmp_path):
    """Workers live on for seconds when their parent is killed."""
    with folder_lock(tmp_path, "test"):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
    with folder_lock(tmp_path, "test"):
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.join()


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("content")
    lock_path(tmp_path, "test").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), folder_lock(tmp_path, "test"):
        pass
    assert (tmp_path / "precious").read_text() == "content"


@pytest.mark.parametrize("content", ["", "5", "{}", '{"pid": "x"}', "\x00\xff"])
def test_whatever_its_file_holds_one_line_refuses(tmp_path, content):
    process = held_elsewhere(tmp_path)
    lock_path(tmp_path, "test").write_text(content)
    with pytest.raises(AuricleError, match="in use by another process"), folder_lock(tmp_path, "test"):
        pass
    process.kill()
    process.wait()
