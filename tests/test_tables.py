"""`ml-run list` and `show` as they stand on a screen: names of any script and length, 80 and 60 columns."""

import unicodedata

import pytest

from harness import ml_run
from ml_run.experiment import Experiment, write_record
from ml_run.results import (
    CriterionResult,
    Deployment,
    Estimate,
    Registration,
    RunRecord,
    RunResult,
    StageRecord,
)

NAMES = {
    "exp_20261123_051530": "tijaabada lahjadaha Soomaaliga, xogta la kordhiyey",
    "exp_20261123_051530_2": "تجربة اللهجات الصومالية الأولى",
    "exp_20261123_061531": "የመጀመሪያ ሙከራ በአማርኛ ዜና ጽሑፎች",
    "exp_20261123_071532": "20261123_071532",
}
HALF = Estimate(value=0.75, low=0.601, high=0.85)
SCORES = {"accuracy": HALF, "macro_f1": HALF, "weighted_f1": HALF}


@pytest.fixture
def project(tmp_path):
    """Four runs: one that ended badly after its verdict, one that failed its gate, one that passed, one killed."""
    ends = [("interrupted", "INCONCLUSIVE"), ("finished", "FAIL"), ("finished", "PASS"), ("running", None)]
    for (run_id, name), (status, verdict) in zip(NAMES.items(), ends, strict=True):
        experiment = Experiment(tmp_path / "experiments" / run_id)
        said = "ready; 1,422 train, 245 val, 312 test rows in 3 classes, 12 left out"
        stages = {"data": StageRecord(status="finished", started="x", seconds=3.2, message=said)}
        experiment.write_run(
            RunRecord(id=run_id, name=name, status=status, created="2026-11-23T05:15:30.000+00:00", command="ml-run",
                      config_path="ml_config.yaml", stages=stages)
        )  # fmt: skip
        if verdict:
            write_record(experiment.result, result(run_id, name, status, verdict))
    return tmp_path


def result(run_id, name, status, verdict):
    criteria = [
        CriterionResult(
            name=key, metric="macro_f1", direction=">=", threshold=0.825, value=0.75, low=0.601, high=0.85, n=12345,
            verdict=verdict, reason="macro_f1 0.750 misses >= 0.825", straddles=True,
        )
        for key in ("min_f1", "min_class_recall[تجربة اللهجات]")
    ]  # fmt: skip
    folder = f"experiments/{run_id}"
    return RunResult(
        id=run_id, name=name, status=status, exit_code=5, folder=folder, readiness="ready", verdict=verdict,
        reason="macro_f1 0.750 misses >= 0.825 on the value alone: its interval holds the threshold",
        criteria=tuple(criteria), scores={"candidate": SCORES, "production": SCORES}, n_test=12345,
        deployment=Deployment(action="stopped", reason=f"the verdict is {verdict}"),
        registration=Registration(status="sent", tracking_uri="x", model_name="m", run_id="f344a0ec"),
        report=f"{folder}/report.html", next_step=f"open {folder}/report.html",
    )  # fmt: skip


def columns(line):
    """Columns that a terminal gives a line: marks on letters take none, wide letters two."""
    return sum((unicodedata.category(c) != "Mn") * (1 + (unicodedata.east_asian_width(c) in "WF")) for c in line)


def shown(project, width, *words):
    done = ml_run(*words, cwd=project, env={"COLUMNS": str(width)})
    assert done.code == 0, done.err
    assert "\x1b" not in done.out
    assert all(columns(line) <= width for line in done.out.splitlines())
    return done.out


def test_list_in_80_columns(project):
    """Names are cut where they do not fit; a name that is the time of the run is not said twice."""
    assert shown(project, 80, "list") == (
        "id                     name                             outcome       macro-F1\n"
        "exp_20261123_051530    tijaabada lahjadaha Soomaaliga…  INCONCLUSIVE     0.750\n"
        "                                                        interrupted\n"
        "exp_20261123_051530_2  تجربة اللهجات الصومالية الأولى   FAIL             0.750\n"
        "exp_20261123_061531    የመጀመሪያ ሙከራ በአማርኛ ዜና ጽሑፎች         PASS             0.750\n"
        "exp_20261123_071532                                     killed               –\n"
    )


def test_list_in_60_columns(project):
    """In a narrow terminal nothing but names is cut: ids can be copied, outcomes and scores read."""
    assert shown(project, 60, "list") == (
        "id                     name         outcome       macro-F1\n"
        "exp_20261123_051530    tijaabada …  INCONCLUSIVE     0.750\n"
        "                                    interrupted\n"
        "exp_20261123_051530_2  تجربة الله…  FAIL             0.750\n"
        "exp_20261123_061531    የመጀመሪያ ሙከራ…  PASS             0.750\n"
        "exp_20261123_071532                 killed               –\n"
    )


def test_show_in_60_columns(project):
    """Stages, decision, criteria and scores: a value stands above its interval, and no number is cut."""
    told = shown(project, 60, "show", "exp_20261123_051530_2")
    assert told == (
        "stage  status    time\n"
        "data   finished  3.2 s  ready; 1,422 train, 245 val, 312\n"
        "                        test rows in 3 classes, 12 left\n"
        "                        out\n"
        "\n"
        "run       exp_20261123_051530_2  تجربة اللهجات الصومالية\n"
        "          الأولى\n"
        "verdict   FAIL  macro_f1 0.750 misses >= 0.825 on the value\n"
        "          alone: its interval holds the threshold\n"
        "data      ready\n"
        "stopped   the verdict is FAIL\n"
        "registry  sent: MLflow run f344a0ec\n"
        "\n"
        "criterion                 value    needed       n  verdict\n"
        "min_f1                    0.750  >= 0.825  12,345  FAIL ?\n"
        "                    0.601–0.850\n"
        "min_class_recall[ت        0.750  >= 0.825  12,345  FAIL ?\n"
        "جربة اللهجات]       0.601–0.850\n"
        "\n"
        "on 12,345 test rows     accuracy     macro-F1\n"
        "candidate                  0.750        0.750\n"
        "                     0.601–0.850  0.601–0.850\n"
        "production                 0.750        0.750\n"
        "                     0.601–0.850  0.601–0.850\n"
        "\n"
        "report  experiments/exp_20261123_051530_2/report.html\n"
        "next    open experiments/exp_20261123_051530_2/report.html\n"
    )


def test_show_in_80_columns(project):
    """Where there is room a value and its interval stand side by side."""
    told = shown(project, 80, "show", "exp_20261123_051530_2")
    assert "\nmin_f1                         0.750    0.601–0.850  >= 0.825  12,345  FAIL ?\n" in told
    assert "\ncandidate               0.750  0.601–0.850     0.750  0.601–0.850\n" in told
