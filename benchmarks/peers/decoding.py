"""Writes tokens with one library's decoder of 10.65 M parameters and random weights; prints CPU-seconds as JSON.

    PYTHON decoding.py ours|nanogpt|transformers BATCH [--nanogpt DIR] [--weights fp32|int8]

The first of the runs in a process is warm-up. Only the writing is counted: no start, no building of the model.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import torch

LAYERS, WIDTH, HEADS, LENGTH, VOCAB = 6, 384, 6, 256, 65
RUNS = 2  # counted, after one that is not


def ours(batch: int, asked: argparse.Namespace) -> Callable[[], object]:
    from conjure.core.space import Tokens
    from conjure.models.decoder import Decoder
    from conjure.models.weights import keep_weights

    config = Decoder.Config(layers=LAYERS, width=WIDTH, heads=HEADS)
    model = Decoder(Tokens(VOCAB, (LENGTH,), stream=True), None, config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    keep_weights(model, asked.weights)
    frame = torch.full((batch, LENGTH), -1)
    frame[:, 0] = 1
    return lambda: model.sample(batch, given=frame)


def nanogpt(batch: int, asked: argparse.Namespace) -> Callable[[], object]:
    sys.path.insert(0, asked.nanogpt)
    from model import GPT, GPTConfig

    config = GPTConfig(
        block_size=LENGTH, vocab_size=VOCAB, n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH, dropout=0.0, bias=False
    )
    model = GPT(config).eval()
    return lambda: model.generate(torch.ones(batch, 1, dtype=torch.long), LENGTH - 1)


def transformers(batch: int, asked: argparse.Namespace) -> Callable[[], object]:
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = {"n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "n_positions": LENGTH, "vocab_size": VOCAB}
    model = GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=1, eos_token_id=None, pad_token_id=0)).eval()
    first = torch.ones(batch, 1, dtype=torch.long)
    how = {"max_new_tokens": LENGTH - 1, "min_new_tokens": LENGTH - 1, "do_sample": True, "top_k": 0, "use_cache": True}
    return lambda: model.generate(first, attention_mask=torch.ones_like(first), **how)


def bandwidth() -> float:
    """Bytes a second that a sum over 256 MB reads."""
    numbers = torch.ones(1 << 26)
    numbers.sum()
    started = time.process_time()
    for _ in range(4):
        numbers.sum()
    return 4 * 4 * len(numbers) / (time.process_time() - started)


@torch.no_grad()
def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("library", choices=("ours", "nanogpt", "transformers"))
    words.add_argument("batch", type=int)
    words.add_argument("--nanogpt", default="")
    words.add_argument("--weights", default="fp32")
    asked = words.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    write = {"ours": ours, "nanogpt": nanogpt, "transformers": transformers}[asked.library](asked.batch, asked)
    write()
    before = bandwidth()
    started = time.process_time()
    for _ in range(RUNS):
        write()
    spent = time.process_time() - started
    speed = RUNS * asked.batch * (LENGTH - 1) / spent
    print(json.dumps({"tokens_a_second": speed, "cpu_seconds": spent, "bandwidth": (before + bandwidth()) / 2}))


if __name__ == "__main__":
    main()
