"""What a model card says of a classifier, found in its model file and its run, in words. What is not known is left out.

Texts of the file stand in the words as code (`markdown.code`), so that they cannot be taken for anything else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.document import to_document
from cardinet.networks.family import Named
from cardinet.networks.registry import find, is_known_name
from cardinet.report.formats import plural
from cardinet.report.markdown import code
from cardinet.rewrite.registry import Step
from cardinet.runs.folder import RunRecord
from cardinet.runs.model_file import Model

HUB_DATA = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "svhn": "ufldl-stanford/svhn",
}
"""The named sets that are data sets of the Hub."""

OF_CLASSES = ("num_classes", "in_channels")
"""What a network takes from the data and not from its description in the papers."""


@dataclass(frozen=True)
class Result:
    """The figures of one split, each picture counted once; `total` is how many pictures the split has."""

    split: str
    count: int
    total: int
    wrong: int
    loss: float | None = None
    top5_wrong: int | None = None

    @property
    def error(self) -> float:
        return self.wrong / self.count

    @property
    def accuracy(self) -> float:
        return (self.count - self.wrong) / self.count


@dataclass(frozen=True)
class Data:
    """The pictures: in words, a plain name, and the Hub's data set, if it is one."""

    words: str
    name: str
    dataset: str | None = None


def results(training: Mapping[str, Any]) -> tuple[Result, ...]:
    """The results in a training summary, the test's first; what is no result, as in a file by another hand, is none."""
    found = []
    for split in ("test", "validation"):
        row = training.get(split)
        if not isinstance(row, Mapping):
            continue
        count, wrong, total, top5 = (_whole(row.get(key)) for key in ("count", "wrong", "total", "top5_wrong"))
        if count and wrong is not None and wrong <= count:
            loss = row.get("loss")
            loss = float(loss) if isinstance(loss, int | float) else None
            found.append(Result(split, count, max(total or 0, count), wrong, loss, top5))
    return tuple(found)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def spec_of(model: Model) -> Any:
    """The description of a model's network as it is now: rewrites that change classes, depth or width change it too."""
    return getattr(model.network, "spec", model.spec)


def trained_network(training: Mapping[str, Any]) -> Named | None:
    """The named network that a training summary says it began with."""
    name = training.get("network")
    return find(name) if isinstance(name, str) and is_known_name(name) else None


def deviations(spec: Any, row: Named) -> list[tuple[str, str]]:
    """Where a description is not the named network's, as dotted path and value; classes and channels apart."""
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


def data_of(text: Any, classes: int) -> Data | None:
    """The source of a training summary. Of a path only the last name is told: the rest is about somebody's disk."""
    if not isinstance(text, str) or not text:
        return None
    kind, colon, rest = text.partition(":")
    if text == "digits":
        return Data("the handwritten digits of scikit-learn (`digits`)", "digits")
    if text in HUB_DATA:
        return Data(f"{code(text)}, on the Hub {_link(HUB_DATA[text])}", text, HUB_DATA[text])
    name = last_name(rest if colon and kind in ("imagenet", "parquet") else text) or "pictures"
    if colon and kind == "imagenet":
        full = "ILSVRC/imagenet-1k" if classes == 1000 else None
        return Data(f"pictures in ImageNet's folders ({code(name)})", name, full)
    words = "parquet files" if colon and kind == "parquet" else "pictures in class folders"
    return Data(f"{words} ({code(name)})", name)


def last_name(path: str) -> str:
    """What of a path may be told."""
    return PurePath(path).name


def _link(dataset: str) -> str:
    return f"[{dataset}](https://huggingface.co/datasets/{dataset})"


def paper_link(paper: str) -> str:
    """A paper as it stands in a table of networks, its arXiv number as a link."""
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", paper)


def rewritten(step: Step) -> str:
    """What a rewrite has done to a network."""
    return f"`{step.name}`: {REWRITTEN[step.name](step.arguments)}."


def _classes(arguments: Mapping[str, Any]) -> str:
    rows = arguments["rows"]
    kept = sum(row >= 0 for row in rows)
    return f"the classifier is for {plural(len(rows), 'class')}, of which {kept} came with a row of the old one"


def _wider(arguments: Mapping[str, Any]) -> str:
    widths = [f"{key} = {value}" for key, value in arguments.items() if key != "seed" and value is not None]
    return f"channels were copied and what reads them was shared among the copies: {', '.join(map(code, widths))}"


REWRITTEN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "strip": lambda a: "dropout, drop-path and whatever else draws is gone, as it only acts in training",
    "classes": _classes,
    "in_channels": lambda a: f"it reads pictures of {plural(a['channels'], 'channel')}",
    "deepen": lambda a: f"units that change nothing at first were added; the stages have {code(list(a['depths']))}",
    "widen": _wider,
    "form": lambda a: f"the aggregated transforms stand in the paper's form {code(a['form'])}",
    "merge_branches": lambda a: "parallel linear branches are one convolution each",
    "fold": lambda a: "batch normalisation is folded into the layers around it, wherever their order allows",
    "compact": lambda a: "a compactor (ResRep) stands behind every convolution that can be pruned",
    "narrow": lambda a: f"{plural(len(a['kept']), 'convolution')} have fewer channels: the network is pruned",
    "pack": lambda a: f"groups of convolutions are joined until each has {code(a.get('width'))} channels",
    "unfold": lambda a: "batch normalisation stands again where it was folded, with statistics of pictures",
    "unpack": lambda a: "the groups of convolutions are those of the description again",
}
"""What each rewrite has done, by its arguments."""


def preprocessing_words(p: Preprocessing) -> list[str]:
    """What is done to a picture before it enters the network, step by step."""
    filtered = "with" if p.antialias else "without"
    colours = "grey" if p.channels == 1 else "RGB"
    return [
        f"Decode to 8 bits {colours}, upright as its EXIF orientation says.",
        "Keep its size."
        if p.resize is None
        else f"Resize the shorter side to {p.resize} pixels, {p.interpolation}, {filtered} antialiasing.",
        f"Crop the central {p.crop} x {p.crop} pixels; a smaller picture is put on black first.",
        f"Scale to [0, 1], subtract {_numbers(p.mean)}, divide by {_numbers(p.std)}"
        + ("." if p.channels == 1 else " (red, green, blue)."),
    ]


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


@dataclass(frozen=True)
class Start:
    """Where the weights of a run began, in words, and the Hub's repository, if it is one."""

    words: str
    base_model: str | None = None


def start_of(record: RunRecord) -> Start | None:
    """The initial weights of a run, as its command names them; a file is told as such, without its name."""
    try:
        words = shlex.split(record.command)
    except ValueError:
        return None
    if "--prune" in words:
        return Start("the weights of a trained model, which the run has pruned")
    pairs = zip(words, [*words[1:], ""], strict=True)
    given = [after if word == "--weights" else word.partition("=")[2] for word, after in pairs if _weights(word)]
    if not given:
        return Start("drawn at random") if words[1:2] == ["train"] else None
    kind, colon, name = given[-1].partition(":")
    if not colon or kind not in ("hub", "timm", "torchvision"):
        return Start("a file of weights")
    if kind == "hub" and (found := re.match(r"[\w.-]+/[\w.-]+", name)):
        return Start(code(given[-1]), found[0])
    tagged = kind == "timm" and re.fullmatch(r"[\w-]+\.[\w.-]+", name)  # without its tag it is no repository's name
    return Start(code(given[-1]), f"timm/{name}" if tagged else None)


def _weights(word: str) -> bool:
    return word == "--weights" or word.startswith("--weights=")
