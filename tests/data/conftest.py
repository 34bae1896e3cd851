"""Pictures and class folders made on the spot, and a cache folder of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.pictures import MakePicture, noise


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a test caches is its own, and what the user has cached changes no test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def make_picture() -> MakePicture:
    """Write a picture of noise: `make_picture(path, size=(w, h), seed=0, channels=3, **save options)`."""

    def make(path: Path, size: tuple[int, int] = (80, 60), seed: int = 0, channels: int = 3, **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(*size, seed=seed, channels=channels).save(path, **options)
        return path

    return make


@pytest.fixture
def photographs(tmp_path: Path, make_picture: MakePicture) -> Path:
    """train/ with 3 classes of 8 pictures and val/ with 2 of each, of several sizes."""
    root = tmp_path / "photographs"
    for split, count in (("train", 8), ("val", 2)):
        for number, name in enumerate(("ant", "bee", "cat")):
            for i in range(count):
                seed = 100 * number + i + 1000 * (split == "val")
                make_picture(root / split / name / f"{i}.jpg", size=(70 + 5 * i, 90 - 3 * i), seed=seed)
    return root
