"""What is told of bytes as they come, joined, is what decoding them all at once gives; stop strings never show."""

from __future__ import annotations

import random

import pytest

from conjure.domains.chat.tokenizer import kit
from conjure.generation.spelling import LETTERS, Spelling, Teller
from tests.unit.generation.tiny import byte_tokenizer, tiny_artifact


def told(parts: list[bytes], stops: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    teller, texts = Teller(stops), []
    for part in parts:
        text, stopped = teller.tell(part)
        texts.append(text)
        if stopped:
            return texts, True
    text, stopped = teller.tell(b"", True)
    return [*texts, text], stopped


def test_letters_are_those_of_byte_level_vocabularies():
    assert set(LETTERS) == set(kit().pre_tokenizers.ByteLevel.alphabet())
    tokenizer = byte_tokenizer()
    for text in ("plain", "naïve", "日本", "🜁\n\t"):
        assert b"".join(Spelling(tiny_artifact().codec)(t) for t in tokenizer.cut(text)) == text.encode()


def test_random_tokens_join_to_what_the_tokenizer_decodes():
    codec, rng = tiny_artifact().codec, random.Random(0)
    spelling = Spelling(codec)
    scraps = ["é", "日", "🜁", "a", "\ufffd", "\x7f"]
    for _ in range(2000):
        ids = [rng.randrange(codec.tokenizer.size) for _ in range(rng.randrange(12))]
        for _ in range(rng.randrange(4)):  # whole characters among the noise, so that their beginnings are common
            at = rng.randrange(len(ids) + 1)
            ids[at:at] = codec.tokenizer.cut(rng.choice(scraps))
        texts, _ = told([spelling(token) for token in ids])
        assert "".join(texts) == codec.tokenizer.join(ids)


def test_no_character_is_told_before_its_last_byte():
    parts = [bytes([b]) for b in "a日🜁é".encode()]
    texts, _ = told(parts)
    assert texts == ["a", "", "", "日", "", "", "", "🜁", "", "é", ""]


@pytest.mark.parametrize("stops", [("abc",), ("b", "ab"), ("\n\n", "日本"), ("aaab", "ba", "\nab")])
def test_stop_strings_end_the_text_wherever_tokens_part_them(stops: tuple[str, ...]):
    rng = random.Random(1)
    for _ in range(1000):
        text = "".join(rng.choice("aabbc\n日本") for _ in range(rng.randrange(14)))
        raw, parts = text.encode(), []
        while raw:
            cut = rng.randint(1, 4)
            parts.append(raw[:cut])
            raw = raw[cut:]
        texts, stopped = told(parts, stops)
        first = min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)
        assert stopped == (first is not None)
        if first is None:
            assert "".join(texts) == text
        else:  # the stop string whose end came first decides, and nothing of it was told
            shown = "".join(texts)
            assert text.startswith(shown)
            assert any(text[len(shown) :].startswith(stop) for stop in stops)


def test_what_could_become_a_stop_string_is_told_once_it_cannot():
    texts, stopped = told([b"x#", b"#", b"y", b"##", b"#"], ("###",))
    assert (texts, stopped) == (["x", "", "##y", "", ""], True)
    texts, stopped = told([b"x##"], ("###",))
    assert (texts, stopped) == (["x", "##"], False)


def test_sentencepiece_names_are_spelled():
    inner = kit().Tokenizer(kit().models.Unigram([("<unk>", 0.0), ("▁the", -1.0), ("<0xE6>", -2.0)], 0, True))
    inner.decoder = kit().decoders.Sequence(
        [kit().decoders.Replace("▁", " "), kit().decoders.ByteFallback(), kit().decoders.Fuse()]
    )
    from conjure.domains.chat.tokenizer import Tokenizer

    codec = tiny_artifact().codec
    codec.tokenizer = Tokenizer(inner.to_str())
    spelling = Spelling(codec)
    assert [spelling(1), spelling(2), spelling(99)] == [b" the", b"\xe6", b""]
