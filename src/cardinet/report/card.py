"""The model card of a classifier: the README.md of its repository on the Hugging Face Hub.

A card has YAML for the Hub, then sentences and tables. It depends only on the model file and the run and has no date,
so the same model has the same card.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import Any

import jinja2

from cardinet.base.amounts import amount
from cardinet.base.documents import parse_toml
from cardinet.base.version import __version__
from cardinet.build.meta import on_meta
from cardinet.measure.counts import Counts, count
from cardinet.networks.document import to_document
from cardinet.networks.family import Named
from cardinet.remote.hub_client import client
from cardinet.report import card_facts as facts
from cardinet.report import number_text
from cardinet.report.markdown import code, fence, visible
from cardinet.runs.folder import RunRecord
from cardinet.runs.model_file import Model
from cardinet.runs.toml_writer import dumps
from cardinet.weights.upload import NEEDS, Target

TASK = "image-classification"
SHOWN_CLASSES = 200
"""The largest number of class names in a card; config.json has all of them."""


@dataclass(frozen=True)
class Content:
    """The content of a card. Unknown facts are None or empty."""

    model: Model
    target: Target
    license: str | None
    counts: Counts
    row: Named | None
    data: facts.Data | None
    results: tuple[facts.Result, ...]
    record: RunRecord | None
    start: facts.InitialWeights | None

    @property
    def name(self) -> str:
        """The name of the repository, without its owner."""
        return self.target.repo.partition("/")[2]


def model_card(model: Model, target: Target, *, license: str | None = None, record: RunRecord | None = None) -> str:
    """The card of a model for a repository, as Markdown. `record` is that of the model's run, if there is one.

    Raises RequestError if huggingface_hub, which writes the YAML, is not installed.
    """
    content = collect(model, target, license, record)
    known = {f.name: getattr(content, f.name) for f in fields(Content)}
    body = _environment().get_template("card.md.j2").render(title=content.name, **known)
    return f"---\n{front_matter(content)}\n---\n\n{body.strip()}\n"


def collect(model: Model, target: Target, license: str | None, record: RunRecord | None) -> Content:
    """The facts about a model. A record with another network or other classes is that of another model: ignore it."""
    if record is not None and (record.spec != _stored(model.spec) or record.classes != model.classes):
        record = None
    p = model.preprocessing
    return Content(
        model=model,
        target=target,
        license=license,
        counts=count(on_meta(model.network), p.crop, p.channels),
        row=facts.trained_network(model.training),
        data=facts.data_facts(model.training.get("data"), len(model.classes)),
        results=facts.results(model.training),
        record=record,
        start=facts.initial_weights(record) if record is not None else None,
    )


def front_matter(content: Content) -> str:
    """The card's YAML, written by the Hub's own client."""
    library = client(NEEDS)
    data = content.data
    evaluations = [
        library.EvalResult(
            task_type=TASK,
            dataset_type=data.dataset or visible(data.name),
            dataset_name=visible(data.name),
            dataset_split=result.split,
            metric_type=kind,
            metric_value=value,
            metric_name=f"{kind} on {amount(result.count, 'picture')}",
        )
        for result in content.results
        for kind, value in result.measures
        if data is not None
    ]
    row = content.row
    about = library.ModelCardData(
        license=content.license,
        library_name="cardinet",
        pipeline_tag=TASK,
        tags=[TASK, *([row.family.lower(), row.id] if row is not None else [])],
        datasets=[data.dataset] if data is not None and data.dataset else None,
        base_model=content.start.base_model if content.start is not None else None,
        metrics=[evaluations[0].metric_type] if evaluations else None,
        model_name=content.name if evaluations else None,
        eval_results=evaluations or None,
    )
    return str(about.to_yaml()).strip()


def recipe_toml(record: RunRecord) -> str:
    """The settings of a run, without the network's description and without paths."""
    network = {key: value for key, value in record.recipe.get("network", {}).items() if key != "spec"}
    data = {key: value for key, value in record.recipe.get("data", {}).items() if key != "source"}
    name = facts.last_name(str(record.recipe.get("name", "")))
    return dumps({**record.recipe, "name": name, "network": network, "data": data})


def _stored(spec: Any) -> Any:
    """A description as run.toml gives it back: without None, which TOML cannot write."""
    return parse_toml(dumps({"spec": to_document(spec)}))["spec"]


@functools.cache
def _environment() -> jinja2.Environment:
    """No automatic escapes, as Markdown is not HTML: the filter `code` marks texts from files."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cardinet.report"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        code=code,
        count=number_text.count,
        short=number_text.short,
        percent=number_text.percent,
        significant=number_text.significant,
    )
    environment.globals.update(
        fence=fence,
        last_name=facts.last_name,
        paper=facts.paper_link,
        deviations=facts.deviations,
        rewritten=facts.rewritten,
        current_spec=facts.current_spec,
        preprocessing_words=facts.preprocessing_words,
        recipe_toml=recipe_toml,
        spec_toml=lambda spec: dumps(to_document(spec)),
        shown_classes=SHOWN_CLASSES,
        version=__version__,
        plural=number_text.plural,
    )
    return environment
