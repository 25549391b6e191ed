"""A project with a trained linear model in production, for tests of `ml-run predict`."""

import json

from conftest import write_project
from harness import ml_run
from ml_run import deployments, files
from ml_run.deployments import Change
from ml_run.experiment import list_experiments


def project_with_model(folder, model="linear"):
    write_project(folder, model={"name": model})
    done = ml_run("to predict with", "--until", "train", "--quiet", cwd=folder)
    assert done.code == 0, done.err
    (run,) = list_experiments(folder)
    put_into_production(folder, run, "1")
    return folder


def put_into_production(project, run, version):
    deployments.root(project).mkdir(parents=True, exist_ok=True)
    folder = deployments.adopt(project, deployments.export(project, run.id, run.model), version)
    deployments.switch(project, version)
    digest = files.folder_digest(folder)
    change = Change(action="deploy", version=version, previous=None, digest=digest, time="", experiment=run.id)
    deployments.append_history(project, change)


def predict(project, source, target, *args, env=None, timeout=180):
    command = ("predict", source, target, "--quiet", "--json", *args)
    return ml_run(*command, cwd=project, env=env, timeout=timeout)


def told(done):
    """The object that a job that came to its end prints."""
    assert done.code == 0, done.err + done.out
    return json.loads(done.out)


def refusal(done):
    (error,) = json.loads(done.out)["errors"]
    return done.code, error["where"], error["found"], error["remedy"]


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
