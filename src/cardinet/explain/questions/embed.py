"""Which pictures are alike to the network: features, a map of them, and nearest neighbours.

The features are the inputs of the last layer, after pooling.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from cardinet.base.errors import Findings, RequestError
from cardinet.data.source import Split
from cardinet.data.splitting import spread_rows
from cardinet.evaluate.outputs import Outputs, outputs
from cardinet.explain.answer import Answer, Section
from cardinet.explain.extras import require_library
from cardinet.explain.feature_file import check_feature_file, write_features
from cardinet.explain.figures import Picture, Scatter, Sheet, Table
from cardinet.explain.neighbours import Neighbours, nearest_neighbours
from cardinet.explain.pictures import picture_of
from cardinet.explain.plane import plane
from cardinet.explain.question import Question, Subject

Rows = npt.NDArray[np.int64]


class Embed(Question):
    """Which pictures are alike to the network?"""

    features: Path | None = None
    """A new file for the features of all pictures: .npz or .parquet."""

    map: Literal["tsne", "umap", "none"] = "tsne"
    """The method of the map. umap needs the extra explain."""

    mapped: Annotated[int, Field(ge=5, le=100_000)] = 2000
    """At most so many pictures are in the map and get neighbours, evenly spread over the split."""

    perplexity: Annotated[float, Field(gt=0, le=1000)] = 30.0
    """The perplexity of t-SNE, or the number of neighbours of UMAP."""

    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    """How many nearest neighbours of a picture are looked at."""

    shown: Annotated[int, Field(ge=0, le=200)] = 12
    """How many pictures are shown with their neighbours."""

    def check(self) -> None:
        findings = Findings()
        with findings:
            if self.features is not None:
                check_feature_file(self.features)
        with findings:
            if self.map == "umap":
                require_library("umap", "map = umap", "Or use map=tsne.")
        findings.raise_if_any()

    def answer(self, subject: Subject) -> Answer:
        split, classes = subject.opened.measured.pictures, subject.model.classes
        if len(split) < 2:
            raise RequestError("There is only one picture, so it has no neighbours; give more pictures.")
        progress = partial(subject.progress, "features")
        found = outputs(subject.model, split, batch_size=subject.batch_size, workers=subject.workers, progress=progress)
        if self.features is not None:
            write_features(self.features, found, split, classes)
        queries = spread_rows(len(split), self.mapped)
        near = nearest_neighbours(found.features, queries, self.neighbours)
        sections, arrays = [], dict[str, Any]()
        if self.map != "none":
            subject.progress(f"map by {self.map}", 0, 1)
            arrays["map"] = plane(found.features[queries], self.map, self.perplexity, subject.seed)
            arrays["map_rows"] = queries
            sections.append(_map(arrays["map"], found.truth[queries], classes, self.map))
        same = found.truth[near.rows] == found.truth[queries][:, None]
        sections += [self._sheet(split, found, near, queries, classes), _classes(found, near, queries, same, classes)]
        chance = float((np.bincount(found.truth) / len(split)) @ (np.bincount(found.truth) / len(split)))
        voted = _voted(found.truth[near.rows])
        document = {
            "pictures": len(split),
            "dimensions": found.features.shape[1],
            "queries": len(queries),
            "neighbours": near.rows.shape[1],
            "same_class": float(same.mean()),
            "same_class_by_chance": chance,
            "error_of_neighbours": float((voted != found.truth[queries]).mean()),
            "error": float((found.predicted != found.truth).mean()),
            "features": None if self.features is None else str(self.features),
            "map": arrays["map"].tolist() if "map" in arrays else None,
            "map_pictures": [split.names.key(int(i)) for i in queries],
        }
        return Answer("Embedding", self._lead(document), sections, document, _strip(document), LIMITS, arrays)

    def _lead(self, document: dict[str, Any]) -> list[str]:
        same, chance = document["same_class"], document["same_class_by_chance"]
        said = [
            f"{100 * same:.1f} % of the {document['neighbours']} nearest neighbours of a picture have its class; by "
            f"chance it would be {100 * chance:.1f} %. A vote of the neighbours errs for "
            f"{100 * document['error_of_neighbours']:.2f} % of the pictures, the network for "
            f"{100 * document['error']:.2f} %."
        ]
        if self.features is not None:
            said.append(f"{self.features} has the {document['dimensions']} features of each picture.")
        return said

    def _sheet(
        self, split: Split, found: Outputs, near: Neighbours, queries: Rows, classes: tuple[str, ...]
    ) -> Section:
        """Some pictures with their neighbours, in turn one of each class."""
        truth = found.truth[queries]
        turn = np.array([int((truth[:i] == k).sum()) for i, k in enumerate(truth)])
        rows: list[list[Picture]] = []
        for place in np.lexsort((truth, turn))[: self.shown].tolist():
            own = int(queries[place])
            pictures = [picture_of(split, own, (classes[found.truth[own]], split.names.key(own)))]
            for row, cosine in zip(near.rows[place].tolist(), near.cosines[place].tolist(), strict=True):
                name, right = classes[found.truth[row]], bool(found.truth[row] == found.truth[own])
                pictures.append(picture_of(split, row, (name, f"cosine {cosine:.3f}"), right=right))
            rows.append(pictures)
        columns = ("picture", *(f"neighbour {i + 1}" for i in range(near.rows.shape[1])))
        legend = "The colour of a name says whether the neighbour has the class of the picture."
        sheet = Sheet("Pictures and their nearest neighbours", rows, columns, legend)
        text = "Near is what has a large cosine between the features, whatever the class."
        return Section("Neighbours", [text], [sheet] if rows else [])


LIMITS = (
    "A map shows who is near whom. The distances between groups, their sizes and the axes have no meaning, and another "
    "seed gives another map.",
    "Pictures that the network was trained on lie closer to their class than new ones.",
)


def _strip(document: dict[str, Any]) -> dict[str, str]:
    return {
        "pictures": f"{document['pictures']:,}",
        "features": f"{document['dimensions']:,}",
        "neighbours of the same class": f"{100 * document['same_class']:.1f} %",
    }


def _map(points: npt.NDArray[np.float64], truth: Rows, classes: tuple[str, ...], method: str) -> Section:
    """The map, with a group for each class that has pictures in it."""
    groups = [(classes[k], [(float(x), float(y)) for x, y in points[truth == k]]) for k in sorted(set(truth.tolist()))]
    name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    figure = Scatter(f"Map of the features by {name}", groups)
    return Section("Map", [f"Each of the {len(points):,} points is a picture, its colour the true class."], [figure])


def _classes(found: Outputs, near: Neighbours, queries: Rows, same: Any, classes: tuple[str, ...]) -> Section:
    """For each class how many neighbours have it, and which other class is most frequent among them."""
    rows = []
    for k in sorted(set(found.truth[queries].tolist())):
        own = found.truth[queries] == k
        others = np.bincount(found.truth[near.rows[own]].ravel(), minlength=len(classes))
        others[k] = 0
        other = int(others.argmax())
        share = float(others[other] / (own.sum() * near.rows.shape[1]))
        rows.append(
            (classes[k], int(own.sum()), float(same[own].mean()), classes[other] if share else "", share or None)
        )
    rows.sort(key=lambda row: row[2])
    columns = ("class", "pictures", "neighbours of this class", "most frequent other", "its share")
    formats: Any = (None, "integer", "percent", None, "percent")
    return Section("By class", [], [Table("Every class, the most scattered first", columns, rows, formats)])


def _voted(labels: Rows) -> Rows:
    """The most frequent class among the neighbours (Q, k) of each query; of equally frequent ones the nearest's."""
    return np.array([max(row, key=row.count) for row in labels.tolist()], dtype=np.int64)
