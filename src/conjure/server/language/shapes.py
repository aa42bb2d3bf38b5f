"""What clients may ask of a language model, field by field, as OpenAI (and, for `Extras`, vLLM) name them."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticSerializationError

from conjure.server.errors import Refusal

Count = Annotated[int, Field(ge=1)]
Choices = Annotated[int, Field(ge=1, le=128)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Bias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
IMPOSSIBLE = {  # fields that ask for what is not there -> what to do instead; absent, null and the harmless value pass
    "functions": (None, "use tools"),
    "function_call": (None, "use tool_choice"),
    "audio": (None, "this server writes text"),
    "web_search_options": (None, "this server reads nothing from the web"),
    "suffix": (None, "text can only be continued at its end"),
    "best_of": (1, "use n, and choose among the answers"),
    "prompt_logprobs": (None, "only what is written has logprobs"),
    "use_beam_search": (False, "answers are drawn token by token"),
    "modalities": (["text"], "this server writes text"),
}


class Fields(BaseModel):
    """Fields of a request; what is not among them is ignored, unless it is a slip of the pen or cannot be had."""

    model_config = ConfigDict(strict=True, extra="allow")

    def ignored(self) -> list[str]:
        """Names of the fields that have no effect; Refusal 400 for one that should have, or for text that is none."""
        try:
            self.model_dump_json()
        except PydanticSerializationError:
            raise Refusal(400, "the text holds half a character (a surrogate by itself, such as \\ud800)") from None
        extra, known = self.model_extra or {}, list(type(self).model_fields)
        for name, value in extra.items():
            if name in IMPOSSIBLE and value not in (None, IMPOSSIBLE[name][0]):
                raise Refusal(400, f"{name} is not supported: {IMPOSSIBLE[name][1]}", param=name, code="unsupported")
            if name not in IMPOSSIBLE and (close := difflib.get_close_matches(name, known, 1, 0.85)):
                raise Refusal(400, f"there is no field {name}: did you mean {close[0]}?", param=name)
        return list(extra)


class StreamOptions(Fields):
    include_usage: bool | None = False


class Extras(Fields):
    """What decides how tokens are drawn, and how many; fields from `top_k` on are beyond OpenAI's."""

    model: str | None = None
    temperature: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] | None = 1.0
    n: Choices | None = 1
    stop: str | list[str] | None = None
    seed: Seed | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    logit_bias: dict[Annotated[str, StringConstraints(pattern=r"^\d+$")], Bias] | None = None
    frequency_penalty: Penalty | None = 0.0
    presence_penalty: Penalty | None = 0.0
    user: str | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = 0
    min_p: Annotated[float, Field(ge=0, le=1)] | None = 0.0
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = 1.0
    stop_token_ids: list[int] | None = None
    ignore_eos: bool | None = False
    truncate_prompt_tokens: Annotated[int, Field(ge=-1)] | None = None


class Function(Fields):
    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Fields):
    type: Literal["function"]
    function: Function


class Named(Fields):
    name: str


class NamedTool(Fields):
    type: Literal["function"]
    function: Named


class Called(Fields):
    name: str
    arguments: str


class Call(Fields):
    id: str | None = None
    type: Literal["function"] | None = "function"
    function: Called


class Message(Fields):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None


class JsonSchema(Fields):
    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class Format(Fields):
    type: Literal["text", "json_object", "json_schema", "regex"]
    json_schema: JsonSchema | None = None
    pattern: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Format:
        if self.type == "json_schema" and (self.json_schema is None or self.json_schema.schema_ is None):
            raise ValueError("type json_schema needs json_schema.schema")
        if self.type == "regex" and self.pattern is None:
            raise ValueError("type regex needs pattern")
        return self


class ChatRequest(Extras):
    messages: list[Message] = Field(min_length=1)
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = True
    response_format: Format | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = 0


Prompt = str | list[int] | list[str] | list[list[int]]


class CompletionRequest(Extras):
    prompt: Prompt
    max_tokens: Count | None = 16
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = False
    response_format: Format | None = None


class EmbeddingRequest(Fields):
    model: str | None = None
    input: Prompt
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: Count | None = None
    user: str | None = None
    truncate_prompt_tokens: Annotated[int, Field(ge=-1)] | None = None


class TokenizeRequest(Fields):
    model: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = None
    tools: list[Tool] | None = None
    add_special_tokens: bool | None = True
    return_token_strs: bool | None = False

    @model_validator(mode="after")
    def _one(self) -> TokenizeRequest:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self


class DetokenizeRequest(Fields):
    model: str | None = None
    tokens: list[int]
