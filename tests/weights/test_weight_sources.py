"""Where weights come from: torchvision, timm and the Hub, without a network; and what is said when they do not come."""

from __future__ import annotations

import hashlib
import http.server
import io
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
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
from cardinet.remote.reachability import head_request, unreachable
from cardinet.runs.model_file import Model, save_model
from cardinet.weights.weight_source import read_weights
from weights.drawn import TINY, drawn, same_tensors


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server answers."""
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **options: io.BytesIO())


@pytest.mark.usefixtures("answering")
def test_torchvisions_weights_come_through_its_own_interface(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    state = torchvision.models.resnet18(weights=None).state_dict()
    asked: list[tuple[str, Any]] = []

    def from_url(url: str, *args: Any, **options: Any) -> Any:
        print("Downloading")
        asked.append((url, options.get("check_hash")))
        return state

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", from_url)
    network = cardinet.create("resnet18")
    for name in ("resnet18", "ResNet18_Weights.IMAGENET1K_V1"):
        found = cardinet.load_weights(network, f"torchvision:{name}")
        assert found.sentences()[0] == "Read torchvision's ResNet18_Weights.IMAGENET1K_V1."
    assert asked == [("https://download.pytorch.org/models/resnet18-f37072fd.pth", True)] * 2
    assert torch.equal(network.get_parameter("fc.weight"), state["fc.weight"])
    assert capsys.readouterr().out == ""


def test_torchvision_without_a_network_or_a_name(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def no_network(*args: Any, **options: Any) -> Any:
        raise urllib.error.URLError(ConnectionError("no route to host"))

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    for name in ("torchvision:resnet18", "timm:legacy_seresnet18.in1k"):
        with pytest.raises(WorkError, match=rf"{name} could not be downloaded \(no route to host\).*fetch https"):
            read_weights(name)
    for name in ("resnet81", "ResNet18_Weights.NONE", "Foo.BAR"):
        with pytest.raises(RequestError, match=f'torchvision has no weights "{name}"'):
            read_weights(f"torchvision:{name}")
    assert capfd.readouterr() == ("", "")


def test_torchvision_reads_what_was_downloaded_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **options: pytest.fail("the network was asked"))
    file = tmp_path / "checkpoints/resnet18-f37072fd.pth"
    file.parent.mkdir()
    state = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(state, file)
    assert torch.equal(read_weights("torchvision:resnet18").tensors["fc.weight"], state["fc.weight"])
    for damaged in (file.read_bytes()[:1000], b"\x80\x02nonsense", b""):
        file.write_bytes(damaged)
        with pytest.raises(WorkError, match=rf"could not be read from its local copy .*Remove {file} and try again"):
            read_weights("torchvision:resnet18")


def test_a_server_that_does_not_answer_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        start = time.monotonic()
        assert unreachable(head_request(f"http://127.0.0.1:{server.getsockname()[1]}"), 0.2) == "timed out"
        assert unreachable(lambda seconds: time.sleep(5), 0.2) == "no answer in 0.2 seconds"
        assert time.monotonic() - start < 4


NAME = "resnetv2_18.ra4_e3600_r224_in1k"


def test_what_timm_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RequestError, match=r'needs huggingface_hub: pip install "cardinet\[hub\]"'):
        read_weights("hub:me/safe")


NOWHERE = "http://127.0.0.1:9"


def test_timms_weights_come_from_the_hub_and_its_cache(
    hub: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    state = timm.create_model("resnetv2_18").state_dict()
    hub[f"/timm/{NAME}/resolve/main/model.safetensors"] = safetensors.torch.save(state)
    for server in (huggingface_hub.constants.ENDPOINT, NOWHERE):
        serve(server, monkeypatch)
        network = cardinet.create("resnetv2_18")
        found = cardinet.load_weights(network, f"timm:{NAME}")
        assert found.sentences()[0] == f"Read timm's {NAME}."
        assert "renamed from timm's names (stem.conv.weight is conv1.weight)." in found.sentences()[1]
        assert torch.equal(network.get_parameter("fc.weight"), state["head.fc.weight"].flatten(1))
    (file,) = (tmp_path / "cache").glob("*/snapshots/*/model.safetensors")
    file.resolve().write_bytes(b"damaged")
    with pytest.raises(WorkError, match=rf"timm:{NAME} could not be read from its local copy .*Remove {file}"):
        read_weights(f"timm:{NAME}")


def test_a_hub_that_cannot_be_reached_is_one_sentence_at_once(
    hub: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "a.bin")
    hub["/me/bin/resolve/main/pytorch_model.bin"] = (tmp_path / "a.bin").read_bytes()
    read_weights("hub:me/bin")
    serve(NOWHERE, monkeypatch)
    assert torch.equal(read_weights("hub:me/bin").tensors["a"], torch.ones(2))
    start = time.monotonic()
    capfd.readouterr()
    for source in ("hub:me/safe", "hub:me/bin/other.pth", "hub:me/bin@v2", "timm:resnet18.a1_in1k"):
        with pytest.raises(
            WorkError,
            match=rf"{source} could not be downloaded \({NOWHERE} cannot be reached: .*; the file is not in the local "
            r"cache either\)\. Without a network connection, fetch the file elsewhere",
        ):
            read_weights(source)
    assert capfd.readouterr() == ("", "")
    assert time.monotonic() - start < 5


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
