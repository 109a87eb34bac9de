"""A hub on this machine: the few addresses of the Hugging Face Hub that huggingface_hub asks.

A repository is a list of commits, each a table of files; `.tflite` files are large ones, as there.
What a hub may lie about is altered in `Hub`.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_owner"


def git_hash(data):
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()


def files_of(folder):
    """Names and contents of a folder's files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Hub:
    """Repositories, and what the server says of them.

    Attributes:
        sent: contents that are sent in place of those listed, by file name.
        sizes: bytes that are listed in place of the true ones, by file name.
        commit: told in place of the true one, where it is set.
        status: of every answer, where it is set.
        etag: of every file, where it is set; huggingface_hub makes names of files of it.
        moved: where requests for files are sent, where it is set.
        asked: method and path of each request.
    """

    def __init__(self):
        self.repositories, self.objects = {}, {}
        self.sent, self.sizes, self.commit, self.status = {}, {}, None, None
        self.private, self.moved, self.etag, self.asked = set(), None, None, []

    def add(self, name, files, branch="main"):
        """Adds a commit and returns it."""
        repository = self.repositories.setdefault(name, {"commits": {}, "branches": {}})
        text = json.dumps([len(repository["commits"]), *map(git_hash, files.values())])
        commit = hashlib.sha1(text.encode()).hexdigest()
        repository["commits"][commit] = dict(files)
        repository["branches"][branch] = commit
        return commit

    def find(self, name, revision):
        """The commit and its files; KeyError where there is none."""
        repository = self.repositories[name]
        commit = repository["branches"].get(revision, revision)
        return commit, repository["commits"][commit]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self):
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        hub.asked.append(f"{self.command} {path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if hub.status:
            return self.send(hub.status)
        for pattern, handle in ROUTES.items():
            if found := re.fullmatch(pattern, path):
                return handle(self, hub, *found.groups())
        self.send(404)

    def send(self, status, body=b"", **headers):
        body = json.dumps(body).encode() if isinstance(body, dict) else body
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

    def may_write(self):
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if not allowed:
            self.send(401, {"error": "Invalid username or password."})
        return allowed

    def found(self, hub, name, revision):
        hidden = name in hub.private and self.headers.get("Authorization") != f"Bearer {TOKEN}"
        if name not in hub.repositories or hidden:
            self.send(404, X_Error_Code="RepoNotFound")
            return None
        try:
            return hub.find(name, revision)
        except KeyError:
            return self.send(404, X_Error_Code="RevisionNotFound")

    def send_info(self, hub, name, revision="main"):
        found = self.found(hub, name, revision)
        if found:
            commit, files = found
            siblings = [
                {
                    "rfilename": file,
                    "size": hub.sizes.get(file, len(data)),
                    "blobId": git_hash(data),
                    **({"lfs": large(data)} if file.endswith(".tflite") else {}),
                }
                for file, data in files.items()
            ]
            self.send(200, {"id": name, "sha": hub.commit or commit, "siblings": siblings})

    def send_file(self, hub, name, revision, file):
        found = self.found(hub, name, revision)
        if found:
            commit, files = found
            if file not in files:
                return self.send(404, X_Error_Code="EntryNotFound")
            data = hub.sent.get(file, files[file])
            if hub.moved:
                told = {"X_Repo_Commit": commit, "X_Linked_Size": str(len(data))}
                return self.send(302, Location=hub.moved + file, X_Linked_Etag='"etag"', **told)
            etag = hub.etag or git_hash(files[file])
            self.send(200, data, X_Repo_Commit=commit, ETag=f'"{etag}"')

    def create(self, hub):
        if self.may_write():
            asked = json.loads(self.body)
            name = f"{asked.get('organization') or 'user'}/{asked['name']}"
            url = {"url": f"http://{self.headers['Host']}/{name}"}
            if name in hub.repositories:
                return self.send(409, {"error": "You already created this model repo", **url})
            hub.add(name, {".gitattributes": b"*.tflite filter=lfs\n"})
            if asked.get("private") or asked.get("visibility") == "private":
                hub.private.add(name)
            self.send(200, url)

    def validate(self, hub):
        self.send(200, {"warnings": [{"message": "a remark"}], "errors": []})

    def preupload(self, hub, name, revision):
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".tflite") else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(self.body)["files"]
        ]
        self.send(200, {"files": files})

    def batch(self, hub, name):
        address = f"http://{self.headers['Host']}/objects/"
        objects = [
            {**each, "actions": {"upload": {"href": address + each["oid"]}}}
            for each in json.loads(self.body)["objects"]
        ]
        self.send(200, {"transfer": "basic", "objects": objects})

    def put_object(self, hub, name):
        assert hashlib.sha256(self.body).hexdigest() == name
        hub.objects[name] = self.body
        self.send(200)

    def commit(self, hub, name, revision):
        if not self.may_write():
            return
        files = dict(hub.find(name, revision)[1])
        for row in map(json.loads, self.body.splitlines()):
            value = row["value"]
            if row["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                files[value["path"]] = hub.objects[value["oid"]]
            elif row["key"] == "deletedFile":
                del files[value["path"]]
        made = hub.add(name, files, revision)
        url = f"http://{self.headers['Host']}/{name}/commit/{made}"
        self.send(200, {"success": True, "commitOid": made, "commitUrl": url})

    def log_message(self, *_):
        pass


def large(data):
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}


ROUTES = {
    "/api/models/([^/]+/[^/]+)": Handler.send_info,
    "/api/models/([^/]+/[^/]+)/revision/(.+)": Handler.send_info,
    "/([^/]+/[^/]+)/resolve/([^/]+)/(.+)": Handler.send_file,
    "/api/repos/create": Handler.create,
    "/api/validate-yaml": Handler.validate,
    "/api/models/([^/]+/[^/]+)/preupload/(.+)": Handler.preupload,
    "/api/models/([^/]+/[^/]+)/commit/(.+)": Handler.commit,
    "/([^/]+/[^/]+).git/info/lfs/objects/batch": Handler.batch,
    "/objects/([^/]+)": Handler.put_object,
}


@contextlib.contextmanager
def served(handler=Handler):
    """A server on a free port of this machine, in a thread; `hub` is what it serves."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True  # clients keep connections
    server.hub, server.address = Hub(), f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
