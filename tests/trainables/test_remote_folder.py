"""Files below a URI: whole or not at all, and the old one until it is the new one."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from trainables.remote_folder import RemoteFolder


@pytest.fixture
def there(tmp_path):
    return RemoteFolder.at(f"file://{tmp_path}/shared")


def test_a_file_that_is_put_again_is_the_old_one_until_it_is_whole(there, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    there.write("sub/file", b"old")
    with ThreadPoolExecutor() as threads:
        putting = threads.submit(there.put, pipe, "sub/file")
        with pipe.open("wb") as content:  # opens once it is read from
            content.write(b"n")
            content.flush()
            time.sleep(0.2)  # a writer that is slower than this shows less, and no error
            assert there.read("sub/file") == b"old"
            assert there.names() == ["sub/file"]
            content.write(b"ew")
        putting.result()
    assert there.read("sub/file") == b"new"


def test_what_a_killed_writer_left_is_no_file_and_goes_with_all(there, tmp_path):
    there.write("file", b"x")
    (tmp_path / "shared" / ".file.0123abcd.new").write_bytes(b"half")
    assert there.names() == ["file"]
    there.delete_all()
    assert not (tmp_path / "shared").exists()
