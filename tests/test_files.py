"""Files that are wholly there or not at all."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from ml_run import files

WRITER = """
import sys
from pathlib import Path
from ml_run import files
folder = Path(sys.argv[1])
files.write_text(folder / "state.txt", "new" * 1000)
with files.atomic_folder(folder / "model") as inside:
    (inside / "weights").write_text("new" * 1000)
print(files.crash_points_passed())
"""


def write(folder, crash_at=0):
    environment = os.environ | {"MLRUN_CRASH_AT": str(crash_at)}
    return subprocess.run([sys.executable, "-c", WRITER, folder], env=environment, capture_output=True, text=True)


def test_a_writer_killed_at_any_point_leaves_old_or_new_never_half(tmp_path):
    """Killing the process at each of its crash points leaves whole files, and the next writer succeeds."""
    points = int(write(tmp_path / "free").stdout)
    assert points >= 5
    for point in range(1, points + 1):
        folder = tmp_path / str(point)
        folder.mkdir()
        (folder / "state.txt").write_text("old")
        assert write(folder, point).returncode == -signal.SIGKILL
        assert (folder / "state.txt").read_text() in {"old", "new" * 1000}
        if (folder / "model").exists():
            assert files.manifest_fault(folder / "model") is None
        assert write(folder).returncode == 0
        assert (folder / "model/weights").read_text() == "new" * 1000


def test_sweep_removes_what_a_killed_writer_left(tmp_path):
    """Half-written temporary files and folders go, everything else stays."""
    write(tmp_path / "a", crash_at=1)
    (tmp_path / "a/.hidden").write_text("mine")
    assert list((tmp_path / "a").glob(".*.tmp"))
    files.sweep(tmp_path / "a")
    assert [f.name for f in (tmp_path / "a").iterdir()] == [".hidden"]


def test_a_folder_that_is_replaced_is_never_lost(tmp_path):
    """Killed at any point of a replacement, even between its two renames, old or new is whole once it is swept."""
    points = int(write(tmp_path / "free").stdout) + 1
    seen = set()
    for point in range(1, points + 1):
        folder = tmp_path / str(point)
        with files.atomic_folder(folder / "model") as inside:
            (inside / "weights").write_text("old")
        assert write(folder, point).returncode == -signal.SIGKILL
        files.sweep(folder)
        assert files.manifest_fault(folder / "model") is None
        assert [f.name for f in folder.iterdir() if f.name.startswith(".")] == []
        seen.add((folder / "model/weights").read_text()[:3])
    assert seen == {"old", "new"}


def test_a_replacement_that_fails_puts_the_old_folder_back(tmp_path):
    """When the second rename cannot be done, the old folder is in place again and nothing is left beside it."""
    with files.atomic_folder(tmp_path / "model") as inside:
        (inside / "weights").write_text("old")
    with pytest.raises(FileNotFoundError):
        files.replace_folder(tmp_path / "not there", tmp_path / "model")
    assert files.manifest_fault(tmp_path / "model") is None
    assert [f.name for f in tmp_path.iterdir()] == ["model"]


def test_sweep_goes_through_a_tree_and_takes_only_what_is_its_own(tmp_path):
    """Below, too; but sealed folders, files named otherwise and links are not touched."""
    ours = [tmp_path / "logs/.run.log.ab_12xyz.tmp", tmp_path / "a/b/.x.12345678.tmp", tmp_path / ".m.abcdefgh.old"]
    others = [
        tmp_path / ".x.tmp",
        tmp_path / "a/x.12345678.tmp",
        tmp_path / ".y.123.old",
        tmp_path / "a/.z.12345678.bak",
    ]
    sealed = tmp_path / "model/.w.12345678.tmp"
    for path in (*ours, *others, sealed):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "m").write_text("newer")
    (tmp_path / "model/manifest.json").write_text("{}")
    (tmp_path / ".link.12345678.tmp").symlink_to(tmp_path / "a")
    files.sweep(tmp_path)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in (*others, sealed, tmp_path / ".link.12345678.tmp"))
    files.sweep(tmp_path / "missing")


def test_sweep_leaves_what_a_live_process_is_writing(tmp_path):
    """Two runs share a folder of deployments: neither takes the other's half-written copy away."""
    with files.atomic_folder(tmp_path / "3") as folder, files.atomic_path(tmp_path / "x") as file:
        files.sweep(tmp_path)
        file.write_text("x")
        (folder / "weights").write_text("w")
    assert (tmp_path / "x").read_text() == "x"
    assert files.manifest_fault(tmp_path / "3") is None


def test_a_scratch_folder_goes_with_its_block_or_with_the_next_sweep(tmp_path):
    """It is removed as the block ends; one left by a killed process is known to the sweep by its name."""
    with files.scratch_folder(tmp_path, "mlflow") as folder:
        files.sweep(tmp_path)
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []
    code = "import os, sys; from pathlib import Path; from ml_run import files\n"
    code += "with files.scratch_folder(Path(sys.argv[1]), 'mlflow') as folder: (folder / 'x').touch(), os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path]).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    files.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_waited_for_and_then_refused_with_its_holder(tmp_path):
    """A lock given back in time is taken; one that is not ends in the error made of the holder's note."""
    path = tmp_path / ".lock"
    taken = threading.Event()

    def hold():
        with files.locked(path, wait=0, refusal=ValueError) as file:
            file.write("me")
            file.flush()
            taken.set()
            time.sleep(0.3)

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(5)
    assert files.is_locked(path)
    with pytest.raises(ValueError, match=r"^me$"), files.locked(path, wait=0.05, refusal=ValueError):
        pass
    with files.locked(path, wait=10, refusal=ValueError):
        assert files.is_locked(path)
    holder.join()
    assert not files.is_locked(path)
    assert not files.is_locked(tmp_path / "none")


def test_a_failing_block_changes_nothing(tmp_path):
    """An exception while writing leaves the old file and no temporary one."""
    files.write_text(tmp_path / "x", "old")
    with pytest.raises(IsADirectoryError), files.atomic_path(tmp_path / "x") as temporary:
        _write_half(temporary)
    assert [f.name for f in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "weights").unlink(), "weights is missing"),
        (lambda f: (f / "weights").write_text("short"), "weights has 5 bytes, 12 were written"),
        (lambda f: (f / "weights").write_text("NEWnewnewnew"), "weights was changed after it was written"),
        (lambda f: (f / "code.py").write_text("evil"), "code.py does not belong there"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is not readable"),
    ],
)
def test_the_manifest_finds_every_kind_of_damage(tmp_path, damage, said):
    """A missing, truncated, changed or added file is named; an untouched folder has no fault."""
    with files.atomic_folder(tmp_path / "model") as inside:
        (inside / "weights").write_text("new" * 4)
    assert files.manifest_fault(tmp_path / "model") is None
    damage(tmp_path / "model")
    assert files.manifest_fault(tmp_path / "model") == said


def _write_half(path):
    path.write_text("half")
    path.parent.read_text()  # a folder: raises


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o000])
def test_files_follow_the_users_mask(tmp_path, mask):
    """Written files have the permissions the user's umask gives, not those of a temporary file."""
    before = os.umask(mask)
    try:
        files.write_text(tmp_path / "x", "text")
        with files.atomic_folder(tmp_path / "model") as inside:
            (inside / "weights").write_text("w")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((tmp_path / "model/weights").stat().st_mode) == 0o666 & ~mask


def test_nan_is_never_written_as_json(tmp_path):
    """JSON that other readers refuse is refused here, and no file appears."""
    with pytest.raises(ValueError, match="Out of range float"):
        files.write_json(tmp_path / "x.json", {"score": float("nan")})
    assert list(tmp_path.iterdir()) == []
