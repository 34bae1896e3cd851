"""The question `embed`: features as a network computes them, neighbours by hand, files that other programs read."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.manifold import trustworthiness
from sklearn.metrics.pairwise import cosine_similarity
from threadpoolctl import threadpool_info, threadpool_limits

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from cardinet.data.splitting import spread_rows
from cardinet.evaluate.outputs import outputs
from cardinet.explain.job import explain_model
from cardinet.explain.neighbours import nearest_neighbours
from cardinet.explain.plane import ONE_THREAD, plane
from cardinet.report.explain_page import figure_html
from cardinet.runs.model_file import Model
from explain.models import classifier, unchanged
from networks.test_citizen import SMALL, shortest


@pytest.fixture(scope="module")
def digits() -> Source:
    return open_source("digits", DataSettings(limit=80))


@pytest.fixture(scope="module")
def model() -> Model:
    return classifier()


def test_neighbours_are_those_of_all_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    cosines = cosine_similarity(features)
    np.fill_diagonal(cosines, -2)
    expected = np.argsort(-cosines, 1)
    queries = np.array([3, 0, 39, 17])
    monkeypatch.setattr("cardinet.explain.neighbours.AT_ONCE", 90)
    found = nearest_neighbours(features, queries, 7)
    assert np.array_equal(found.rows, expected[queries, :7])
    assert found.cosines == pytest.approx(np.take_along_axis(cosines[queries], expected[queries, :7], 1), abs=1e-6)
    assert nearest_neighbours(features, queries, 100).rows.shape == (4, 39)


def test_rows_are_spread_evenly() -> None:
    assert spread_rows(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert spread_rows(101, 5).tolist() == [0, 25, 50, 75, 100]


def test_features_are_the_inputs_of_the_classifier(model: Model, digits: Source) -> None:
    split = digits.splits["test"]
    found = outputs(model, split, batch_size=7)
    assert split.images is not None
    with torch.inference_mode():
        named = model.network.features(model.preprocessing.normalise(split.images))  # type: ignore[operator]
    assert found.features == pytest.approx(named["pooled"].numpy(), abs=1e-5)
    assert found.logs == pytest.approx(named["logits"].double().log_softmax(1).numpy(), abs=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("id", SMALL)
def test_features_of_every_family_give_its_logits(id: str) -> None:
    it = shortest(id)
    network = it.network.eval()
    with torch.inference_mode():
        pooled = network.forward_head(network.forward_features(it.x), pre_logits=True)
        torch.testing.assert_close(network.fc(pooled), network(it.x))
    assert pooled.shape == (len(it.x), network.head_hidden_size)


def test_the_answer(model: Model, digits: Source) -> None:
    with unchanged(model.network):
        found = explain_model("embed", model, digits, neighbours=3, shown=4, mapped=30, perplexity=5)
    document = json.loads(json.dumps(found.document))
    split = digits.splits["test"]
    features, truth, rows = outputs(model, split).features, split.labels, spread_rows(len(split), 30)
    cosines = cosine_similarity(features)
    np.fill_diagonal(cosines, -2)
    near = np.argsort(-cosines, 1)[rows, :3]
    assert document["same_class"] == pytest.approx((truth[near] == truth[rows][:, None]).mean())
    shares = np.bincount(truth) / len(truth)
    assert document["same_class_by_chance"] == pytest.approx((shares**2).sum())
    votes = [max(labels, key=labels.count) for labels in truth[near].tolist()]
    assert document["error_of_neighbours"] == pytest.approx((np.array(votes) != truth[rows]).mean())
    assert np.array(document["map"]).shape == (30, 2)
    of_class = {k: float((truth[near[truth[rows] == k]] == k).mean()) for k in set(truth[rows].tolist())}
    assert {int(row["class"]): row["same"] for row in document["classes"]} == pytest.approx(of_class)
    assert [len(row["cosines"]) for row in document["shown"]] == [3] * 4
    assert [section.title for section in found.sections] == ["The classes", "Neighbours"]
    sheet = found.sections[1].figures[0]
    assert [len(row) for row in sheet.rows] == [4] * 4  # type: ignore[union-attr]
    for section in found.sections:
        for figure in section.figures:
            assert len(figure_html(figure)) > 100


def test_a_map_keeps_neighbours_and_repeats_by_seed() -> None:
    generator = np.random.default_rng(1)
    middles = 8 * generator.normal(size=(4, 10))
    features = (np.repeat(middles, 20, axis=0) + generator.normal(size=(80, 10))).astype(np.float32)
    points = plane(features, "tsne", 15, seed=0)
    assert trustworthiness(features, points, n_neighbors=10) > 0.9
    assert np.array_equal(points, plane(features, "tsne", 15, seed=0))
    few = plane(features[:5], "tsne", 15, seed=0)
    assert few.shape == (5, 2)
    with pytest.raises(RequestError, match="at least 5 pictures, and there are 4"):
        plane(features[:4], "tsne", 15, seed=0)
    with pytest.raises(WorkError, match="same features"):
        plane(np.ones((9, 3), np.float32), "tsne", 15, seed=0)
    with pytest.raises(WorkError, match="not finite"):
        plane(np.full((9, 3), np.nan, np.float32), "tsne", 15, seed=0)


@pytest.mark.parametrize(("pictures", "bound"), [(ONE_THREAD, True), (ONE_THREAD + 1, False)])
def test_few_pictures_have_one_thread(pictures: int, bound: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait for each other actively make a map of few pictures many times slower beside other work."""
    seen: list[list[int]] = []

    def threads() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "openmp"]

    class Fake:
        def fit_transform(self, features: np.ndarray) -> np.ndarray:
            seen.append(threads())
            return features[:, :2]

    monkeypatch.setattr("cardinet.explain.plane._method", lambda *asked: Fake())
    with threadpool_limits(3):
        plane(np.random.default_rng(0).normal(size=(pictures, 3)).astype(np.float32), "tsne", 30, 0)
        assert set(threads()) == {3}
    assert set(seen[0]) == ({1} if bound else {3})


@pytest.mark.long
def test_a_map_by_umap_keeps_neighbours() -> None:
    generator = np.random.default_rng(1)
    middles = 8 * generator.normal(size=(4, 10))
    features = (np.repeat(middles, 15, axis=0) + generator.normal(size=(60, 10))).astype(np.float32)
    points = plane(features, "umap", 10, seed=0)
    assert trustworthiness(features, points, n_neighbors=10) > 0.9


def test_the_arrays_have_a_row_for_each_picture(model: Model, digits: Source) -> None:
    split = digits.splits["test"]
    found = explain_model("embed", model, digits, neighbours=3, shown=0, mapped=30, perplexity=5)
    arrays, expected, rows = found.arrays, outputs(model, split), spread_rows(len(split), 30)
    assert {len(values) for values in arrays.values()} == {len(split)}
    assert arrays["path"].tolist() == [split.names.key(i) for i in range(len(split))]
    assert arrays["class"].tolist() == [model.classes[k] for k in split.labels]
    assert np.array_equal(arrays["label"], split.labels)
    assert arrays["predicted"].tolist() == [model.classes[k] for k in expected.predicted]
    assert np.array_equal(arrays["features"], expected.features)
    assert arrays["probability"] == pytest.approx(np.exp(expected.logs).max(1))
    near = nearest_neighbours(expected.features, rows, 3)
    others = np.setdiff1d(np.arange(len(split)), rows)
    assert np.array_equal(arrays["neighbours"][rows], near.rows)
    assert np.array_equal(arrays["cosines"][rows], near.cosines)
    assert arrays["map"][rows].tolist() == found.document["map"]
    assert len(others) > 5
    assert (arrays["neighbours"][others] == -1).all()
    assert np.isnan(arrays["cosines"][others]).all()
    assert np.isnan(arrays["map"][others]).all()
    without = explain_model("embed", model, digits, map="none", shown=5, mapped=5)
    assert [sentence for sentence in without.limits if "map" in sentence] == []
    assert set(without.arrays) == set(arrays) - {"map"}
    assert {one["picture"] for one in without.document["shown"]} == set(without.document["map_pictures"])


def test_what_is_refused(model: Model, digits: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(digits, splits={"test": digits.splits["test"].chosen(np.arange(1))})
    with pytest.raises(RequestError, match="only one picture"):
        explain_model("embed", model, one)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"map = umap needs umap-learn, which is not installed: pip install \"card"):
        explain_model("embed", model, digits, map="umap")
