"""Which pictures are alike to the network: features, a map of them, and nearest neighbours.

The features are the inputs of the last layer, after pooling.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from cardinet.base.amounts import amount
from cardinet.base.errors import RequestError
from cardinet.data.source import Split
from cardinet.data.splitting import spread_rows
from cardinet.evaluate.outputs import Outputs, outputs
from cardinet.explain.answer import Answer, Section
from cardinet.explain.extras import require_library
from cardinet.explain.figures import Picture, Scatter, Sheet, Table
from cardinet.explain.neighbours import Neighbours, nearest_neighbours
from cardinet.explain.pictures import names_and_labels, picture_of
from cardinet.explain.plane import plane
from cardinet.explain.question import Question, Subject

Rows = npt.NDArray[np.int64]


class Embed(Question):
    """Which pictures are alike to the network?"""

    ARRAYS = "table"

    map: Literal["tsne", "umap", "none"] = "tsne"
    """The method of the map. umap needs the extra explain."""

    mapped: Annotated[int, Field(ge=5, le=100_000)] = 2000
    """The largest number of pictures that are in the map and get neighbours, evenly spread over the split."""

    perplexity: Annotated[float, Field(gt=0, le=1000)] = 30.0
    """The perplexity of t-SNE, or the number of neighbours of UMAP."""

    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    """How many nearest neighbours of a picture are looked at."""

    shown: Annotated[int, Field(ge=0, le=200)] = 12
    """How many pictures are shown with their neighbours."""

    def check(self) -> None:
        if self.map == "umap":
            require_library("umap", "map = umap", "Or use map=tsne.")

    def answer(self, subject: Subject) -> Answer:
        split, classes = subject.opened.measured.pictures, subject.model.classes
        if len(split) < 2:
            raise RequestError("There is only one picture, so it has no neighbours; give more pictures.")
        progress = partial(subject.progress, "features")
        found = outputs(subject.model, split, batch_size=subject.batch_size, workers=subject.workers, progress=progress)
        queries = spread_rows(len(split), self.mapped)
        near = nearest_neighbours(found.features, queries, self.neighbours)
        arrays = _arrays(split, found, near, queries, classes)
        points = None
        if self.map != "none":
            subject.progress(f"map by {self.map}", 0, 1)
            points = plane(found.features[queries], self.map, self.perplexity, subject.seed)
            arrays["map"] = _of_all(len(split), queries, points, np.nan)
        same = found.truth[near.rows] == found.truth[queries][:, None]
        by_class = _classes(found, near, queries, same, classes)
        sheet, of_sheet = self._sheet(split, found, near, queries, classes)
        maps = [] if points is None else [_map(points, found.truth[queries], classes, self.map)]
        sections = [_class_section(maps, by_class), sheet]
        shares = np.bincount(found.truth) / len(split)
        document = {
            "pictures": len(split),
            "dimensions": found.features.shape[1],
            "queries": len(queries),
            "neighbours": near.rows.shape[1],
            "same_class": float(same.mean()),
            "same_class_by_chance": float(shares @ shares),
            "error_of_neighbours": float((_voted(found.truth[near.rows]) != found.truth[queries]).mean()),
            "error": float((found.predicted != found.truth).mean()),
            "map": None if points is None else points.tolist(),
            "map_pictures": [split.names.key(int(i)) for i in queries],
            "classes": by_class,
            "shown": of_sheet,
        }
        limits = [*([OF_MAP] if maps else []), OF_TRAINING]
        return Answer("Embedding", [_lead(document)], sections, document, _strip(document), limits, arrays)

    def _sheet(
        self, split: Split, found: Outputs, near: Neighbours, queries: Rows, classes: tuple[str, ...]
    ) -> tuple[Section, list[dict[str, Any]]]:
        """Some pictures with their neighbours, in turn one of each class, and the same as plain data."""
        truth = found.truth[queries]
        turn = np.array([int((truth[:i] == k).sum()) for i, k in enumerate(truth)])
        rows: list[list[Picture]] = []
        document = []
        for place in np.lexsort((truth, turn))[: self.shown].tolist():
            own = int(queries[place])
            pictures = [picture_of(split, own, (classes[found.truth[own]], split.names.key(own)))]
            for row, cosine in zip(near.rows[place].tolist(), near.cosines[place].tolist(), strict=True):
                name, right = classes[found.truth[row]], bool(found.truth[row] == found.truth[own])
                pictures.append(picture_of(split, row, (name, f"cosine {cosine:.3f}"), right=right))
            rows.append(pictures)
            names = [split.names.key(row) for row in near.rows[place].tolist()]
            cosines = near.cosines[place].tolist()
            document.append({"picture": split.names.key(own), "neighbours": names, "cosines": cosines})
        columns = ("picture", *(f"neighbour {i + 1}" for i in range(near.rows.shape[1])))
        legend = "The colour of a name says whether the neighbour has the class of the picture."
        sheet = Sheet("Pictures and their nearest neighbours", rows, columns, legend)
        text = "Near is what has a large cosine between the features, whatever the class."
        return Section("Neighbours", [text], [sheet] if rows else []), document


OF_MAP = (
    "A map shows who is near whom. The distances between groups, their sizes and the axes have no meaning, and another "
    "seed gives another map."
)
OF_TRAINING = "Pictures that the network was trained on lie closer to their class than new ones."


def _arrays(split: Split, found: Outputs, near: Neighbours, queries: Rows, classes: tuple[str, ...]) -> dict[str, Any]:
    """A table with a row for each picture. `neighbours` are numbers of rows; -1 and NaN: it was not looked at."""
    return {
        **names_and_labels(split, classes),
        "predicted": np.array([classes[k] for k in found.predicted.tolist()], np.str_),
        "probability": np.exp(found.logs.max(1)),
        "features": found.features,
        "neighbours": _of_all(len(split), queries, near.rows, -1),
        "cosines": _of_all(len(split), queries, near.cosines, np.nan),
    }


def _of_all(n: int, rows: Rows, values: Any, other: float) -> Any:
    """Values of some rows (Q, k) as an array with all rows (n, k); the others have the value `other`."""
    whole = np.full((n, *values.shape[1:]), other, values.dtype)
    whole[rows] = values
    return whole


def _lead(document: dict[str, Any]) -> str:
    return (
        f"{100 * document['same_class']:.1f} % of the {document['neighbours']} nearest neighbours of a picture have "
        f"its class; by chance it would be {100 * document['same_class_by_chance']:.1f} %. A vote of the neighbours "
        f"errs for {100 * document['error_of_neighbours']:.2f} % of the pictures, the network for "
        f"{100 * document['error']:.2f} %."
    )


def _strip(document: dict[str, Any]) -> dict[str, str]:
    return {
        "pictures": f"{document['pictures']:,}",
        "features": f"{document['dimensions']:,}",
        "neighbours of the same class": f"{100 * document['same_class']:.1f} %",
    }


def _map(points: npt.NDArray[np.float64], truth: Rows, classes: tuple[str, ...], method: str) -> Scatter:
    """The map, with a group for each class that has pictures in it."""
    groups = [(classes[k], [(float(x), float(y)) for x, y in points[truth == k]]) for k in sorted(set(truth.tolist()))]
    name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    about = f"{amount(len(points), 'picture')}; the colour is the true class"
    return Scatter(f"Map of the features by {name}", groups, note=about)


def _classes(
    found: Outputs, near: Neighbours, queries: Rows, same: Any, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """For each class how many neighbours have it, and which other class is most frequent among them."""
    rows = []
    for k in sorted(set(found.truth[queries].tolist())):
        own = found.truth[queries] == k
        others = np.bincount(found.truth[near.rows[own]].ravel(), minlength=len(classes))
        others[k] = 0
        other = int(others.argmax())
        share = float(others[other] / (own.sum() * near.rows.shape[1]))
        row: dict[str, Any] = {"class": classes[k], "pictures": int(own.sum()), "same": float(same[own].mean())}
        rows.append(row | {"other": classes[other] if share else None, "other_share": share})
    return sorted(rows, key=lambda row: float(row["same"]))


def _class_section(maps: list[Scatter], rows: list[dict[str, Any]]) -> Section:
    """The map, if there is one, and the neighbours of each class."""
    columns = ("class", "pictures", "same class", "other class", "its share")
    formats: Any = (None, "integer", "percent", None, "percent")
    cells = [
        (row["class"], row["pictures"], row["same"], row["other"] or "", row["other_share"] or None) for row in rows
    ]
    about = "the share of neighbours that have the class, and the most frequent other one among them"
    table = Table("Neighbours by class, the most scattered first", columns, cells, formats, about)
    return Section("The classes", [], [*maps, table])


def _voted(labels: Rows) -> Rows:
    """The most frequent class among the neighbours (Q, k) of each query; of equally frequent ones the nearest's."""
    return np.array([max(row, key=row.count) for row in labels.tolist()], dtype=np.int64)
