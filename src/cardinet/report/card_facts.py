"""The facts of a model card, in words. They come from the model file and the run; unknown facts are left out.

Texts from a file are written as code (`markdown.code`), so that Markdown does not interpret them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cardinet.data.kinds import FOLDER, named_kind, short_name
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.document import to_document
from cardinet.networks.family import Named
from cardinet.networks.registry import find, is_known_name
from cardinet.report.markdown import code
from cardinet.report.number_text import plural
from cardinet.rewrite.steps import Step
from cardinet.runs.folder import RunRecord
from cardinet.runs.model_file import Model

HUB_DATA = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "svhn": "ufldl-stanford/svhn",
}
"""The Hub's data sets for the named sources."""

OF_CLASSES = ("num_classes", "in_channels")
"""The settings that a network takes from the data, not from its paper."""


@dataclass(frozen=True)
class Result:
    """The results of one split; each picture is counted once. `total` is the number of pictures in the split."""

    split: str
    count: int
    total: int
    wrong: int
    loss: float | None = None
    top5_wrong: int | None = None
    mean_average_precision: float | None = None
    """Where a picture may have several labels; `wrong` then counts the pictures with a wrong one."""

    @property
    def measures(self) -> tuple[tuple[str, float], ...]:
        """The measures for the Hub, by its names for them."""
        if self.mean_average_precision is not None:
            return (("average_precision", self.mean_average_precision),)
        return (("accuracy", self.accuracy), ("error", self.error))

    @property
    def error(self) -> float:
        return self.wrong / self.count

    @property
    def accuracy(self) -> float:
        return (self.count - self.wrong) / self.count


@dataclass(frozen=True)
class Data:
    """The source of the pictures: in words, as a plain name, and as the Hub's data set if it is one."""

    words: str
    name: str
    dataset: str | None = None


def results(training: Mapping[str, Any]) -> tuple[Result, ...]:
    """The results in a training summary, the test split first. Invalid entries, as in foreign files, are ignored."""
    found = []
    for split in ("test", "validation"):
        row = training.get(split)
        if not isinstance(row, Mapping):
            continue
        count, wrong, total, top5 = (_whole(row.get(key)) for key in ("count", "wrong", "total", "top5_wrong"))
        if count and wrong is not None and wrong <= count:
            loss = row.get("loss")
            loss = float(loss) if isinstance(loss, int | float) else None
            precision = row.get("mean_average_precision")
            precision = float(precision) if isinstance(precision, int | float) else None
            found.append(Result(split, count, max(total or 0, count), wrong, loss, top5, precision))
    return tuple(found)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def current_spec(model: Model) -> Any:
    """The current description of a model's network, after rewrites that change its classes, depth or width."""
    return getattr(model.network, "spec", model.spec)


def trained_network(training: Mapping[str, Any]) -> Named | None:
    """The named network of a training summary; None if it is unknown."""
    name = training.get("network")
    return find(name) if isinstance(name, str) and is_known_name(name) else None


def deviations(spec: Any, row: Named) -> list[tuple[str, str]]:
    """The settings that differ from the named network, as dotted path and value, without classes and channels."""
    own, named = dict(_leaves(to_document(spec))), dict(_leaves(to_document(row.spec)))
    changed = [path for path in own if path not in named or own[path] != named[path]]
    whole = {path.removesuffix(".part") for path in changed if path.endswith(".part")}
    inside = {path for path in changed for part in whole if path.startswith(f"{part}.") and not path.endswith(".part")}
    kept = [path for path in changed if path not in inside and path not in OF_CLASSES]
    return [(path.removesuffix(".part"), str(own[path])) for path in kept]


def _leaves(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def data_facts(text: Any, classes: int) -> Data | None:
    """The data source of a training summary. Only the last name of a path is shown, to keep paths private."""
    if not isinstance(text, str) or not text:
        return None
    row, (kind, _, rest) = named_kind(text) or FOLDER, text.partition(":")
    if row is not FOLDER and not row.follows:
        dataset = HUB_DATA.get(text)
        words = f"{row.words} ({code(text)})" if dataset is None else f"{code(text)}, on the Hub {_link(dataset)}"
        return Data(words, text, dataset)
    if row is not FOLDER and kind == "hf" and (repo := re.match(r"[\w.-]+(/[\w.-]+)?", rest, re.ASCII)):
        return Data(f"{row.words}, {_link(repo[0])}", PurePath(repo[0]).name, repo[0])
    name = short_name(text)
    full = "ILSVRC/imagenet-1k" if row is not FOLDER and kind == "imagenet" and classes == 1000 else None
    return Data(f"{row.words} ({code(name)})", name, full)


def last_name(path: str) -> str:
    """The last name of a path, the only one that a card shows."""
    return PurePath(path).name


def _link(dataset: str) -> str:
    return f"[{dataset}](https://huggingface.co/datasets/{dataset})"


def paper_link(paper: str) -> str:
    """The paper of a network, with its arXiv number as a link."""
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", paper)


def rewritten(step: Step) -> str:
    """The change that a rewrite has made, as a sentence."""
    return f"`{step.name}`: {REWRITTEN[step.name](step.arguments)}."


def _classes(arguments: Mapping[str, Any]) -> str:
    rows = arguments["rows"]
    kept = sum(row >= 0 for row in rows)
    return f"the classifier is for {plural(len(rows), 'class')}; {kept} of them kept their row of the old classifier"


def _wider(arguments: Mapping[str, Any]) -> str:
    widths = [f"{key} = {value}" for key, value in arguments.items() if key != "seed" and value is not None]
    return f"channels were copied, and the weights that read them were divided: {', '.join(map(code, widths))}"


REWRITTEN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "strip": lambda a: "dropout, drop-path and other random layers were removed, because they act only in training",
    "classes": _classes,
    "in_channels": lambda a: f"the input has {plural(a['channels'], 'channel')}",
    "deepen": lambda a: (
        f"units that start as the identity were added; the stages now have {code(list(a['depths']))} units"
    ),
    "widen": _wider,
    "form": lambda a: f"the aggregated transforms have the paper's form {code(a['form'])}",
    "merge_branches": lambda a: "parallel linear branches were merged into one convolution each",
    "fold": lambda a: "batch normalisation was folded into the layers next to it, where their order allows it",
    "compact": lambda a: "a compactor (ResRep) was added after every convolution that can be pruned",
    "narrow": lambda a: f"{plural(len(a['kept']), 'convolution')} have fewer channels: the network was pruned",
    "pack": lambda a: f"groups of convolutions were joined until each has {code(a.get('width'))} channels",
    "unfold": lambda a: "batch normalisation was restored where it was folded, with statistics of pictures",
    "temperature": lambda a: (
        f"the logits are those at the temperature {code(format(a['temperature'], '.4g'))}, which changes probabilities "
        "but no answer"
    ),
    "unpack": lambda a: "convolutions again have the groups of the description",
}
"""The change that each rewrite has made, from its arguments."""


def preprocessing_words(p: Preprocessing) -> list[str]:
    """The preprocessing of a picture, step by step."""
    filtered = "with" if p.antialias else "without"
    colours = "grey" if p.channels == 1 else "RGB"
    return [
        f"Decode to 8 bits {colours}, turned upright by its EXIF orientation.",
        "Keep its size."
        if p.resize is None
        else f"Resize the shorter side to {p.resize} pixels, {p.interpolation}, {filtered} antialiasing.",
        f"Crop the central {p.crop} x {p.crop} pixels; a smaller picture is first padded with black.",
        f"Scale to [0, 1], subtract {_numbers(p.mean)}, divide by {_numbers(p.std)}"
        + ("." if p.channels == 1 else " (red, green, blue)."),
    ]


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


@dataclass(frozen=True)
class InitialWeights:
    """The initial weights of a run in words, and the Hub's repository if they come from one."""

    words: str
    base_model: str | None = None


def initial_weights(record: RunRecord) -> InitialWeights | None:
    """The initial weights that the command of a run names. The name of a file is not shown. None: unknown."""
    try:
        words = shlex.split(record.command)
    except ValueError:
        return None
    if "--prune" in words:
        return InitialWeights("the weights of a trained model, which the run has pruned")
    pairs = zip(words, [*words[1:], ""], strict=True)
    given = [after if word == "--weights" else word.partition("=")[2] for word, after in pairs if _weights(word)]
    if not given:
        return InitialWeights("drawn at random") if words[1:2] == ["train"] else None
    kind, colon, name = given[-1].partition(":")
    if not colon or kind not in ("hub", "timm", "torchvision"):
        return InitialWeights("a file of weights")
    if kind == "hub" and (found := re.match(r"[\w.-]+/[\w.-]+", name)):
        return InitialWeights(code(given[-1]), found[0])
    tagged = kind == "timm" and re.fullmatch(r"[\w-]+\.[\w.-]+", name)  # a name without a tag is not a repository
    return InitialWeights(code(given[-1]), f"timm/{name}" if tagged else None)


def _weights(word: str) -> bool:
    return word == "--weights" or word.startswith("--weights=")
