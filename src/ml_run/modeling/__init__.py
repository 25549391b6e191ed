"""What the train stage needs: baselines, from-scratch models, checkpoints, scoring."""
