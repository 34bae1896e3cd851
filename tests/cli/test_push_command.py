"""`cardinet push` to a Hub on this machine, through the Hub's own client, and what it refuses before any upload."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch

import cardinet
from cardinet.weights.upload import _reason
from cli.cli_runner import Cli
from cli.hub_server import TOKEN, HubServer, Repo, served

NAMES = {"model.safetensors", "README.md", "config.json"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with served() as server:
        ask(server.address, monkeypatch)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


def ask(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the Hub's client ask `place`, which it otherwise reads from HF_ENDPOINT when it is imported."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", place)
    template = place + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_round_trip(cli: Cli, hub: HubServer, digits_run: Path) -> None:
    done = cli("push", digits_run, "me/digits", "--license", "apache-2.0", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["page"], said["repo"]) == (f"{hub.address}/me/digits", "me/digits")
    files = hub.repos["me/digits"].files()
    assert files.keys() == NAMES
    assert said["files"] == {name: len(content) for name, content in files.items()}
    assert files["model.safetensors"] == (digits_run / "model.safetensors").read_bytes()
    assert hub.commits("me/digits") == [f"resnext11_8x16d_digits, by Cardinet {cardinet.__version__}"]
    assert not hub.repos["me/digits"].private
    own, there = cardinet.load(digits_run), cardinet.load("hub:me/digits")
    pixels = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(own.network(pixels), there.network(pixels))
    assert there.classes == own.classes
    info = json.loads(cli("info", "hub:me/digits", "--json").out)
    config = json.loads(files["config.json"])
    assert {key: config[key] for key in ("spec", "rewrites", "classes")} == {
        key: info[key] for key in ("spec", "rewrites", "classes")
    }
    assert there.preprocessing.as_settings() == info["preprocessing"]
    assert there.preprocessing.model_dump(mode="json") == config["preprocessing"]  # as in the file


def test_the_same_files_in_a_folder_first(cli: Cli, hub: HubServer, digits_run: Path) -> None:
    dry = cli("push", digits_run, "me/digits", "--license", "MIT", "--dry-run", "look")
    assert (dry.code, dry.out) == (0, "look\n")
    assert "Nothing was uploaded." in dry.err
    assert hub.requests == []
    assert cli("push", digits_run, "me/digits", "--license", "mit").code == 0
    assert {path.name: path.read_bytes() for path in Path("look").iterdir()} == hub.repos["me/digits"].files()
    assert cardinet.load("look").classes == cardinet.load(digits_run).classes


def test_a_branch_a_message_and_a_private_repository(cli: Cli, hub: HubServer, digits_run: Path) -> None:
    words = ("--private", "--revision", "v2", "--message", "the second", "--license", "mit")
    done = cli("push", digits_run / "model.safetensors", "me/digits", *words)
    assert done.code == 0, done.err
    assert done.out == f"{hub.address}/me/digits/tree/v2\n"
    assert "cardinet predict hub:me/digits@v2 cat.jpg" in done.err
    assert hub.repos["me/digits"].private
    assert hub.commits("me/digits", "v2") == ["the second"]
    assert hub.repos["me/digits"].files() == {}
    assert "hub:me/digits@v2" in hub.repos["me/digits"].files("v2")["README.md"].decode()
    assert cardinet.load("hub:me/digits@v2").classes == tuple("0123456789")


def test_nothing_is_replaced_without_a_word(cli: Cli, hub: HubServer, digits_run: Path) -> None:
    assert cli("push", digits_run, "me/digits").code == 0
    again = cli("push", digits_run, "me/digits")
    assert again.code == 0
    assert "me/digits has these files already" in again.err
    hub.repos["me/digits"].files()["README.md"] = b"my own words"
    hub.repos["me/digits"].files()["notes.txt"] = b"kept"
    before, asked = dict(hub.repos["me/digits"].files()), len(hub.requests)
    refused = cli("push", digits_run, "me/digits")
    assert (refused.code, refused.out) == (2, "")
    assert "hub:me/digits has README.md already" in refused.err
    assert "--replace" in refused.err
    assert hub.repos["me/digits"].files() == before
    assert not [request for request in hub.requests[asked:] if not request.startswith(("GET", "HEAD"))]
    assert cli("push", digits_run, "me/digits", "--replace").code == 0
    after = hub.repos["me/digits"].files()
    assert after["README.md"].startswith(b"---")
    assert after["notes.txt"] == b"kept"
    assert len(hub.commits("me/digits")) == 2


def test_somebody_else_was_there_in_between(
    cli: Cli, hub: HubServer, digits_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("push", digits_run, "me/digits").code == 0
    repo = hub.repos["me/digits"]
    repo.files()["README.md"] = b"old"
    commit = hub.commit

    def late(name: str, asked: Repo, branch: str, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        repo.branches["main"].append(("theirs", {"README.md": b"theirs"}))
        return commit(name, asked, branch, lines)

    monkeypatch.setattr(hub, "commit", late)
    done = cli("push", digits_run, "me/digits", "--replace")
    assert done.code == 1
    assert (
        "error: me/digits was changed by somebody else during the upload, and is as they left it; try again."
        in done.err
    )
    assert repo.files() == {"README.md": b"theirs"}


REFUSALS = {
    "GET /api/models": (401, 2, "does not accept the token (HTTP status 401)"),
    "POST /api/repos/create": (403, 2, "The token may not write to me/digits (HTTP status 403)"),
    "/repos/create": (409, 2, "me/digits exists already, but this token may not see it (HTTP status 409); give a"),
    "/preupload/": (403, 2, "The token may not write to me/digits (HTTP status 403); an empty repository was made"),
    "PUT /lfs/": (400, 1, "me/digits could not be written (HTTP status 400: refused); an empty repository was made"),
    "/commit/": (500, 1, "me/digits could not be written (HTTP status 500: refused); an empty repository was made"),
    "HEAD /": (503, 1, "cannot be reached ("),
}


@pytest.mark.parametrize("part", REFUSALS)
def test_what_the_hub_refuses_is_a_sentence(cli: Cli, hub: HubServer, digits_run: Path, part: str) -> None:
    status, code, sentence = REFUSALS[part]
    hub.refuse[part] = status
    done = cli("push", digits_run, "me/digits", "--license", "mit")
    (line,) = done.err.splitlines()
    assert (done.code, done.out) == (code, "")
    assert sentence in line
    assert not hub.repos.get("me/digits") or hub.commits("me/digits") == []


def test_a_repository_that_was_there_is_intact(cli: Cli, hub: HubServer, digits_run: Path) -> None:
    hub.repos["me/digits"] = Repo()
    hub.refuse["/commit/"] = 500
    done = cli("push", digits_run, "me/digits")
    assert done.code == 1
    assert "me/digits could not be written (HTTP status 500: refused); its files are unchanged." in done.err


def test_no_repository_is_made_for_a_card_that_the_hub_does_not_accept(
    cli: Cli, hub: HubServer, digits_run: Path
) -> None:
    hub.card_errors = ['"license" must be one of [mit].', '"tags" are none.']
    done = cli("push", digits_run, "me/digits")
    assert done.code == 1
    assert (
        'error: The Hub does not accept the card ("license" must be one of [mit]; "tags" are none); nothing was '
        "uploaded. `--dry-run DIR` shows the card.\n"
    ) in done.err
    assert hub.repos == {}


def test_a_gated_repository_is_there(cli: Cli, hub: HubServer, digits_run: Path) -> None:
    hub.gated.add("me/digits")
    done = cli("push", digits_run, "me/digits")
    assert done.code == 2
    assert "me/digits exists already and is gated, and this token has no access to it" in done.err
    assert hub.repos == {}


@pytest.mark.parametrize("letter", ["\x07", " ", "é", "\x7f"])
def test_a_token_that_cannot_be_is_not_printed(
    letter: str, cli: Cli, hub: HubServer, digits_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", f"hf_sec{letter}ret")
    done = cli("push", digits_run, "me/digits")
    assert (done.code, hub.requests) == (2, [])
    assert "has a character that no token has" in done.err
    assert "hf_" not in done.err


def test_reasons_are_whole_and_without_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    said = _reason(ValueError(f"Invalid metadata of {TOKEN}.\n- license is none.\nSee there\n- tags are none"))
    assert said == "Invalid metadata of TOKEN: license is none; tags are none"


def test_a_public_repository_is_not_private(cli: Cli, hub: HubServer, digits_run: Path) -> None:
    assert cli("push", digits_run, "me/digits").code == 0
    done = cli("push", digits_run, "me/digits", "--private", "--revision", "v2")
    assert done.code == 2
    assert "me/digits exists already and is public, so nothing in it is private" in done.err


def test_everything_that_is_wrong_at_once(
    cli: Cli, hub: HubServer, digits_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    done = cli("push", "half.safetensors", "me/digits", "--license", "apache")
    assert done.code == 2
    license_, model, token = done.err.splitlines()
    assert '--license "apache" is not a licence of the Hub (nearest: apache-2.0' in license_
    assert "no file half.safetensors" in model
    assert "neither in HF_TOKEN nor where `hf auth login` keeps one" in token
    assert hub.requests == []
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    done = cli("push", digits_run, "me/digits")
    assert done.code == 2
    assert "does not accept the token" in done.err


def test_a_hub_that_cannot_be_reached(
    cli: Cli, hub: HubServer, digits_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("http://127.0.0.1:9", monkeypatch)
    start = time.monotonic()
    done = cli("push", digits_run, "me/digits")
    assert done.code == 1
    assert "The Hub cannot be reached (http://127.0.0.1:9: " in done.err
    assert "`--dry-run DIR` writes the same files to a folder" in done.err
    assert time.monotonic() - start < 10


def test_without_the_extra(cli: Cli, digits_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for words in ((), ("--dry-run", "look")):
        done = cli("push", digits_run, "me/digits", *words)
        assert (done.code, done.out) == (2, "")
        assert done.err == 'error: `cardinet push` needs huggingface_hub: pip install "cardinet[hub]".\n'
    assert not Path("look").exists()


def test_a_path_in_the_model_file_is_told(cli: Cli, digits_run: Path) -> None:
    import dataclasses

    from cardinet.runs.model_file import save_model

    model = cardinet.load(digits_run)
    before = {"data": "/home/alice/older", "recipe": "/home/alice/mine"}
    about = {**model.training, "data": "/home/alice/secret/digits", "recipe": "/home/alice/mine", "before": before}
    save_model(Path("m.safetensors"), dataclasses.replace(model, training=about))
    done = cli("push", "m.safetensors", "me/digits", "--dry-run", "look", "--license", "mit")
    (said,) = [line for line in done.err.splitlines() if "contains the path" in line]
    named = said.partition(" contains the path ")[2].rstrip(".").split(" and ")
    assert sorted(named) == ["/home/alice/mine", "/home/alice/older", "/home/alice/secret/digits"]
    for name in ("README.md", "config.json"):
        assert "alice" not in (Path("look") / name).read_text()
