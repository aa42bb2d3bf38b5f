"""Writes with one library's SmolLM2-135M; prints seconds as JSON. Prompts are tokens, so that all read the same.

    PYTHON language.py LIBRARY WEIGHTS --model PATH --threads N --prompts FILE --tokens N

Wall-clock and CPU-seconds of: the first token of a cold prompt, and one token more at batch 1 and 8 (the time of a
long answer less that of one token). Ours also: eight clients at once and one after the other; the first token of a
second turn, warm and cold; a text that repeats itself, with and without guesses. All take the likeliest token; no end
token stops them.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

Write = Callable[[list[list[int]], int], None]  # prompts, tokens of each answer


def transformers(asked: argparse.Namespace) -> Write:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(asked.threads)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[asked.weights]
    model = AutoModelForCausalLM.from_pretrained(asked.model, torch_dtype=kind).eval()

    @torch.inference_mode()
    def write(prompts: list[list[int]], count: int) -> None:
        x = torch.tensor(prompts)
        how = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False, "pad_token_id": 0}
        made = model.generate(x, attention_mask=torch.ones_like(x), **how)
        assert made.shape[1] == x.shape[1] + count

    return write


def ctranslate2(asked: argparse.Namespace) -> Write:
    import ctranslate2 as lib
    from tokenizers import Tokenizer

    names = Tokenizer.from_file(f"{asked.model}/tokenizer.json").id_to_token
    model = lib.Generator(
        f"{asked.model}/converted", device="cpu", compute_type=asked.weights, intra_threads=asked.threads
    )

    def write(prompts: list[list[int]], count: int) -> None:
        words = [[names(token) for token in prompt] for prompt in prompts]
        how = {"max_length": count, "min_length": count, "sampling_topk": 1, "include_prompt_in_result": False}
        made = model.generate_batch(words, **how)
        assert all(len(m.sequences_ids[0]) == count for m in made)

    return write


def llama_cpp(asked: argparse.Namespace) -> Write:
    from llama_cpp import Llama

    threads = {"n_threads": asked.threads, "n_threads_batch": asked.threads}
    model = Llama(model_path=f"{asked.model}/{asked.weights}.gguf", n_ctx=2048, n_batch=512, verbose=False, **threads)

    def write(prompts: list[list[int]], count: int) -> None:
        for prompt in prompts:  # its Python interface has no batches
            model.reset()
            assert len(list(islice(model.generate(prompt, temp=0.0, reset=False), count))) == count

    return write


class Ours:
    def __init__(self, asked: argparse.Namespace):
        import torch

        from conjure.generation import Request, Writer
        from conjure.models.decoding import Choice
        from conjure.pretrained.opening import load

        torch.set_num_threads(asked.threads)
        self.writer, self.request = Writer(load(asked.model), weights=asked.weights), Request
        self.choice = Choice(temperature=0)

    def one(self, prompt: list[int], count: int, lookup: int = 0) -> list[int]:
        made = self.writer.answer(self.request(prompt, self.choice, limit=count, ends=(), lookup=lookup)).tokens
        assert len(made) == count
        return made

    def __call__(self, prompts: list[list[int]], count: int) -> None:
        threads = [threading.Thread(target=self.one, args=(prompt, count)) for prompt in prompts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


LIBRARIES: dict[str, Callable[[argparse.Namespace], Write]] = {
    "transformers": transformers,
    "ctranslate2": ctranslate2,
    "llama-cpp": llama_cpp,
    "conjure": Ours,
}


def timed(work: Callable[[], Any]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def less(one: dict[str, float], other: dict[str, float], parts: int) -> dict[str, float]:
    return {clock: (one[clock] - other[clock]) / parts for clock in one}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("library", choices=LIBRARIES)
    words.add_argument("weights")
    words.add_argument("--model", required=True)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--prompts", required=True, help="JSON: lists of tokens, no two of which begin alike")
    words.add_argument("--tokens", type=int, default=64)
    asked = words.parse_args()
    with open(asked.prompts) as file:
        prompts = iter(json.load(file))
    write = LIBRARIES[asked.library](asked)
    count = asked.tokens
    write([next(prompts)], 4)
    found: dict[str, Any] = {"first token": timed(lambda: write([next(prompts)], 1))}
    longer = timed(lambda: write([next(prompts)], 1 + count))
    found["a token, batch 1"] = less(longer, found["first token"], count)
    if asked.library != "llama-cpp":
        eight = [[next(prompts) for _ in range(8)] for _ in range(2)]
        first, longer = timed(lambda: write(eight[0], 1)), timed(lambda: write(eight[1], 1 + count))
        found["a token, batch 8"] = less(longer, first, 8 * count)
    if isinstance(write, Ours):
        eight = [[next(prompts)[:32] for _ in range(8)] for _ in range(2)]
        found["eight clients, serial"] = timed(lambda: [write.one(prompt, count) for prompt in eight[0]])
        found["eight clients, at once"] = timed(lambda: write(eight[1], count))
        begun, asking = next(prompts), next(prompts)[:24]
        turn = [*begun, *write.one(begun, count), *asking]
        found["second turn, warm"] = timed(lambda: write([turn], 1))
        other = [*next(prompts), *turn[len(begun) :]]
        found["second turn, cold"] = timed(lambda: write([other], 1))
        again = [*next(prompts)[:32] * 4]
        answers = [write.one(again, 1)]
        for name, lookup in (("a repeated text, plain", 0), ("a repeated text, guessed", 8)):
            found[name] = timed(lambda lookup=lookup: answers.append(write.one(again, count, lookup)))
        assert answers[1] == answers[2]
        write.writer.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
