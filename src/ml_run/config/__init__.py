"""`ml_config.yaml`: its sections as frozen types (here), reading it with every fault at once (`config.file`)."""

from ml_run.config.sections import (
    ComputeConfig,
    Config,
    DataConfig,
    DeploymentConfig,
    GateConfig,
    ModelConfig,
    RegistryConfig,
    ReportsConfig,
    TrackingConfig,
    TrainingConfig,
)

__all__ = [
    "ComputeConfig",
    "Config",
    "DataConfig",
    "DeploymentConfig",
    "GateConfig",
    "ModelConfig",
    "RegistryConfig",
    "ReportsConfig",
    "TrackingConfig",
    "TrainingConfig",
]
