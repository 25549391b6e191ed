"""`ml-run doctor`: is this machine fit for what the config asks, each answer with its remedy. Changes nothing."""

from ml_run.fitness.examine import examine
from ml_run.fitness.record import Check, Fitness
from ml_run.fitness.screen import fitness_screen

__all__ = ["Check", "Fitness", "examine", "fitness_screen"]
