"""What there is, by name: literal tables from a name to "module:attribute", resolved when asked for."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from conjure.core.config import nearest
from conjure.core.errors import ConfigError

DOMAINS = {
    "answers": "conjure.domains.answers.codec:AnswersCodec",
    "audio": "conjure.domains.audio.codec:AudioCodec",
    "table": "conjure.domains.table.codec:TableCodec",
    "linked": "conjure.domains.linked.codec:LinkedCodec",
    "text": "conjure.domains.text.codec:TextCodec",
    "chat": "conjure.domains.chat.codec:ChatCodec",
    "image": "conjure.domains.image.codec:ImageCodec",
    "video": "conjure.domains.video.codec:VideoCodec",
    "pairs": "conjure.domains.pairs.codec:PairsCodec",
    "series": "conjure.domains.series.codec:SeriesCodec",
    "unpaired": "conjure.domains.unpaired.codec:UnpairedCodec",
    "music": "conjure.domains.music.codec:MusicCodec",
}

MODELS = {
    "autoencoder": "conjure.models.autoencoder:Autoencoder",
    "chords": "conjure.models.chords:Chords",
    "circuit": "conjure.models.circuit:Circuit",
    "columns": "conjure.models.columns:AnyOrder",
    "cycle": "conjure.models.cycle:CycleGAN",
    "decoder": "conjure.models.decoder:Decoder",
    "flow": "conjure.models.flow:Flow",
    "forecaster": "conjure.models.forecaster:Forecaster",
    "gan": "conjure.models.gan:Generator",
    "independent": "conjure.models.independent:Independent",
    "llm": "conjure.models.llm:LLM",
    "marginals": "conjure.models.marginals:Marginals",
    "markov": "conjure.models.markov:Markov",
    "pixels": "conjure.models.pixels:Pixels",
    "recurrent": "conjure.models.recurrent:Recurrent",
    "reward": "conjure.models.reward:Reward",
    "seq2seq": "conjure.models.seq2seq:Seq2Seq",
    "vae": "conjure.models.vae:VAE",
    "vq": "conjure.models.vq:VQ",
}

OBJECTIVES = {
    "coding": "conjure.objectives.coding:Coding",
    "counting": "conjure.objectives.counting:Counting",
    "cycle": "conjure.objectives.cycle:Cycle",
    "entropy": "conjure.objectives.entropy:Entropy",
    "expectation": "conjure.objectives.expectation:Expectation",
    "infilling": "conjure.objectives.infilling:Infilling",
    "iwae": "conjure.objectives.iwae:IWAE",
    "elbo": "conjure.objectives.elbo:ELBO",
    "likelihood": "conjure.objectives.likelihood:Likelihood",
    "margins": "conjure.objectives.margins:Margins",
    "orderless": "conjure.objectives.orderless:Orderless",
    "matching": "conjure.objectives.matching:Matching",
    "reconstruction": "conjure.objectives.reconstruction:Reconstruction",
    "smoothing": "conjure.objectives.smoothing:Smoothing",
    "minmax": "conjure.objectives.minmax:MinMax",
    "wasserstein": "conjure.objectives.wasserstein:Wasserstein",
    "dpo": "conjure.objectives.dpo:DPO",
    "ppo": "conjure.objectives.ppo:PPO",
    "ranking": "conjure.objectives.ranking:Ranking",
    "grpo": "conjure.objectives.grpo:GRPO",
}

REPORTS = {  # domain -> function that judges samples of it
    "table": "conjure.metrics.tabular:judge",
    "linked": "conjure.metrics.linked:judge",
    "text": "conjure.metrics.textual:judge",
    "image": "conjure.metrics.pictorial:judge",
    "video": "conjure.metrics.moving:judge",
    "pairs": "conjure.metrics.translated:judge",
    "series": "conjure.metrics.forecasts:judge",
    "unpaired": "conjure.metrics.restyled:judge",
    "audio": "conjure.metrics.audible:judge",
    "music": "conjure.metrics.musical:judge",
    "chat": "conjure.metrics.conversing:judge",
}

JUDGES = {  # domain -> function that judges what itself writes nothing, on a file of people's preferences
    "answers": "conjure.feedback.judging:judge",
}

APPS = {
    "tables": "conjure.apps.tables:APP",
    "text": "conjure.apps.text:APP",
    "images": "conjure.apps.images:APP",
    "video": "conjure.apps.video:APP",
    "translation": "conjure.apps.translation:APP",
    "forecasting": "conjure.apps.forecasting:APP",
    "series": "conjure.apps.series:APP",
    "restyle": "conjure.apps.restyle:APP",
    "music": "conjure.apps.music:APP",
    "audio": "conjure.apps.audio:APP",
    "assistant": "conjure.apps.assistant:APP",
}

COMPOSED = "conjure.composition.latents:Latents"  # the codec of a run through another artifact's codes

TABLES = {"domains": DOMAINS, "models": MODELS, "objectives": OBJECTIVES, "reports": REPORTS, "apps": APPS}
TABLES["judges"] = JUDGES


def resolve(table: str, name: str) -> Any:
    """The object behind a name; ConfigError offers the nearest name for an unknown one."""
    entries = TABLES[table]
    if name not in entries:
        raise ConfigError(f"no {table[:-1]} is called {name!r}: {nearest(name, list(entries))}")
    return _open(entries[name])


def codec(domain: str, composed: bool = False) -> Any:
    """The class of a domain's codec, or of the codec of a composition."""
    return _open(COMPOSED) if composed else resolve("domains", domain)


def _open(entry: str) -> Any:
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)


def part(domain: str, name: str) -> ModuleType:
    """A module of a domain: "corpus", "checks" or "view"."""
    if domain not in DOMAINS:
        raise ConfigError(f"no domain is called {domain!r}: {nearest(domain, list(DOMAINS))}")
    package = DOMAINS[domain].rpartition(".")[0]
    return importlib.import_module(f"{package}.{name}")
