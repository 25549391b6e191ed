"""How a classifier is usually trained: what `training.py` compares ml-run with. Each way is a whole process.

    python benchmarks/usual_training.py WAY TASK.json

`plain`: the Trainer with the settings of transformers' text-classification example: every row padded to max_length,
one evaluation at the end. `dynamic`: the same, each batch padded to its longest row. `simpletransformers`: the library
of that name with its defaults for such texts. The task names files, model, labels and hyper-parameters; the trained
model and `seconds.json` are written to its folder `out`.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

Task = dict[str, Any]


def read(path: str) -> tuple[list[str], list[str]]:
    rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def trainer(task: Task, *, padded: bool) -> float:
    from datasets import Dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        default_data_collator,
        set_seed,
    )

    set_seed(task["seed"])
    labels = task["labels"]
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    tokenizer = AutoTokenizer.from_pretrained(task["model"])
    tokenizer.model_max_length = task["max_length"]
    model = AutoModelForSequenceClassification.from_pretrained(task["model"], num_labels=len(labels), **names)

    def encoded(path: str) -> Dataset:
        texts, truth = read(path)
        rows = Dataset.from_dict({"text": texts, "label": [labels.index(label) for label in truth]})
        padding = "max_length" if padded else False
        return rows.map(
            lambda part: tokenizer(part["text"], padding=padding, max_length=task["max_length"], truncation=True),
            batched=True,
            remove_columns="text",
        )

    job = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=task["out"],
            per_device_train_batch_size=task["batch_size"],
            num_train_epochs=task["epochs"],
            learning_rate=task["learning_rate"],
            seed=task["seed"],
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=encoded(task["train"]),
        eval_dataset=encoded(task["val"]),
        processing_class=tokenizer,
        data_collator=default_data_collator if padded else DataCollatorWithPadding(tokenizer),
    )
    start = time.perf_counter()
    job.train()
    seconds = time.perf_counter() - start
    job.save_model()
    job.evaluate()
    return seconds


def simpletransformers(task: Task) -> float:
    import pandas as pd
    from simpletransformers.classification import ClassificationModel
    from transformers import AutoConfig, AutoTokenizer

    texts, truth = read(task["train"])
    model = ClassificationModel(
        "auto",
        task["model"],
        num_labels=len(task["labels"]),
        use_cuda=False,
        args={
            "max_seq_length": task["max_length"],
            "train_batch_size": task["batch_size"],
            "num_train_epochs": task["epochs"],
            "learning_rate": task["learning_rate"],
            "manual_seed": task["seed"],
            "output_dir": task["out"],
            "cache_dir": f"{task['out']}/cache",
            "overwrite_output_dir": True,
            "use_multiprocessing": False,
            "silent": True,
        },
    )
    start = time.perf_counter()
    model.train_model(pd.DataFrame({"text": texts, "labels": [task["labels"].index(label) for label in truth]}))
    seconds = time.perf_counter() - start
    config = AutoConfig.from_pretrained(task["out"])
    config.id2label = dict(enumerate(task["labels"]))
    config.save_pretrained(task["out"])
    tokenizer = AutoTokenizer.from_pretrained(task["out"])
    tokenizer.model_max_length = task["max_length"]
    tokenizer.save_pretrained(task["out"])
    return seconds


WAYS = {
    "plain": lambda task: trainer(task, padded=True),
    "dynamic": lambda task: trainer(task, padded=False),
    "simpletransformers": simpletransformers,
}


def main() -> None:
    task: Task = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    seconds = WAYS[sys.argv[1]](task)
    Path(task["out"], "seconds.json").write_text(json.dumps(seconds))


if __name__ == "__main__":
    main()
