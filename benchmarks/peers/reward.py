"""One reward model by TRL's trainer, in its own environment: `reward.py JOB`, a line of JSON comes out.

The network is the same decoder with the same weights to begin with; loss, batches, schedule and the choice of a step
are TRL's and transformers' own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models
from transformers import EarlyStoppingCallback, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import SequenceClassifierOutput
from trl import RewardConfig, RewardTrainer

from conjure import artifact
from conjure.models.reward import Judge


class Config(PretrainedConfig):
    model_type = "judge"


class Judged(PreTrainedModel):
    """A decoder with a head at the last real token, as transformers' sequence classifiers are."""

    config_class = Config

    def __init__(self, config: Config, judge: Judge):
        super().__init__(config)
        self.judge, self.vocab = judge, judge.trunk.space.vocab

    def forward(self, input_ids, attention_mask, **_) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.judge(input_ids.clamp(max=self.vocab - 1), attention_mask.bool()))


def tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    """Tokens are numbers; only padding is asked of it, which is the one after the last."""
    made = Tokenizer(models.WordLevel({f"t{k}": k for k in range(vocab + 2)}, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token=f"t{vocab}", eos_token=f"t{vocab + 1}")


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(1)
    torch.manual_seed(job["seed"])
    started = time.process_time()
    trunk = artifact.load(job["writer"]).model
    words = tokenizer(trunk.space.vocab)
    model = Judged(Config(num_labels=1, pad_token_id=words.pad_token_id), Judge(trunk, 1))
    parts = [Dataset.from_list([{"chosen_ids": a, "rejected_ids": b} for a, b in job[k]]) for k in ("train", "held")]
    with tempfile.TemporaryDirectory() as folder:
        args = RewardConfig(
            output_dir=folder, num_train_epochs=job["epochs"], per_device_train_batch_size=job["batch"],
            per_device_eval_batch_size=256, learning_rate=job["rate"], weight_decay=job["decay"], warmup_steps=0.05,
            lr_scheduler_type="cosine", eval_strategy="epoch", save_strategy="epoch", save_total_limit=1,
            load_best_model_at_end=True, metric_for_best_model="eval_loss", greater_is_better=False,
            report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False, seed=job["seed"],
            max_length=None, save_only_model=True, disable_tqdm=True, logging_strategy="epoch",
        )  # fmt: skip
        trainer = RewardTrainer(
            model, args, train_dataset=parts[0], eval_dataset=parts[1], processing_class=words,
            callbacks=[EarlyStoppingCallback(job["patience"])],
        )  # fmt: skip
        trainer.train()
        losses = [line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line]
    found = []
    with torch.no_grad():
        for start in range(0, len(job["test"]), 256):
            rows = job["test"][start : start + 256]
            x = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
            real = torch.zeros(x.shape, dtype=torch.bool)
            for k, row in enumerate(rows):
                x[k, : len(row)], real[k, : len(row)] = torch.tensor(row), True
            found += trainer.model.judge(x, real)[:, 0].tolist()
    print(json.dumps({"rewards": found, "losses": losses, "cpu_seconds": time.process_time() - started}))


if __name__ == "__main__":
    main()
