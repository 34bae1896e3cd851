"""Where weights come from: torchvision, timm and the Hub, without a network; and what is said when they do not come."""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import safetensors.torch
import timm
import torch
import torchvision

import cardinet
from cardinet.base.errors import RequestError, WorkError
from cardinet.data.preprocessing import Preprocessing
from cardinet.runs.model_file import Model, save_model
from cardinet.weights.source import read_weights
from weights.drawn import TINY, drawn, same_tensors


def test_torchvisions_weights_come_through_its_own_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    state = torchvision.models.resnet18(weights=None).state_dict()
    asked: list[tuple[str, Any]] = []

    def from_url(url: str, *args: Any, **options: Any) -> Any:
        asked.append((url, options.get("check_hash")))
        return state

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", from_url)
    network = cardinet.create("resnet18")
    for name in ("resnet18", "ResNet18_Weights.IMAGENET1K_V1"):
        found = cardinet.load_weights(network, f"torchvision:{name}")
        assert found.sentences()[0] == "Read torchvision's ResNet18_Weights.IMAGENET1K_V1."
    assert asked == [("https://download.pytorch.org/models/resnet18-f37072fd.pth", True)] * 2
    assert torch.equal(network.fc.weight, state["fc.weight"])


def test_torchvision_without_a_network_or_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: Any, **options: Any) -> Any:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", no_network)
    with pytest.raises(
        WorkError, match=r"torchvision:resnet18 could not be downloaded \(no route to host\).*fetch https"
    ):
        read_weights("torchvision:resnet18")
    for name in ("resnet81", "ResNet18_Weights.NONE", "Foo.BAR"):
        with pytest.raises(RequestError, match=f'torchvision has no weights "{name}"'):
            read_weights(f"torchvision:{name}")


def test_timms_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    made = timm.create_model("resnetv2_18")
    monkeypatch.setattr(
        timm, "create_model", lambda name, pretrained: made if (name, pretrained) == (NAME, True) else None
    )
    network = cardinet.create("resnetv2_18")
    found = cardinet.load_weights(network, f"timm:{NAME}")
    assert found.sentences()[0] == f"Read timm's {NAME}."
    assert "renamed from timm's names (stem.conv.weight is conv1.weight)." in found.sentences()[1]
    assert torch.equal(network.fc.weight, made.state_dict()["head.fc.weight"].flatten(1))


NAME = "resnetv2_18.ra4_e3600_r224_in1k"


def test_timm_without_a_network_a_name_or_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(name: str, pretrained: bool) -> Any:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(WorkError, match=r"timm:resnet18.a1_in1k could not be fetched \(no route to host\)"):
        read_weights("timm:resnet18.a1_in1k")
    with pytest.raises(RequestError, match='timm has no model "resnet81"'):
        read_weights("timm:resnet81")
    with pytest.raises(RequestError, match=r'timm has no weights "resnet18.none" \(nearest: resnet18'):
        read_weights("timm:resnet18.none")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RequestError, match=r'needs timm: pip install "cardinet\[peers\]"'):
        read_weights("timm:resnet18")


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub as serves files by repository, revision and name."""

    files: dict[str, bytes] = {}

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        data = self.files.get(self.path)
        repo = "/".join(self.path.split("/")[1:3])
        known = any(path.startswith(f"/{repo}/") for path in self.files)
        revision = any(path.startswith("/".join(self.path.split("/")[:5])) for path in self.files)
        self.send_response(200 if data is not None else 404)
        if data is None:
            code = "RepoNotFound" if not known else "EntryNotFound" if revision else "RevisionNotFound"
            self.send_header("X-Error-Code", code)
            data = b""
        else:
            self.send_header("X-Repo-Commit", "a" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""


def serve(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the Hub's client ask `place`, which it otherwise reads from HF_ENDPOINT when it is imported."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", place)
    template = place + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A Hub on this machine; the dictionary holds its files by path."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    serve(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(Hub, "files", {})
    yield Hub.files
    server.shutdown()
    server.server_close()
    thread.join()


def test_files_of_the_hub(hub: dict[str, bytes], tmp_path: Path) -> None:
    trained = drawn("resnet20_cifar", kind="B", **TINY)
    cardinet.save_weights(trained, tmp_path / "a.safetensors")
    cardinet.save_weights(trained, tmp_path / "a.bin")
    hub["/me/safe/resolve/main/model.safetensors"] = (tmp_path / "a.safetensors").read_bytes()
    hub["/me/bin/resolve/main/pytorch_model.bin"] = (tmp_path / "a.bin").read_bytes()
    hub["/me/other/resolve/v2/folder/last.pth"] = (tmp_path / "a.bin").read_bytes()
    for name in ("me/safe", "me/bin", "me/other@v2/folder/last.pth"):
        made = cardinet.create(trained.spec)
        cardinet.load_weights(made, f"hub:{name}")
        assert same_tensors(made, trained)


def test_a_model_file_on_the_hub_is_a_model(hub: dict[str, bytes], tmp_path: Path) -> None:
    trained = drawn("resnet20_cifar", **TINY)
    preprocessing = Preprocessing(channels=3, resize=None, crop=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    save_model(tmp_path / "m.safetensors", Model(trained, trained.spec, tuple("abcdefg"), preprocessing))
    hub["/me/model/resolve/main/model.safetensors"] = (tmp_path / "m.safetensors").read_bytes()
    assert cardinet.load("hub:me/model").classes == tuple("abcdefg")
    assert read_weights("hub:me/model").model_file


def test_what_is_not_on_the_hub(hub: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    hub["/me/safe/resolve/main/readme.md"] = b"x"
    cases = {
        "hub:me/safe": r"me/safe has no model.safetensors or pytorch_model.bin; name a file of it: hub:me/safe/FILE",
        "hub:me/safe/b.pth": r"me/safe has no b.pth; name a file of it",
        "hub:me/safe@v3": r'me/safe has no revision "v3"',
        "hub:me/nothere": "There is no repository me/nothere on the Hub, or it is private",
        "hub:a b": r'"hub:a b": write it as hub:OWNER/REPO',
        "hub:": r'"hub:": write it as',
    }
    for source, sentence in cases.items():
        with pytest.raises(RequestError, match=sentence):
            read_weights(source)
    monkeypatch.setattr(huggingface_hub.utils._http.time, "sleep", lambda seconds: None)
    serve("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(
        WorkError, match=r"hub:me/safe could not be fetched \(.*Where there is no network, fetch the file"
    ):
        read_weights("hub:me/safe")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RequestError, match=r'needs huggingface_hub: pip install "cardinet\[hub\]"'):
        read_weights("hub:me/safe")


def test_a_model_file_states_which_way_it_pads(tmp_path: Path) -> None:
    for pad in ("end", "both"):
        trained = drawn("resnet20_cifar", pad=pad, **TINY)
        cardinet.save_weights(trained, tmp_path / "a.safetensors")
        assert read_weights(tmp_path / "a.safetensors").spec.shortcut.pad == pad
        made = cardinet.create(trained.spec)
        cardinet.load_weights(made, tmp_path / "a.safetensors")
        assert same_tensors(made, trained)
    about = {"cardinet_spec": '{"part": "Residual"}'}
    safetensors.torch.save_file({"a": torch.ones(2)}, tmp_path / "b.safetensors", about)
    with pytest.raises(WorkError, match="its description of a network cannot be read"):
        read_weights(tmp_path / "b.safetensors")
