"""One run of PPO by TRL's trainer, in its own environment: `ppo.py SCALE`, as JSON; a line of JSON comes out."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)
from trl.experimental import ppo
from trl.experimental.ppo import ppo_trainer

VOCAB = 65
times: list[float] = []


def tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    """Tokens are numbers; only padding is asked of it, which is the one after the last."""
    from tokenizers import Tokenizer, models

    made = Tokenizer(models.WordLevel({f"t{k}": k for k in range(vocab + 2)}, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token=f"t{vocab}", eos_token=f"t{vocab + 1}")


def models_of(scale: dict) -> dict:
    """Policy, reference, value model and a stand-in for the reward model; of weights with adapters no reference."""
    sizes = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 352}
    config = LlamaConfig(vocab_size=VOCAB + 2, max_position_embeddings=64, pad_token_id=VOCAB, num_labels=1, **sizes)
    judge = LlamaForSequenceClassification(config)
    if "weights" not in scale:
        policy, reference = LlamaForCausalLM(config), LlamaForCausalLM(config)
        reference.load_state_dict(policy.state_dict())
        return {
            "model": policy,
            "ref_model": reference,
            "reward_model": judge,
            "value_model": LlamaForSequenceClassification(config),
        }
    from peft import LoraConfig, get_peft_model

    how = {"r": scale["rank"], "lora_alpha": scale["alpha"], "target_modules": "all-linear"}
    policy = AutoModelForCausalLM.from_pretrained(scale["weights"], dtype=torch.float32)
    value = AutoModelForSequenceClassification.from_pretrained(scale["weights"], num_labels=1, dtype=torch.float32)
    value.config.pad_token_id = policy.config.vocab_size - 1
    get_peft_model(value, LoraConfig(task_type="SEQ_CLS", **how))  # puts adapters into it, and freezes the rest
    return {
        "model": policy,
        "ref_model": None,
        "reward_model": judge,
        "value_model": value,
        "peft_config": LoraConfig(task_type="CAUSAL_LM", **how),
    }


def main() -> None:
    scale = json.loads(sys.argv[1])
    seed, batch, drawn = scale["seed"], scale["batch"], scale["drawn"]
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    made = models_of(scale)
    judge = made["reward_model"]
    vocab = made["model"].config.vocab_size - 2
    theirs = ppo_trainer.get_reward
    apart, curve = 0.0, []  # seconds that only measure; (distance, reward) of each update

    def reward(model, query_responses, pad_token_id, context_length):
        if model is not judge:
            return theirs(model, query_responses, pad_token_id, context_length)
        nonlocal apart
        now = time.process_time()
        times.append(now - apart)
        share = (query_responses[:, context_length:] == scale["wanted"]).float().mean(1)
        if "weights" not in scale:
            with torch.no_grad():
                both = [made[m](query_responses[:, :-1]).logits.log_softmax(-1) for m in ("model", "ref_model")]
            kl = (both[0].exp() * (both[0] - both[1])).sum(-1)[:, context_length - 1 :].sum(1)
            curve.append([float(kl.mean()), float(share.mean())])
            apart += time.process_time() - now
        return share[:, None], share, torch.full((len(share),), query_responses.shape[1] - 1)

    ppo_trainer.get_reward = reward
    rng = torch.Generator().manual_seed(seed)
    prompts = torch.randint(*scale["tokens"], (1024, scale["prompt"]), generator=rng).tolist()
    with tempfile.TemporaryDirectory() as folder:
        args = ppo.PPOConfig(
            output_dir=folder, per_device_train_batch_size=batch, gradient_accumulation_steps=1, num_mini_batches=1,
            num_ppo_epochs=scale["epochs"], response_length=drawn, total_episodes=scale["updates"] * batch,
            learning_rate=scale["rate"], kl_coef=scale["price"], temperature=1.0, num_sample_generations=0,
            report_to="none", save_strategy="no",
            use_cpu=True, seed=seed, logging_steps=1, local_rollout_forward_batch_size=batch, bf16=False,
            lr_scheduler_type="constant", vf_coef=1.0, gradient_checkpointing=False,
        )  # fmt: skip
        data = Dataset.from_dict({"input_ids": prompts})
        trainer = ppo.PPOTrainer(args, tokenizer(vocab), train_dataset=data, eval_dataset=data, **made)
        built = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        trainer.train()
    steady = times[2:]
    found = {
        "episodes_a_second": batch * (len(steady) - 1) / (steady[-1] - steady[0]),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "grown": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - built) / 1024,
        "curve": curve,
        "parameters": sum(p.numel() for p in made["model"].parameters()),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
