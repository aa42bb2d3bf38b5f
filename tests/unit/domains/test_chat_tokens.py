"""Which tokens of a conversation are learnt, token by token, and how conversations share rows."""

from __future__ import annotations

import pytest
import torch

from conjure.core.errors import ConfigError, DataError
from conjure.core.space import Tokens
from conjure.domains.chat.codec import ChatCodec
from conjure.domains.chat.packing import best_fit, cut_at_turns
from conjure.models.llm import LLM

TALKS = [
    [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what is a cat"},
        {"role": "assistant", "content": "a small animal"},
        {"role": "user", "content": "and a dog"},
        {"role": "assistant", "content": "another animal"},
    ],
    [{"role": "user", "content": "say a"}, {"role": "assistant", "content": "a"}],
]
# A template with words of its own, trimmed contents, and another end: nothing that ChatML does.
LLAMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}{% else %}<<{{ m.content }}>>{% endif %}"
    "{% endfor %}"
)
REWRITING = (
    "{% for m in messages %}{{ m.role }}:{% if m.role == 'assistant' and not loop.last %}...{% else %}{{ m.content }}"
    "{% endif %}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def codec(**settings) -> ChatCodec:
    return ChatCodec.learn(TALKS * 5, ChatCodec.Config(**{"context": 128, "vocab": 300, **settings}))


def learnt(made: ChatCodec, talk) -> list[str]:
    """The stretches of text whose tokens count."""
    (ids, counts), found, last = made.tokens([talk])[0], [], False
    for token, counted in zip(ids.tolist(), counts.tolist()):
        if counted:
            found = [*found[:-1], [*found[-1], token]] if last else [*found, [token]]
        last = counted
    return [made.tokenizer.join(part, special=True) for part in found]


def test_the_assistants_words_count_and_the_token_that_ends_them_and_no_other():
    made = codec()
    assert learnt(made, TALKS[0]) == ["a small animal<|im_end|>", "another animal<|im_end|>"]
    ids, counts = made.tokens([TALKS[0]])[0]
    whole = made.tokenizer.join(ids.tolist(), special=True)
    assert whole.startswith("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nwhat is a cat<|im_end|>\n")
    assert whole.endswith("<|im_start|>assistant\nanother animal<|im_end|>\n")
    assert not counts[-1]


def test_an_answer_follows_the_very_tokens_of_its_prompt():
    made = codec()
    ids, counts = made.tokens([TALKS[0]])[0]
    first = int(counts.argmax())
    assert ids[:first].tolist() == made.prompt(TALKS[0][:2])


def test_another_template():
    made = codec()
    made.template = LLAMA
    assert learnt(made, TALKS[0]) == ["a small animal<|im_end|>", "another animal<|im_end|>"]


def test_an_answer_that_trims_is_found_by_rendering():
    made = codec()
    made.template = made.template.replace("message['content']", "message['content'] | trim")
    talk = [TALKS[1][0], {"role": "assistant", "content": " a \n"}]
    assert learnt(made, talk) == ["a<|im_end|>"]


def test_a_template_that_rewrites_earlier_turns_is_refused_by_name():
    made = codec()
    made.template = REWRITING
    assert learnt(made, TALKS[1]) == ["a<|im_end|>"]
    with pytest.raises(DataError, match=r"conversation 1: .*message 3 otherwise"):
        made.tokens([TALKS[0]])


def test_special_tokens_in_what_people_write_are_the_templates_business_alone():
    found = learnt(codec(), [TALKS[1][0], {"role": "assistant", "content": "x <|im_end|> y"}])
    assert found == ["x <|im_end|> y<|im_end|>"]


def test_a_row_a_conversation_for_scores():
    made = codec()
    encoded = made.encode(TALKS)
    assert encoded.x.shape == encoded.mask.shape
    assert encoded.parts is None
    assert len(encoded.x) == 2
    assert [int(n) for n in encoded.mask.sum(1)] == [int(counts.sum()) for _, counts in made.tokens(TALKS)]
    assert made.counted(TALKS).tolist() == encoded.mask.sum(1).tolist()


def test_packed_rows_hold_every_token_once():
    made = codec(pack=120)
    talks = TALKS * 7
    packed = made.pack(talks)
    assert packed.x.shape[1] == 121
    assert len(packed.x) < len(talks)
    items = sorted(tuple(ids.tolist()) for ids, _ in made.tokens(talks))
    found = []
    for x, parts in zip(packed.x, packed.parts):
        found += [tuple(x[parts == n].tolist()) for n in parts.unique() if n >= 0]
    assert sorted(found) == items
    assert int(packed.mask.sum()) == sum(int(counts.sum()) for _, counts in made.tokens(talks))


def test_no_document_sees_another():
    """Packed together they cost what they cost alone, and a change in one leaves the others as they were."""
    made = codec(pack=128)
    torch.manual_seed(0)
    model = LLM(Tokens(made.space.vocab, (128,), None, True), None, LLM.Config(layers=2, width=16, heads=2))
    packed, alone = made.pack(TALKS), made.encode(TALKS)
    assert len(packed.x) == 1
    counts = alone.mask[:, 1:].sum()
    together = model.mean_nats(packed.x.long(), None, packed.mask, packed.parts)
    apart = -model.log_prob(alone.x.long(), None, alone.mask).sum() / counts
    torch.testing.assert_close(together, apart)
    parts = packed.parts[0, :-1]
    hidden = model._hidden(packed.x[:, :-1].long(), None, parts=packed.parts[:, :-1])
    other = packed.x.long().clone()
    other[0, 3] = (other[0, 3] + 1) % 256
    changed = model._hidden(other[:, :-1], None, parts=packed.parts[:, :-1])
    differ = ((hidden - changed).abs().sum(-1) > 0)[0]
    assert differ[3]
    assert not differ[parts != parts[3]].any()


def test_a_windowed_model_sees_no_further_in_packed_rows():
    made = codec(pack=128)
    torch.manual_seed(0)
    model = LLM(Tokens(made.space.vocab, (128,), None, True), None, LLM.Config(layers=1, width=16, heads=2, window=5))
    packed, alone = made.pack(TALKS), made.encode(TALKS)
    together = model.mean_nats(packed.x.long(), None, packed.mask, packed.parts)
    apart = -model.log_prob(alone.x.long(), None, alone.mask).sum() / alone.mask[:, 1:].sum()
    torch.testing.assert_close(together, apart)


def test_learned_places_begin_anew_in_each_document():
    made = codec(pack=128)
    torch.manual_seed(0)
    shape = Tokens(made.space.vocab, (128,), None, True)
    model = LLM(shape, None, LLM.Config(layers=1, width=16, heads=2, positions="learned"))
    packed, alone = made.pack(TALKS), made.encode(TALKS)
    together = model.mean_nats(packed.x.long(), None, packed.mask, packed.parts)
    apart = -model.log_prob(alone.x.long(), None, alone.mask).sum() / alone.mask[:, 1:].sum()
    torch.testing.assert_close(together, apart)


def test_recomputed_layers_give_the_same_gradient():
    made = codec(pack=128)
    packed = made.pack(TALKS)
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model = LLM(Tokens(made.space.vocab, (128,), None, True), None, LLM.Config(layers=2, width=16, heads=2))
        model.trunk.recompute = recompute
        model.mean_nats(packed.x.long(), None, packed.mask, packed.parts).backward()
        found.append([p.grad for p in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found))


def test_what_is_longer_than_a_row_goes_on_in_another_after_an_answer():
    made = codec(pack=24)
    whole = len(made.tokens(TALKS)[0][0])
    assert whole > 25
    packed = made.pack(TALKS)
    assert made.notes == ["1 of 2 are longer than a row of 24 tokens (codec.pack) and were cut there."]
    assert int(packed.mask.sum()) == sum(int(counts.sum()) for _, counts in made.tokens(TALKS))
    with pytest.raises(DataError, match=r"conversation 1 has \d+ tokens; the model sees 24"):
        codec(context=24).encode(TALKS)
    short = codec(context=48)
    assert all(len(ids) <= 48 and counts.any() for ids, counts in short.tokens(short.adapt(TALKS)))


def test_rows_are_few_and_cuts_lie_behind_answers():
    assert sorted(map(sorted, best_fit([5, 3, 2, 5, 5], 10))) == [[0, 3], [1, 2, 4]]
    counts = torch.tensor([0, 0, 1, 1, 0, 0, 1, 0, 0]).bool().numpy()
    assert [(s.start, s.stop) for s in cut_at_turns(counts, 6)] == [(0, 4), (4, 9)]
    assert [(s.start, s.stop) for s in cut_at_turns(counts[:2].repeat(4), 6)] == [(0, 6), (6, 8)]


def test_documents_are_a_stream_alone_and_apart_in_company():
    made = codec(pack=16)
    alone = made.pack(["a cat and a dog " * 20])
    assert alone.window == 16
    assert alone.parts is None
    several = made.pack(["a cat", "a dog", "another animal"])
    assert several.parts is not None
    assert int(several.parts.max()) >= 1
    assert made.tokenizer.join(several.x[0][several.parts[0] == 0].tolist(), special=True).endswith("<|im_end|>")


def test_a_start_keeps_its_tokens_and_may_change_its_rows():
    made = codec()
    assert made.with_settings(ChatCodec.Config(context=128, vocab=300, pack=32)).config.pack == 32
    with pytest.raises(ConfigError, match=r"keeps codec.context, 128"):
        made.with_settings(ChatCodec.Config(context=129, vocab=300))


def test_state_survives_json():
    import json

    made = codec(pack=32)
    again = ChatCodec.from_state(json.loads(json.dumps(made.state())))
    assert again.tokens(TALKS)[0][0].tolist() == made.tokens(TALKS)[0][0].tolist()
    assert again.config == made.config
