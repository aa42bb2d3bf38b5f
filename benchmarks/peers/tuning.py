"""Steps of LoRA training of one language model on the same tokens: ours, or TRL's SFTTrainer with peft.

Called by benchmarks/finetuning.py in the environment of each. It prints a line of JSON: CPU-seconds of the steps after
the first, and how many real tokens (no padding) they read.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import torch


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("who", choices=["ours", "trl"])
    words.add_argument("folder", type=Path, help="weights/ (Hugging Face) or artifact/ (ours), and talks.jsonl")
    words.add_argument("--steps", type=int, default=3)
    words.add_argument("--rows", type=int, default=2)
    words.add_argument("--length", type=int, default=1024)
    words.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    words.add_argument("--packing", action="store_true")
    words.add_argument("--threads", type=int, default=1)
    asked = words.parse_args()
    torch.set_num_threads(asked.threads)
    print(json.dumps(ours(asked) if asked.who == "ours" else trl(asked)))


def talks(asked: argparse.Namespace) -> list[dict[str, list[int]]]:
    """Token ids and which of them the assistant wrote, shuffled, enough for every step."""
    lines = (asked.folder / "talks.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def figures(marks: list[tuple[float, float, int]], losses: list[float]) -> dict[str, float]:
    """Of (CPU-seconds, wall seconds, tokens so far) after each step, what the steps after the first took."""
    first, last = marks[0], marks[-1]
    tokens = last[2] - first[2]
    return {
        "tokens": tokens,
        "cpu_seconds": last[0] - first[0],
        "wall_seconds": last[1] - first[1],
        "tokens_a_cpu_second": tokens / (last[0] - first[0]),
        "tokens_a_second": tokens / (last[1] - first[1]),
        "losses": losses,
    }


def ours(asked: argparse.Namespace) -> dict[str, float]:
    import numpy as np

    from conjure import artifact
    from conjure.domains.chat.packing import lay_out
    from conjure.domains.protocol import Encoded
    from conjure.objectives.likelihood import Likelihood
    from conjure.training.adapting import adapt
    from conjure.training.data import Examples
    from conjure.training.settings import Training
    from conjure.training.trainer import Trainer

    opened = artifact.load(asked.folder / "artifact")
    items = [(np.array(t["input_ids"], np.int32), np.array(t["assistant_masks"], bool)) for t in talks(asked)]
    x, mask, parts = (torch.from_numpy(a) for a in lay_out(items, asked.length + 1, opened.codec.end))
    lora = {"rank": 16, "alpha": 32.0}
    training = Training(
        steps=asked.steps + 1,
        batch=asked.rows,
        rate=5e-4,
        precision=asked.precision,
        threads=asked.threads,
        validate_every=10**6,
        lora=_lora(lora),
        checkpoint_seconds=1e9,
    )
    adapt(opened.model, training, 0)
    trainer = Trainer(
        Likelihood(opened.model, Likelihood.Config()), training, (Examples(Encoded(x, mask, parts=parts)), None)
    )
    marks, losses, count = [], [], 0
    rows = trainer.examples

    def watch(progress) -> None:
        nonlocal count
        if progress.step == len(marks) + 1:
            count += int((rows.batch(progress.step - 1, asked.rows).parts >= 0).sum())
            marks.append((time.process_time(), time.monotonic(), count))
            losses.append(progress.metrics["loss"])

    trainer.run(watch)
    return figures(marks, losses)


def _lora(settings: dict):
    from conjure.training.settings import Lora

    return Lora(**settings)


def trl(asked: argparse.Namespace) -> dict[str, float]:
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "WANDB_MODE": "disabled"}
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    found = [t for t in talks(asked) if len(t["input_ids"]) <= asked.length]
    data = Dataset.from_list(found)
    config = SFTConfig(
        output_dir=str(asked.folder / "trl"),
        use_cpu=True,
        bf16=asked.precision == "bf16",
        per_device_train_batch_size=asked.rows,
        max_steps=asked.steps + 1,
        max_length=asked.length,
        packing=asked.packing,
        learning_rate=5e-4,
        gradient_checkpointing=False,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        dataloader_num_workers=0,
        disable_tqdm=True,
        seed=0,
    )
    marks, losses, count = [], [], 0

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **more):
            marks.append((time.process_time(), time.monotonic(), count))

        def on_log(self, args, state, control, logs=None, **more):
            if logs and "loss" in logs:
                losses.append(logs["loss"])

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(asked.folder / "weights"),
        args=config,
        train_dataset=data,
        processing_class=PreTrainedTokenizerFast(
            tokenizer_file=str(asked.folder / "weights" / "tokenizer.json"),
            eos_token="<|im_end|>",
            pad_token="<|im_end|>",
        ),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[Clock()],
    )
    step = trainer.training_step

    def counted(model, inputs, *rest, **more):
        nonlocal count
        real = inputs.get("attention_mask")
        count += int(real.sum()) if real is not None else inputs["input_ids"].numel()
        return step(model, inputs, *rest, **more)

    trainer.training_step = counted
    torch.set_num_threads(asked.threads)
    trainer.train()
    return figures(marks, losses)


if __name__ == "__main__":
    main()
