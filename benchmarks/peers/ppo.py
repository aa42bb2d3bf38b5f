"""One run of PPO by TRL's trainer, in its own environment: `ppo.py UPDATES RATE KL SEED`; a line of JSON comes out."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time

import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast
from trl.experimental import ppo
from trl.experimental.ppo import ppo_trainer

VOCAB, WANTED, PROMPT, DRAWN, BATCH, EPOCHS = 65, 5, 8, 32, 32, 4
PAD = VOCAB
times: list[float] = []


def tokenizer() -> PreTrainedTokenizerFast:
    """Tokens are numbers; only padding is asked of it."""
    from tokenizers import Tokenizer, models

    made = Tokenizer(models.WordLevel({f"t{k}": k for k in range(VOCAB + 2)}, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token=f"t{PAD}", eos_token=f"t{VOCAB + 1}")


def main() -> None:
    updates, rate, price, seed = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 352}
    config = LlamaConfig(vocab_size=VOCAB + 2, max_position_embeddings=64, pad_token_id=PAD, num_labels=1, **sizes)
    policy, reference = LlamaForCausalLM(config), LlamaForCausalLM(config)
    reference.load_state_dict(policy.state_dict())
    value, judge = LlamaForSequenceClassification(config), LlamaForSequenceClassification(config)
    theirs = ppo_trainer.get_reward

    def reward(model, query_responses, pad_token_id, context_length):
        if model is not judge:
            return theirs(model, query_responses, pad_token_id, context_length)
        times.append(time.process_time())
        share = (query_responses[:, context_length:] == WANTED).float().mean(1)
        return share[:, None], share, torch.full((len(share),), query_responses.shape[1] - 1)

    ppo_trainer.get_reward = reward
    rng = torch.Generator().manual_seed(seed)
    prompts = torch.randint(VOCAB, (1024, PROMPT), generator=rng).tolist()
    with tempfile.TemporaryDirectory() as folder:
        args = ppo.PPOConfig(
            output_dir=folder, per_device_train_batch_size=BATCH, gradient_accumulation_steps=1, num_mini_batches=1,
            num_ppo_epochs=EPOCHS, response_length=DRAWN, total_episodes=updates * BATCH, learning_rate=rate,
            kl_coef=price, temperature=1.0, num_sample_generations=0, report_to="none", save_strategy="no",
            use_cpu=True, seed=seed, logging_steps=1, local_rollout_forward_batch_size=BATCH, bf16=False,
            lr_scheduler_type="constant", vf_coef=1.0, gradient_checkpointing=False,
        )  # fmt: skip
        data = Dataset.from_dict({"input_ids": prompts})
        trainer = ppo.PPOTrainer(
            args, tokenizer(), policy, reference, judge, train_dataset=data, value_model=value, eval_dataset=data
        )
        built = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        trainer.train()
    log = [line for line in trainer.state.log_history if "objective/kl" in line]
    steady = times[2:]
    found = {
        "episodes_a_second": BATCH * (len(steady) - 1) / (steady[-1] - steady[0]),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "grown": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - built) / 1024,
        "curve": [[line["objective/kl"], line["objective/scores"]] for line in log],
        "parameters": sum(p.numel() for p in policy.parameters()),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
