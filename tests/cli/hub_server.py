"""As much of the Hub's interface as its client needs to make a repository, upload to it and download from it."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_a_test"


@dataclass
class Repo:
    """A repository: by branch its commits, the last one being what it is, each a message and all files."""

    private: bool = False
    branches: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=lambda: {"main": [("init", {})]})

    def sha(self, branch: str) -> str:
        return hashlib.sha1(repr((branch, len(self.branches[branch]))).encode()).hexdigest()

    def branch(self, revision: str) -> str:
        """The branch that a revision, a branch or the hash of its last commit, means."""
        return next((branch for branch in self.branches if revision == self.sha(branch)), revision)

    def files(self, branch: str = "main") -> dict[str, bytes]:
        return self.branches[branch][-1][1]


class HubServer:
    """The state of a Hub; `refuse` maps a part of a request ("POST /api/repos") to the status that it is given."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.refuse: dict[str, int] = {}
        self.card_errors: list[str] = []
        self.gated: set[str] = set()
        self.address = ""

    def commits(self, repo: str, branch: str = "main") -> list[str]:
        """The messages of the commits that were uploaded."""
        return [message for message, _ in self.repos[repo].branches[branch][1:]]

    def api(self, method: str, path: list[str], body: bytes) -> tuple[int, Any]:
        """The answer to a request below /api."""
        if path[0] == "validate-yaml":
            wrong = [{"message": message} for message in self.card_errors]
            return 400 if wrong else 200, {"warnings": [{"message": "advice"}], "errors": wrong}
        if path == ["repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.repos[name] = Repo(private=asked.get("visibility") == "private" or bool(asked.get("private")))
            return 200, {"url": f"{self.address}/{name}"}
        name, what = "/".join(path[1:3]), path[3:] or ["info"]
        if name in self.gated:
            return 403, "GatedRepo"
        repo = self.repos.get(name)
        if repo is None:
            return 404, "RepoNotFound"
        if what[0] == "branch":
            repo.branches[what[1]] = repo.branches["main"][-1:]
            return 200, {}
        branch = repo.branch("/".join(map(unquote, what[1:2])) or "main")
        if branch not in repo.branches:
            return 404, "RevisionNotFound"
        if what[0] in ("info", "revision"):
            siblings = [described(file, content) for file, content in repo.files(branch).items()]
            return 200, {"id": name, "private": repo.private, "sha": repo.sha(branch), "siblings": siblings}
        if what[0] == "tree":
            return 200, [
                {"type": "file", "path": file, "oid": "0" * 40, "size": len(content)}
                for file, content in repo.files(branch).items()
            ]
        if what[0] == "preupload":
            asked = json.loads(body)["files"]
            modes = {f["path"]: "lfs" if large(f["path"]) else "regular" for f in asked}
            return 200, {"files": [{"path": p, "uploadMode": m, "shouldIgnore": False} for p, m in modes.items()]}
        assert what[0] == "commit", (method, path)
        return self.commit(name, repo, branch, [json.loads(line) for line in body.splitlines()])

    def commit(self, name: str, repo: Repo, branch: str, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        """Add one commit, if it is on top of the last."""
        head, *operations = lines
        if head["value"].get("parentCommit", repo.sha(branch)) != repo.sha(branch):
            return 412, "Conflict"
        files = dict(repo.files(branch))
        for operation in operations:
            value = operation["value"]
            content = self.objects[value["oid"]] if "oid" in value else base64.b64decode(value["content"])
            files[value["path"]] = content
        repo.branches[branch] = [*repo.branches[branch], (head["value"]["summary"], files)]
        sha = repo.sha(branch)
        return 200, {"commitUrl": f"{self.address}/{name}/commit/{sha}", "commitOid": sha}

    def batch(self, body: bytes) -> Any:
        """Where the large files go."""
        return {
            "objects": [
                {**o, "actions": {"upload": {"href": f"{self.address}/lfs/{o['oid']}"}}}
                for o in json.loads(body)["objects"]
            ]
        }

    def file(self, path: list[str]) -> tuple[str, bytes] | None:
        """The commit and content of [datasets/]OWNER/NAME/resolve/REVISION/FILE; None where there is no such file."""
        place = path.index("resolve")
        repo = self.repos.get("/".join(path[place - 2 : place]))
        branch = None if repo is None else repo.branch(unquote(path[place + 1]))
        if repo is None or branch not in repo.branches:
            return None
        content = repo.files(branch).get("/".join(path[place + 2 :]))
        return None if content is None else (repo.sha(branch), content)


def large(name: str) -> bool:
    """Whether a file is uploaded apart from the commit, as Git LFS has it."""
    return name.endswith(".safetensors")


def described(name: str, content: bytes) -> dict[str, Any]:
    """A file as the Hub lists it."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    about: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
    if large(name):
        oid = hashlib.sha256(content).hexdigest()
        about["lfs"] = {"size": len(content), "sha256": oid, "pointerSize": 130}
    return about


def handler(hub: HubServer) -> type[http.server.BaseHTTPRequestHandler]:
    """The HTTP side of a Hub."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path
            words = path.strip("/").split("/")
            request = f"{self.command} {path}"
            hub.requests.append(request)
            status = next((status for part, status in hub.refuse.items() if part in request), 200)
            if status == 200 and words[0] == "api" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer(401, {"error": "Invalid credentials in Authorization header"})
            elif status != 200:
                self.answer(status, {"error": "refused"})
            elif words[0] == "api":
                self.answer(*hub.api(self.command, words[1:], body))
            elif words[-1] == "batch":
                self.answer(200, hub.batch(body))
            elif words[0] == "lfs":
                assert hashlib.sha256(body).hexdigest() == words[1]
                hub.objects[words[1]] = body
                self.answer(200, {})
            elif "resolve" in words:
                found = hub.file(words)
                self.answer(404, "EntryNotFound") if found is None else self.answer(200, found[1], commit=found[0])
            else:
                self.answer(200, {})

        do_GET = do_HEAD = do_POST = do_PUT = handle_request

        def answer(self, status: int, what: Any, commit: str = "") -> None:
            """Bytes are a file, text is the Hub's code of an error, anything else JSON."""
            data = what if isinstance(what, bytes) else json.dumps({} if isinstance(what, str) else what).encode()
            self.send_response(status)
            if isinstance(what, str):
                self.send_header("X-Error-Code", what)
            if isinstance(what, dict) and "error" in what:
                self.send_header("X-Error-Message", what["error"])
            if isinstance(what, bytes):
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            """Nothing is printed."""

    return Handler


@contextmanager
def served() -> Iterator[HubServer]:
    """A Hub on this machine."""
    hub = HubServer()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
