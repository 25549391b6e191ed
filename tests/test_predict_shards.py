"""`ml-run predict` of many files, in shards that workers write: here and on Ray, the same bytes, whatever is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import make_rows, write_jsonl
from harness import QUIET, REMOVED, Command
from ml_run.errors import UsageError
from ml_run.predicting import compute_of
from predicting_harness import lines, predict, project_with_model, refusal, told

BAD = ['{"id": "bad", "text": ""}', '{"id": "torn", "te', ""]
INSTALL = "install it: pip install 'ml-run[ray]'"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a trained linear model, in production as version 1."""
    return project_with_model(tmp_path_factory.mktemp("shards"))


def long_rows(count, seed=0):
    """Rows of which 47 make a chunk, cheap to score: texts are long and have few words."""
    texts = (row["text"] for row in make_rows(count, seed))
    return [{"id": f"{seed}-{n}", "text": f"{text} " + "guri gaadhay " * 800} for n, text in enumerate(texts)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder of three files of several chunks, in which bad rows stand, and what is to be passed over."""
    folder = tmp_path_factory.mktemp("source") / "in"
    for seed, (name, count) in enumerate({"a.jsonl": 120, "b/c.jsonl": 60, "d.jsonl": 3}.items()):
        path = write_jsonl(folder / name, long_rows(count, seed))
        path.write_text(path.read_text("utf-8") + "\n".join(BAD), "utf-8")
    for name in (".hidden.jsonl", "old.rejected.jsonl", "README.md"):
        (folder / name).write_text('{"text": "guri"}\n', "utf-8")
    return folder


@pytest.fixture(scope="module")
def whole(project, source, tmp_path_factory):
    """What comes of that folder when nothing disturbs it, and the number of crash points on the way."""
    folder = tmp_path_factory.mktemp("whole")
    trace = folder / "trace"
    done = predict(project, source, folder / "out.jsonl", env={"TRACE_CRASH_POINTS": str(trace)})
    return folder, told(done), len(trace.read_text().splitlines())


# --- many files -------------------------------------------------------------------------------------------------------


def test_every_row_of_every_file_is_there_once_in_order(project, source, whole):
    """File after file by name, each row with its file, line and id; a bad row with its file and reason."""
    folder, result, _ = whole
    names = [os.path.relpath(source / name, project) for name in ("a.jsonl", "b/c.jsonl", "d.jsonl")]
    counts = (120, 60, 3)
    found = lines(folder / "out.jsonl")
    expected = [(name, n + 1, f"{seed}-{n}") for seed, name in enumerate(names) for n in range(counts[seed])]
    assert [(row["file"], row["line"], row["id"]) for row in found] == expected
    left_out = lines(folder / "out.jsonl.rejected.jsonl")
    reasons = [(1, "empty_text"), (2, "unreadable_line")]
    assert [(one["file"], one["line"], one["reason"]) for one in left_out] == [
        (name, count + more, reason) for name, count in zip(names, counts, strict=True) for more, reason in reasons
    ]
    assert (result["rows"], result["reasons"]) == (183, {"empty_text": 3, "unreadable_line": 3})


def test_a_row_says_what_it_says_in_a_file_alone(project, source, whole, tmp_path):
    """A file of a folder, and the same file by itself or behind a URL: the same answers to the last digit."""
    told(predict(project, source / "a.jsonl", tmp_path / "alone.jsonl"))
    told(predict(project, f"file://{source}/a.jsonl", tmp_path / "url.jsonl"))
    together = [row for row in lines(whole[0] / "out.jsonl") if row.pop("file").endswith("a.jsonl")]
    assert together == lines(tmp_path / "alone.jsonl")
    for name in ("{}.jsonl", "{}.jsonl.rejected.jsonl"):
        paths = [tmp_path / name.format(one) for one in ("alone", "url")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_out_may_be_a_folder_with_a_part_for_each_file(project, source, whole, tmp_path):
    """Parts are numbered like the files, and hold together what the one file holds."""
    result = told(predict(project, f"file://{source}", tmp_path / "out"))
    parts = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert parts == ["part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"]
    found = [row for name in parts for row in lines(tmp_path / "out" / name)]
    assert [(row["line"], row["id"], row["predicted"]) for row in found] == [
        (row["line"], row["id"], row["predicted"]) for row in lines(whole[0] / "out.jsonl")
    ]
    assert (result["rows"], len(lines(tmp_path / "out.rejected.jsonl"))) == (183, 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.rejected.jsonl"]


def test_what_cannot_be_read_as_many_files_is_said(project, source, tmp_path):
    """Nothing there, nothing of a known format, or OUT inside of IN: exit 2 before anything is done."""
    (tmp_path / "empty").mkdir()
    cases = {
        (tmp_path / "empty", tmp_path / "out.jsonl"): "there is no such file or folder",
        (f"file://{source}/*.md", tmp_path / "out.jsonl"): "its format is not known",
        (source, source / "out.jsonl"): "IN would be overwritten",
        (source, tmp_path / "out.txt"): "the format of",
    }
    for (place, target), found in cases.items():
        code, _, said, _ = refusal(predict(project, place, target))
        assert (code, said.startswith(found)) == (2, True), said
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("point", [20])
def test_r1_a_killed_job_goes_on_with_the_shards_it_lacks(project, source, whole, tmp_path, point):
    """A kill -9 while shards are written, or put in order: the same command again gives the very bytes."""
    folder, _, points = whole
    assert point < points
    check_resumed(project, source, folder, tmp_path, point)


@pytest.mark.slow
def test_r1_a_kill_at_any_point_of_a_job_in_shards_loses_nothing(project, source, whole, tmp_path):
    """A kill -9 at each instrumented point, then the same command: always the bytes of a job left in peace."""
    for point in range(1, whole[2] + 1):
        (tmp_path / str(point)).mkdir()
        check_resumed(project, source, whole[0], tmp_path / str(point), point)


def check_resumed(project, source, expected, folder, point):
    done = predict(project, source, folder / "out.jsonl", env={"MLRUN_CRASH_AT": str(point)})
    assert done.code == -signal.SIGKILL, f"point {point}: {done.err}"
    told(predict(project, source, folder / "out.jsonl"))
    for name in ("out.jsonl", "out.jsonl.rejected.jsonl"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), f"point {point}: {name}"
    assert sorted(path.name for path in folder.iterdir()) == ["out.jsonl", "out.jsonl.rejected.jsonl"]


def test_shards_of_another_job_are_not_taken(project, source, tmp_path):
    """A job in shards that was killed goes on as itself only; --restart begins anew."""
    done = predict(project, source, tmp_path / "out.jsonl", env={"MLRUN_CRASH_AT": "9"})
    assert done.code == -signal.SIGKILL
    code, _, found, _ = refusal(predict(project, source, tmp_path / "out.jsonl", "--abstain-below", "0.5"))
    assert (code, found) == (
        2, "another job was begun there, shards of it written: --abstain-below is 0.5, it was not set"
    )  # fmt: skip
    result = told(predict(project, source, tmp_path / "out.jsonl", "--abstain-below", "0.5", "--restart"))
    assert (result["resumed_after"], result["rows"]) == (0, 183)


# --- without Ray ------------------------------------------------------------------------------------------------------

_HIDDEN = "import sys; sys.modules['ray'] = None; from ml_run.__main__ import main; main()"


def without_ray(folder, *args):
    environment = {k: v for k, v in os.environ.items() if k not in REMOVED} | QUIET
    command = [sys.executable, "-c", _HIDDEN, *map(str, args)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False, text=True)
    return done.returncode, done.stderr


def test_without_ray_one_line_names_the_install_command(project, source, tmp_path):
    """A config that asks for Ray is refused as it is checked, and predict before it reads: exit 2."""
    code, said = without_ray(project, "check-config", "--set", "compute.engine=ray")
    assert code == 2
    assert f"compute.engine is ray, and Ray is not installed\n  → {INSTALL}" in said
    code, said = without_ray(project, "predict", source, tmp_path / "out.jsonl", "--engine", "ray")
    assert (code, said) == (2, f"✘ --engine ray: Ray is not installed\n  → {INSTALL}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("spark", 1, 0, "local"), "--engine spark cannot be"),
        (("ray", 0, 0, "local"), "--workers 0 cannot be"),
        (("ray", 1, -1, "local"), "--gpus -1 cannot be"),
        (("ray", 1, 0, "10.0.0.1"), "--address 10.0.0.1 cannot be"),
        (("local", 3, 0, "local"), "--workers, --gpus and --address go with --engine ray"),
    ],
)
def test_an_option_that_means_nothing_is_refused(arguments, found):
    """Each with the value that was written, before Ray is asked for."""
    with pytest.raises(UsageError) as refused:
        compute_of(*arguments)
    assert refused.value.found == found


# --- on Ray -----------------------------------------------------------------------------------------------------------


LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""A cluster that no other machine can reach."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "target"), [("linear", "out.jsonl"), ("linear", "out.csv"), ("scratch:tiny", "out.parquet")]
)
def test_on_ray_the_bytes_are_those_of_this_process(source, tmp_path, model, target):
    """One file by two workers of a cluster, and by this process alone: OUT and its rejects are the same files."""
    pytest.importorskip("ray")
    project = project_with_model(tmp_path / "project", model)
    told(predict(project, source / "a.jsonl", tmp_path / f"here-{target}"))
    result = predict(project, source / "a.jsonl", tmp_path / target, "--engine", "ray", "--workers", "2")
    assert told(result)["rows"] == 120
    for name in (target, f"{target}.rejected.jsonl"):
        assert (tmp_path / name).read_bytes() == (tmp_path / f"here-{name}").read_bytes()
    left = sorted(path.name for path in tmp_path.iterdir() if path.name != "project")
    assert left == sorted(f"{before}{target}{end}" for before in ("", "here-") for end in ("", ".rejected.jsonl"))


@pytest.fixture(scope="module")
def many(project, tmp_path_factory):
    """200,000 short rows in four files, one of them bad in each 10,000, and what this process makes of them."""
    folder = tmp_path_factory.mktemp("many")
    texts = [row["text"] for row in make_rows(600, 5)]
    for number in range(4):
        rows = [{"id": f"{number}-{n}", "text": texts[n % 600]} for n in range(50_000)]
        write_jsonl(folder / f"in/{number}.jsonl", [row if n % 10_000 else {"id": n} for n, row in enumerate(rows)])
    result = told(predict(project, folder / "in", folder / "here.jsonl", timeout=1800))
    assert (result["rows"], result["reasons"]) == (199_980, {"missing_field": 20})
    return folder


def begun(project, many, target, *args, env=None):
    """A job on Ray that has written some shards, and not all."""
    command = Command(
        ("predict", many / "in", target, "--engine", "ray", "--quiet", "--json", *args), project, env
    )  # fmt: skip
    shards = target.with_name(f".{target.name}.ml-run") / "shards"
    deadline = time.monotonic() + 900
    while len(list(shards.glob("*/0*.json"))) < 8 and command.alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert command.alive(), command.wait().err
    return command


def check_every_row_once(many, target):
    """OUT and its rejects are, byte for byte, what this process makes of all rows."""
    for end in ("", ".rejected.jsonl"):
        assert (target.parent / f"{target.name}{end}").read_bytes() == (many / f"here.jsonl{end}").read_bytes()
    found = [(row["file"][-7:], row["line"]) for row in lines(target)]
    assert found == [(f"{number}.jsonl", n + 1) for number in range(4) for n in range(50_000) if n % 10_000]


@pytest.mark.slow
def test_a_node_that_dies_loses_no_row_and_doubles_none(project, many, tmp_path, monkeypatch):
    """Three nodes score 200,000 rows; one is killed in the middle; every row is there once, in its order."""
    for name, value in LOOPBACK.items():
        monkeypatch.setenv(name, value)
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        env = {"RAY_ADDRESS": cluster.address, **LOOPBACK}
        command = begun(project, many, tmp_path / "out.jsonl", "--address", "auto", "--workers", "3", env=env)
        cluster.remove_node(nodes[0], allow_graceful=False)
        result = told(command.wait(1800))
    finally:
        cluster.shutdown()
    assert (result["rows"], result["rejected"]) == (199_980, 20)
    check_every_row_once(many, tmp_path / "out.jsonl")


@pytest.mark.slow
def test_a_driver_that_dies_is_followed_by_one_that_goes_on(project, many, tmp_path):
    """Kill -9 of the process that asked; the same command again goes on with the shards that lack."""
    pytest.importorskip("ray")
    begun(project, many, tmp_path / "out.jsonl", "--workers", "2").kill()
    done = predict(project, many / "in", tmp_path / "out.jsonl", "--engine", "ray", "--workers", "2", timeout=1800)
    assert 0 < told(done)["resumed_after"] < 199_980
    check_every_row_once(many, tmp_path / "out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.rejected.jsonl"]
