"""The official client finds what it knows: answers, streams, tools, formats, errors that name a field."""

from __future__ import annotations

import base64
import json

import httpx
import jsonschema
import numpy as np
import openai
import pytest
import torch

from conjure.artifact import Artifact, build_model
from conjure.domains.text.codec import TextCodec
from conjure.recipe import Recipe
from tests.unit.server.talking import CLOCK, HELLO, WEATHER, streamed, talking, told, whole
from tests.unit.server.tiny import OPENS, tiny, tokenizer


@pytest.fixture(scope="module")
def served():
    with talking() as found:
        yield found


@pytest.fixture
def client(served):
    return served[1]


@pytest.fixture
def url(served):
    return served[0].url


def refused(client: openai.OpenAI, **asked) -> openai.BadRequestError:
    with pytest.raises(openai.BadRequestError) as caught:
        told(client, **asked)
    return caught.value


def test_models_are_listed_and_found(client):
    assert [m.id for m in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").max_model_len == 512
    with pytest.raises(openai.NotFoundError, match="did you mean 'tiny'") as caught:
        client.models.retrieve("tinny")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"n": 3},
        {"logprobs": True, "top_logprobs": 3},
        {"stop": ["e", "日"]},
        {"temperature": 0.3, "top_p": 0.8, "frequency_penalty": 1.0, "presence_penalty": 0.5, "logit_bias": {"90": 5}},
        {"tools": [WEATHER, CLOCK], "tool_choice": "required", "n": 2},
        {"tools": [WEATHER, CLOCK], "tool_choice": "required", "max_tokens": 150, "parallel_tool_calls": False},
        {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "function", "function": {"name": "clock"}}},
        {"tools": [WEATHER, CLOCK]},
        {"tools": [WEATHER, CLOCK], "tool_choice": "none"},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_a_stream_says_what_the_whole_answer_does(client, asked):
    for seed in (7, 8):
        assert streamed(client, seed=seed, **asked) == whole(client, seed=seed, **asked)


def test_seeds_decide_and_choices_differ(client):
    one, two = whole(client, n=2)
    assert one["content"] != two["content"]
    assert whole(client, n=1)[0] == one
    assert whole(client, seed=8)[0] != one
    assert whole(client, temperature=0, seed=1) == whole(client, temperature=0, seed=2)


def test_usage_adds_up(client):
    endless = {"n": 2, "extra_body": {"ignore_eos": True}}
    answer = told(client, **endless)
    assert answer.usage.completion_tokens == 60
    assert answer.usage.total_tokens == 60 + answer.usage.prompt_tokens
    chunks = list(told(client, **endless, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 60
    assert all(chunk.usage is None for chunk in chunks[:-1])
    again = told(client)
    assert again.usage.prompt_tokens_details.cached_tokens > 0  # the same prompt was just read
    assert again.system_fingerprint == answer.system_fingerprint


def test_stop_strings_end_an_answer_and_are_not_in_it(client):
    free = told(client, max_tokens=200).choices[0].message.content
    letter = free[10]
    stopped = told(client, max_tokens=200, stop=letter).choices[0]
    assert stopped.message.content == free[: free.index(letter)]
    assert stopped.finish_reason == "stop"


def test_logprobs_are_those_of_the_model(client):
    found = told(client, logprobs=True, top_logprobs=5, max_tokens=4).choices[0].logprobs.content
    artifact = tiny()
    prompt = artifact.codec.prompt(HELLO)
    with torch.no_grad():
        logits = artifact.model.read(torch.tensor([prompt]), artifact.model.begin(1))[0].log_softmax(-1)
    best = logits.topk(5)
    assert [o.logprob for o in found[0].top_logprobs] == pytest.approx(best.values.tolist(), abs=1e-4)
    assert bytes(found[0].bytes).decode("utf-8", "replace") == found[0].token
    assert len(found) == 4


def test_calls_fit_their_schemas_however_short_the_answer(client):
    for length in (1, 5, 12, 40, 200):
        for seed in range(4):
            rows = whole(client, tools=[WEATHER, CLOCK], tool_choice="required", max_tokens=length, seed=seed)
            assert rows[0]["tool_calls"]
            assert rows[0]["content"] == ""
            for _, name, arguments in rows[0]["tool_calls"]:
                schema = {"weather": WEATHER["function"]["parameters"], "clock": {"type": "object"}}[name]
                jsonschema.validate(json.loads(arguments), schema)
            assert rows[0]["finish_reason"] in ("tool_calls", "length")


def test_a_stop_string_within_a_call_ends_it_so_that_it_fits(client):
    bias = {"extra_body": {"logit_bias": {str(OPENS): 8}}}
    found = 0
    for seed in range(8):
        row = whole(client, tools=[WEATHER], stop=["days"], max_tokens=60, seed=seed, **bias)[0]
        for _, _, arguments in row["tool_calls"]:
            jsonschema.validate(json.loads(arguments), WEATHER["function"]["parameters"])
            assert row["finish_reason"] == "length"
            found += 1
    assert found


def test_one_tool_by_name_is_called_once(client):
    named = {"type": "function", "function": {"name": "weather"}}
    calls = whole(client, tools=[WEATHER, CLOCK], tool_choice=named, max_tokens=100)[0]
    assert [name for _, name, _ in calls["tool_calls"]] == ["weather"]
    assert calls["finish_reason"] == "tool_calls"
    assert "weather" in str(
        refused(client, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "whether"}})
    )


def test_results_of_tools_can_be_answered(client):
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be short."},
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
    ]
    assert told(client, messages=messages, tools=[CLOCK]).choices[0].message.role == "assistant"
    parts = [{"role": "user", "content": [{"type": "text", "text": HELLO[0]["content"]}]}]
    assert whole(client, messages=parts) == whole(client)


def test_formats_hold_the_whole_answer(client):
    schema = {
        "type": "object",
        "properties": {
            "sunny": {"type": "boolean"},
            "days": {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 2},
        },
        "required": ["sunny", "days"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    for seed in range(5):
        answer = told(client, response_format=form, max_tokens=200, seed=seed).choices[0]
        assert answer.finish_reason == "stop"
        jsonschema.validate(json.loads(answer.message.content), schema)
    form = {"type": "regex", "pattern": "[a-c]{3}-[0-9]{2}"}
    body = {"model": "tiny", "messages": HELLO, "response_format": form}
    said = client.post("/chat/completions", body=body, cast_to=httpx.Response).json()["choices"][0]["message"]
    assert len(said["content"]) == 6


def test_a_format_holds_what_is_said_instead_of_a_call(client):
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    kinds = set()
    for seed in range(12):
        for choice in ("auto", "none"):
            asked = {"tools": [CLOCK], "tool_choice": choice, "response_format": form, "seed": seed, "max_tokens": 200}
            row = whole(client, **asked)[0]
            assert row == streamed(client, **asked)[0]
            kinds.add((choice, bool(row["tool_calls"])))
            if row["content"]:
                jsonschema.validate(json.loads(row["content"]), schema)
            else:
                assert row["tool_calls"]
    assert kinds == {("auto", True), ("auto", False), ("none", False)}
    regex = {"type": "regex", "pattern": "a"}
    assert refused(client, tools=[CLOCK], response_format=regex).param == "response_format"


@pytest.mark.parametrize("family", ["decoder", "recurrent"])
def test_writers_of_ones_own_go_on_with_texts(family):
    codec = TextCodec.learn(["the rain in spain\n" * 9], TextCodec.Config(context=32))
    recipe = Recipe("text", family, "likelihood", codec={"context": 32}, model_settings={"width": 16, "layers": 1})
    own = Artifact(recipe, codec, build_model(recipe, codec).eval())
    with talking(artifacts={"own": own}) as (_, client):
        asked = {"model": "own", "prompt": "the rain", "seed": 1, "max_tokens": 12}
        answer = client.completions.create(**asked).choices[0].text
        assert answer == "".join(c.choices[0].text for c in client.completions.create(**asked, stream=True))
        assert set(answer) <= set("the rain in spain\n")
        assert len(client.embeddings.create(model="own", input="rain").data[0].embedding) == 16
        with pytest.raises(openai.BadRequestError, match="has no chat template"):
            client.chat.completions.create(model="own", messages=HELLO)
        with pytest.raises(openai.BadRequestError, match="'Z'"):
            client.completions.create(model="own", prompt="Z")
        with pytest.raises(openai.BadRequestError, match="needs a language model"):
            client.completions.create(**asked, extra_body={"response_format": {"type": "json_object"}})


def test_a_parsed_answer_of_the_client_works(client):
    from pydantic import BaseModel

    class Weather(BaseModel):
        sunny: bool

    found = client.chat.completions.parse(model="tiny", messages=HELLO, response_format=Weather, seed=1, max_tokens=100)
    assert isinstance(found.choices[0].message.parsed, Weather)


def test_completions(client):
    one = client.completions.create(model="tiny", prompt=["the weather", "time"], n=2, seed=1, max_tokens=5, logprobs=2)
    assert [c.index for c in one.choices] == [0, 1, 2, 3]
    assert all(len(c.logprobs.tokens) == 5 for c in one.choices)
    ids = tokenizer().cut("time")
    tokens = client.completions.create(model="tiny", prompt=ids, n=2, seed=1, max_tokens=5)
    assert [c.text for c in tokens.choices] == [c.text for c in one.choices[2:]]
    texts = ["", "", "", ""]
    for chunk in client.completions.create(
        model="tiny", prompt=["the weather", "time"], n=2, seed=1, max_tokens=5, stream=True
    ):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == [c.text for c in one.choices]
    echoed = client.completions.create(model="tiny", prompt="time", seed=1, max_tokens=5, echo=True)
    assert echoed.choices[0].text == "time" + one.choices[2].text


def test_embeddings_are_means_of_states_of_length_one(client):
    found = client.embeddings.create(model="tiny", input=["the weather", "time", "the weather"])
    vectors = np.array([row.embedding for row in found.data])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors[0] == pytest.approx(vectors[2])
    model, ids = tiny().model, torch.tensor([tokenizer().cut("time")])
    with torch.no_grad():
        state = model._hidden(ids, None)[0].mean(0)
    assert vectors[1] == pytest.approx((state / state.norm()).numpy(), abs=1e-5)
    plain = client.embeddings.create(model="tiny", input="time", encoding_format="float")
    packed = client.post(
        "/embeddings", body={"model": "tiny", "input": "time", "encoding_format": "base64"}, cast_to=httpx.Response
    ).json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(packed), "<f4") == pytest.approx(plain.data[0].embedding)
    with pytest.raises(openai.BadRequestError, match="this model's vectors have 32"):
        client.embeddings.create(model="tiny", input="time", dimensions=8)


def test_tokens_there_and_back(url):
    found = httpx.post(f"{url}/tokenize", json={"prompt": "naïve 日本", "return_token_strs": True}).json()
    assert found["count"] == len(found["tokens"]) == len(found["token_strs"])
    assert httpx.post(f"{url}/detokenize", json={"tokens": found["tokens"]}).json() == {"prompt": "naïve 日本"}
    chat = httpx.post(f"{url}/tokenize", json={"messages": HELLO}).json()
    assert chat["tokens"] == tiny().codec.prompt(HELLO)
    assert httpx.post(f"{url}/tokenize", json={"prompt": "a", "messages": HELLO}).status_code == 400
    assert "token 400000" in httpx.post(f"{url}/detokenize", json={"tokens": [400000]}).text


def test_a_long_conversation_is_refused_or_cut_and_said_so(client):
    long = [
        {"role": "system", "content": "Be short."},
        *[
            m
            for n in range(40)
            for m in ({"role": "user", "content": f"{n} days"}, {"role": "assistant", "content": "rain"})
        ],
        *HELLO,
    ]
    error = refused(client, messages=long)
    assert error.code == "context_length_exceeded"
    assert "truncate_prompt_tokens" in str(error)
    whole_length = len(tiny(context=4096).codec.prompt(long))
    cut = told(client, messages=long, extra_body={"truncate_prompt_tokens": -1})
    assert cut.truncated_prompt_tokens == whole_length - cut.usage.prompt_tokens
    assert cut.truncated_prompt_tokens > 0
    assert cut.usage.prompt_tokens + 30 <= 512
    first = next(iter(told(client, messages=long, stream=True, extra_body={"truncate_prompt_tokens": 100})))
    assert first.truncated_prompt_tokens >= whole_length - 100
    assert told(client, extra_body={"truncate_prompt_tokens": 300}).truncated_prompt_tokens == 0


def test_ten_megabytes_of_prompt_are_refused_at_once(client):
    import time

    begun = time.monotonic()
    error = refused(client, messages=[{"role": "user", "content": "x y " * (10 << 18)}])
    assert error.code == "context_length_exceeded"
    assert time.monotonic() - begun < 5
    with pytest.raises(openai.BadRequestError, match="10,485,760 characters"):
        client.completions.create(model="tiny", prompt="x y " * (10 << 18))


@pytest.mark.parametrize(
    ("asked", "param", "sentence"),
    [
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "messages[0].role", "assistant"),
        ({"messages": [{"role": "wizard", "content": "Hi"}]}, "messages[0].role", "'user'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]", "image_url"),
        ({"temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"temperature": "warm"}, "temperature", "number"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 100}, "n", "100 answers"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"top_logprobs": 3}, "top_logprobs", "needs logprobs"),
        ({"logit_bias": {"999999": 1}}, "logit_bias", "token 999999"),
        ({"tool_choice": "required"}, "tool_choice", "no tools"),
        ({"tools": [CLOCK, CLOCK]}, "tools", "two tools are called 'clock'"),
        ({"functions": []}, "functions", "use tools"),
        ({"extra_body": {"temprature": 1}}, "temprature", "did you mean temperature"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "json_schema.schema"),
    ],
)
def test_a_mistake_is_named(client, asked, param, sentence):
    error = refused(client, **asked)
    assert sentence in str(error)
    assert error.param == param


def function(schema) -> dict:
    return {"type": "function", "function": {"name": "f", "parameters": schema}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3, "maximum": 2}}, "required": ["a"]},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}},
        {"type": "object", "properties": {"a": {"type": "strnig"}}},
        {"type": "array"},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
    ],
)
def test_a_schema_that_nothing_fits_is_refused_by_name(client, schema):
    error = refused(client, tools=[CLOCK, function(schema)], tool_choice="required")
    assert "f" in str(error)
    assert error.param.startswith("tools[1]")
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    if schema != {"type": "array"}:
        assert refused(client, response_format=form).param == "response_format"


def test_fields_without_effect_are_named_in_a_header(url):
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 1, "store": False, "metadata": {}, "service_tier": "auto"}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body)
    assert answer.status_code == 200
    assert answer.headers["x-ignored-fields"] == "store, metadata, service_tier"


def test_what_is_no_request_gets_a_sentence(url):
    place, kind = f"{url}/v1/chat/completions", {"content-type": "application/json"}
    for content in (b"", b"{", b"[1]", b"\xff\xfe", b'{"messages": "\xff"}', b"null", b'{"messages": [{}]}'):
        answer = httpx.post(place, content=content, headers=kind)
        assert answer.status_code == 400, content
        assert answer.json()["error"]["message"]
    lone = httpx.post(place, content=b'{"messages":[{"role":"user","content":"\\ud800"}],"max_tokens":2}', headers=kind)
    assert lone.status_code == 400
    assert httpx.post(f"{url}/v1/completions", json={"prompt": ""}).json()["error"]["param"] == "prompt"
    assert httpx.post(f"{url}/v1/completions", json={"prompt": []}).status_code == 400
    assert httpx.post(f"{url}/v1/completions", json={"prompt": [-1]}).json()["error"]["param"] == "prompt"
