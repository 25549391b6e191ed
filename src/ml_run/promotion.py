"""Promotion: the alias `production` and the pointer `current` change together, or not at all.

The alias is the commit point. Before it moves, everything that can fail has been done, and a note says what is about to
happen; after it has moved, what is left (alias `previous`, pointer, history) can be repeated by anybody who reads the
note. A process killed at any moment leaves old or new whole, and the next start finishes or drops the rest.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ml_run import deployments, files, tracking
from ml_run.deployments import Change, ProductionModel
from ml_run.errors import ProductionChangedError, StoreError, UsageError
from ml_run.events import emit, utc_now
from ml_run.results import Deployment

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.config import Config


def refuse_if_changed(config: Config, project: Path, expected: str | None, experiment_id: str) -> None:
    """Raise StoreError, before any work is done, if promotion would be refused: production is no longer `expected`.

    A production model that `experiment_id` itself became is no reason: that run is only being walked again.
    """
    now = tracking.aliases(config, project).get(tracking.PRODUCTION)
    if now == expected:
        return
    if now is None or tracking.version_tags(config, project, now).get(tracking.EXPERIMENT_ID) != experiment_id:
        raise _changed(config, project, expected, now, f"ml-run --resume {experiment_id}")


def promote(config: Config, project: Path, change: Change) -> None:
    """Make `change.version`, whose verified folder is in place, the production model.

    Compare-and-set: refused unless production is still `change.previous`. Doing it again is harmless.

    Raises:
        StoreError: production changed meanwhile, the folder is damaged, or the store failed; production is unchanged.
    """
    with deployments.locked(project):
        _finish_interrupted(config, project)
        _check_folder(project, change)
        before = tracking.aliases(config, project).get(tracking.PRODUCTION)
        if before == change.version:
            deployments.switch(project, change.version)
            return
        if before != change.previous:
            again = f"ml-run --resume {change.experiment}" if change.action == "deploy" else "ml-run rollback"
            raise _changed(config, project, change.previous, before, again)
        deployments.write_intent(project, change)
        _move_alias(config, project, change)
        _follow(config, project, change)


def _changed(config: Config, project: Path, expected: str | None, now: str | None, again: str) -> StoreError:
    return ProductionChangedError(
        f"production changed meanwhile: it was {_name(expected)}, it is {_name(now)}",
        where=f"alias {tracking.PRODUCTION} of {tracking.registered_name(config, project)}",
        remedy=f"to decide against the model that is in production now: {again}",
    )


def _move_alias(config: Config, project: Path, change: Change) -> None:
    try:
        tracking.point_alias(config, project, tracking.PRODUCTION, change.version)
        files.crash_point()
    except StoreError:
        # The call may have arrived although its answer did not. Where that cannot be known, the note stays.
        if tracking.aliases(config, project).get(tracking.PRODUCTION) == change.version:
            return
        deployments.clear_intent(project)
        raise


def _follow(config: Config, project: Path, change: Change) -> None:
    """Do what comes after the alias has moved.

    First what needs no store, so that a store that fails now delays only the alias `previous`; the note stays until
    that is right, too.
    """
    deployments.switch(project, change.version)
    deployments.append_history(project, change)
    try:
        if change.previous is not None:
            tracking.point_alias(config, project, tracking.PREVIOUS, change.previous)
            files.crash_point()
        if tracking.aliases(config, project).get(tracking.CANDIDATE) == change.version:
            tracking.point_alias(config, project, tracking.CANDIDATE, None)
    except StoreError as error:
        emit("warning", f"{error}; the alias `previous` is set at the next start", level=logging.WARNING)
        return
    deployments.clear_intent(project)


def _check_folder(project: Path, change: Change) -> None:
    folder = deployments.version_folder(project, change.version)
    fault = files.manifest_fault(folder)
    if fault or files.folder_digest(folder) != change.digest:
        raise StoreError(
            f"the copy of version {change.version} is damaged: {fault or 'it is another model'}",
            where=str(folder),
            remedy="delete the folder; it is made again",
        )


# --- after a crash ----------------------------------------------------------------------------------------------------


def recover(config: Config, project: Path) -> None:
    """Finish or drop a promotion that a killed process left half done. Costs one look when there is none.

    Raises:
        StoreError: the store failed, so that it cannot be known how far the promotion got.
    """
    if deployments.intent(project) is not None:
        with deployments.locked(project):
            _finish_interrupted(config, project)


def _finish_interrupted(config: Config, project: Path) -> None:
    change = deployments.intent(project)
    if change is None:
        return
    if tracking.aliases(config, project).get(tracking.PRODUCTION) == change.version:
        _follow(config, project, change)
        done = "finished"
    else:
        deployments.clear_intent(project)
        done = "dropped; production is unchanged"
    emit(
        "warning",
        f"a deployment of version {change.version} had been cut off: {done}",
        level=logging.WARNING,
        version=change.version,
    )


# --- production, and the way back -------------------------------------------------------------------------------------


def production(config: Config, project: Path) -> ProductionModel | None:
    """The model that is in production now, on this machine; None while there is none.

    Read from the registry; fetched from its artefacts where this machine has no whole copy. While the store is away,
    what `current` points at is taken instead, with a warning; promotion still asks the registry.

    Raises:
        StoreError: there is a production model, but no whole copy of it can be had.
    """
    try:
        recover(config, project)
        version = tracking.aliases(config, project).get(tracking.PRODUCTION)
    except StoreError as error:
        return _last_known(project, error)
    return _local_copy(config, project, version) if version else None


def _last_known(project: Path, error: StoreError) -> ProductionModel | None:
    version = deployments.current_version(project)
    folder = deployments.version_folder(project, version) if version else None
    if version is None or folder is None or files.manifest_fault(folder):
        emit("warning", f"{error.found}: there is no knowing what is in production", level=logging.WARNING)
        return None
    emit("warning", f"{error.found}: production is taken to be version {version}", level=logging.WARNING)
    return ProductionModel(version, folder)


def _local_copy(config: Config, project: Path, version: str) -> ProductionModel:
    """A copy of a registered version that is, file by file, what was registered."""
    folder = deployments.version_folder(project, version)
    digest = tracking.version_tags(config, project, version).get(tracking.DIGEST)
    if files.manifest_fault(folder) or files.folder_digest(folder) != digest:
        tracking.download_model(config, project, version, folder)
    return ProductionModel(version, folder)


def rollback(config: Config, project: Path) -> Deployment:
    """Make the version that was production before the production model again.

    The two change places, so that a rollback can itself be taken back.

    Raises:
        UsageError: no version was in production before.
        StoreError: the store or the copy of that version failed; production is unchanged.
    """
    recover(config, project)
    pointing = tracking.aliases(config, project)
    now, before = pointing.get(tracking.PRODUCTION), pointing.get(tracking.PREVIOUS)
    if now is None or before is None:
        raise UsageError(
            "there is no previous production model to go back to",
            where=f"registered model {tracking.registered_name(config, project)}",
            remedy="ml-run list shows the runs; ml-run deploy ID promotes one that passed",
        )
    model = _local_copy(config, project, before)
    change = Change(
        action="rollback",
        version=before,
        previous=now,
        digest=files.folder_digest(model.folder),
        time=utc_now(),
        experiment=tracking.version_tags(config, project, before).get(tracking.EXPERIMENT_ID),
    )
    promote(config, project, change)
    return Deployment(
        action="deployed",
        reason=f"rolled back from version {now} to version {before}",
        version=before,
        folder=model.folder.relative_to(project).as_posix(),
        previous=now,
        next_step=f"to take this back: ml-run rollback (version {now})",
    )


def _name(version: str | None) -> str:
    return f"version {version}" if version else "none"
