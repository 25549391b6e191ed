from ml_run.config import Config
from ml_run.modeling import memory, scratch


def config(name, **model):
    return Config.model_validate(
        {
            "data": {"train_path": "train.jsonl"},
            "model": {"name": name, "max_length": 128} | model,
            "training": {"batch_size": 16},
        }
    )


def test_the_estimate_follows_from_the_architecture():
    """Memory is a process, twenty bytes a parameter and the activations of a step: 0.93 GB for scratch:tiny."""
    parameters = 3000 * 128 + 2 * (4 * 128**2 + 2 * 128 * 512)
    activations = 2 * 2 * 2048 * 128 * (34 + 5 * 4 * 128 / 128)
    assert memory.needed(config("scratch:tiny")) == 700_000_000 + 20 * parameters + activations
    assert memory.needed(config("scratch:small")) > memory.needed(config("scratch:tiny"))


def test_a_model_in_a_folder_is_not_loaded(tmp_path):
    """Its config alone tells its size; a folder that holds none leaves the question to whoever loads it."""
    tokenizer = scratch.train_tokenizer(["hal laba saddex afar"] * 9, pieces=50, max_length=32)
    model = scratch.build_model("scratch:tiny", tokenizer, 32, id2label={0: "a", 1: "b"}, label2id={"a": 0, "b": 1})
    model.config.save_pretrained(tmp_path)
    found = memory.needed(config(str(tmp_path)))
    assert abs(found - (700_000_000 + 20 * model.num_parameters() + 2 * 2 * 2048 * 128 * 54)) < 2_000
    assert memory.needed(config(str(tmp_path / "none"))) == 0
