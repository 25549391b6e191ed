"""A transformer of a few thousand weights, and rows for it."""

import torch
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

SHAPE = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}


def small_model(rate=0.1, hidden=0.0):
    torch.manual_seed(0)
    return XLMRobertaForSequenceClassification(
        XLMRobertaConfig(**SHAPE, attention_probs_dropout_prob=rate, hidden_dropout_prob=hidden)
    )


def batch():
    tokens = torch.randint(5, 50, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(tokens)
    mask[1, 7:] = 0
    return {"input_ids": tokens.where(mask.bool(), torch.tensor(1)), "attention_mask": mask}
