"""What ci/checks/uploads does: publishers that are killed or race, and readers that look all the time.

    uploads.py directory|bucket|crowd FOLDER

The programs are in the path; the object store is where the environment says.
"""

import hashlib
import http.client
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

FOLDER = pathlib.Path(sys.argv[2])
VENDOR = FOLDER / "vendor"
HOST = FOLDER / "host"
LEASE = 1
THOUSAND = 1000
RACES = 12


def say(text):
    print(f"--- {text}", file=sys.stderr, flush=True)


def publish(*words, **options):
    """Runs sysext-publish in the vendor's folder."""
    environment = os.environ | {"XDG_STATE_HOME": str(FOLDER / "state")} | options.pop("environment", {})
    command = ["sysext-publish", "--quiet", *words]
    return subprocess.run(command, cwd=VENDOR, env=environment, capture_output=True, text=True, timeout=300, **options)


def must(*words, **options):
    result = publish(*words, **options)
    if result.returncode != 0:
        sys.exit(f"FAILED: {' '.join(words)} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result


def image(version, name="hello"):
    """Packs a program that says its version; the path of the image."""
    tree = FOLDER / "trees" / f"{name}-{version}"
    (tree / "usr/share/hello").mkdir(parents=True, exist_ok=True)
    (tree / "usr/share/hello/version").write_text(f"{version}\n" + "text that compresses\n" * 500)
    out = VENDOR / f"{name}_{version}_noarch.raw"
    must("pack", str(tree), "--name", name, "--version", version, "-o", str(out))
    return out.name


def fingerprint():
    return hashlib.sha256((VENDOR / "root.json").read_bytes()).hexdigest()


class Readers:
    """A host, and whoever verifies everything, each looking again as soon as it has looked."""

    def __init__(self, url):
        self.url = url
        self.over = threading.Event()
        self.wrong = []
        self.looks = 0
        (HOST / "etc").mkdir(parents=True)
        (HOST / "usr/lib").mkdir(parents=True)
        (HOST / "usr/lib/os-release").write_text("ID=debian\nVERSION_ID=13\n")
        self.fetch("catalog", "add", f"{url}#sha256={fingerprint()}")
        wishes = HOST / "etc/sysext-fetch/extensions.d"
        wishes.mkdir(parents=True, exist_ok=True)
        (wishes / "hello.toml").write_text('catalog = "acme"\n')
        self.threads = [threading.Thread(target=self.look, args=(it,)) for it in (self.check, self.verify)]

    def fetch(self, *words):
        command = ["sysext-fetch", "--root", str(HOST), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def check(self):
        return self.fetch("--json", "check")

    def verify(self):
        return publish("verify", self.url, environment={"XDG_STATE_HOME": str(FOLDER / "reader-state")})

    def look(self, how):
        while not self.over.is_set():
            result = how()
            self.looks += 1
            if result.returncode != 0:
                self.wrong.append(f"{result.args}: {result.returncode}\n{result.stdout}{result.stderr}")
                return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def judge(self):
        if self.wrong:
            sys.exit("FAILED: a reader met a state that does not verify:\n" + "\n".join(self.wrong))


SIGNER = """#!/usr/bin/env python3
import hashlib, sys
sys.stdout.buffer.write(bytes([0x88]) + hashlib.sha256(sys.stdin.buffer.read()).digest())
"""


def sums_are_one(url, complete):
    """Where a signature of SHA256SUMS is there, it is of the list that is there; when all is done, both are."""

    def read(name):
        try:
            with urllib.request.urlopen(f"{url}/images/{name}", timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    listed, signature = read("SHA256SUMS"), read("SHA256SUMS.gpg")
    if complete and not (listed and signature):
        sys.exit("FAILED: SHA256SUMS or its signature is not there")
    if signature is not None and signature != b"\x88" + hashlib.sha256(listed or b"").digest():
        sys.exit("FAILED: the signature of SHA256SUMS is of another list")


def settle(file, version, url):
    """The next run completes what was left, and what is published is whole."""
    sums_are_one(url, complete=False)
    must("add", "--zstd-level", "1", file)
    must("verify", "--all")
    if f'"{version}"' not in must("--json", "status").stdout:
        sys.exit(f"FAILED: {version} is not there after the next run")
    sums_are_one(url, complete=True)


def begin(location, url, *more):
    VENDOR.mkdir(parents=True)
    must("init", location, "--id", "acme", "--url", url, "--extension", "hello", "--unencrypted", *more)
    signer = VENDOR / "signer"
    signer.write_text(SIGNER)
    signer.chmod(0o755)
    config = VENDOR / "sysext-publish.toml"
    config.write_text(config.read_text().replace('openpgp = ""', f'openpgp = "cmd:{signer}"'))
    must("add", image("1.0"))


# --- a directory -------------------------------------------------------------------------------------------------------

CALLS = "renameat,renameat2,linkat,unlinkat,fsync,fdatasync"


def directory():
    FOLDER.mkdir(parents=True)
    program = pathlib.Path(__file__).parent.parent / "lib/http-server"
    server = subprocess.Popen([str(program), str(FOLDER), str(FOLDER / "url")], stderr=subprocess.DEVNULL)
    try:
        while not (FOLDER / "url").exists():
            time.sleep(0.01)
        url = (FOLDER / "url").read_text().strip() + "/vendor/public"
        begin("public", url)
        kills = 0
        with Readers(url) as readers:
            for call in range(1, 1000):
                version = f"2.{call}"
                file = image(version)
                command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}",
                           "-e", f"inject={CALLS}:signal=KILL:when={call}",
                           "sysext-publish", "--quiet", "add", "--zstd-level", "1", file]
                environment = os.environ | {"XDG_STATE_HOME": str(FOLDER / "state")}
                ended = subprocess.run(command, cwd=VENDOR, env=environment, capture_output=True, timeout=120)
                settle(file, version, url)
                readers.judge()
                if ended.returncode == 0:
                    break
                kills += 1
        readers.judge()
        left = [str(path) for path in (VENDOR / "public").rglob(".tmp-*")]
        if left or kills < 10:
            sys.exit(f"FAILED: {kills} kills; left behind: {left}")
        say(f"directory: killed at each of {kills} calls; {readers.looks} looks, none at a state that does not verify")
    finally:
        server.kill()


# --- an object store ---------------------------------------------------------------------------------------------------


class Proxy(http.server.ThreadingHTTPServer):
    """In front of the store. Ends the publisher at one write, before or after it is carried out."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Passing)
        self.store = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        self.lock = threading.Lock()
        self.publisher = None
        self.kill_at = 0
        self.carried_out = False
        self.writes = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def plan(self, kill_at, carried_out):
        with self.lock:
            self.kill_at, self.carried_out, self.writes = kill_at, carried_out, 0

    def handle_error(self, request, client_address):
        """A publisher that was killed does not wait for its answers."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def is_the_one(self):
        with self.lock:
            self.writes += 1
            return self.writes == self.kill_at

    def kill(self):
        if self.publisher is not None:
            self.publisher.send_signal(signal.SIGKILL)
            self.publisher.wait()


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fatal = self.command != "GET" and self.command != "HEAD" and self.server.is_the_one()
        if fatal and not self.server.carried_out:
            self.server.kill()
            self.close_connection = True
            return
        connection = http.client.HTTPConnection(self.server.store, timeout=60)
        # The signature is over the host that the publisher knows: it goes on as it is.
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        bytes_back = answer.read()
        if fatal:
            self.server.kill()
            self.close_connection = True
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(bytes_back))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(bytes_back)
        connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any


def bucket():
    url = os.environ["AWS_ENDPOINT_URL"] + "/uploads/killed"
    begin(f"s3://uploads/killed?lease={LEASE}", url)
    proxy = Proxy()
    through = os.environ | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.server_port}",
        "XDG_STATE_HOME": str(FOLDER / "state"),
    }
    kills = 0
    with Readers(url) as readers:
        for carried_out in (False, True):
            for write in range(1, 1000):
                version = f"{2 + carried_out}.{write}"
                file = image(version)
                proxy.plan(write, carried_out)
                proxy.publisher = subprocess.Popen(
                    ["sysext-publish", "--quiet", "add", "--zstd-level", "1", file],
                    cwd=VENDOR, env=through, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                )
                code = proxy.publisher.wait(timeout=120)
                if code not in (0, -signal.SIGKILL):
                    sys.exit(f"FAILED: ended with {code}: {proxy.publisher.stderr.read()}")
                settle(file, version, url)
                readers.judge()
                if code == 0:
                    break
                kills += 1
    readers.judge()
    if kills < 16:
        sys.exit(f"FAILED: {kills} kills only")
    say(f"bucket: killed at {kills} writes, half of them carried out; {readers.looks} looks, "
        "none at a state that does not verify")


def crowd():
    url = os.environ["AWS_ENDPOINT_URL"] + "/uploads/crowd"
    begin(f"s3://uploads/crowd?lease={LEASE}", url)
    with Readers(url) as readers:
        for race in range(RACES):
            files = [image(f"{race + 2}.{one}") for one in (1, 2)]
            running = [
                subprocess.Popen(
                    ["sysext-publish", "--quiet", "add", "--zstd-level", "1", file], cwd=VENDOR, stderr=subprocess.PIPE,
                    env=os.environ | {"XDG_STATE_HOME": str(FOLDER / f"state-{one}")}, text=True, stdout=subprocess.DEVNULL,
                )
                for one, file in enumerate(files)
            ]
            for process in running:
                if process.wait(timeout=120) != 0:
                    sys.exit(f"FAILED: {process.stderr.read()}")
    readers.judge()
    images = verified_images()
    if images != 1 + 2 * RACES:
        sys.exit(f"FAILED: {images} images are there, {1 + 2 * RACES} were published")
    say(f"crowd: {RACES} times two publishers at once, nothing lost; {readers.looks} looks")
    thousand()


def verified_images():
    return json.loads(must("--json", "verify", "--all").stdout)["images_checked"]


def thousand():
    folder = VENDOR / "many"
    folder.mkdir()
    for number in range(THOUSAND):
        file = image(f"1000.{number}")
        (VENDOR / file).rename(folder / file)
    process = subprocess.Popen(["sysext-publish", "--quiet", "sync", "--zstd-level", "1", "many"], cwd=VENDOR,
                               env=os.environ | {"XDG_STATE_HOME": str(FOLDER / "state")})
    try:
        process.wait(timeout=4)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    began = time.monotonic()
    must("sync", "--zstd-level", "1", "many")
    seconds = time.monotonic() - began
    images = verified_images()
    if images != 1 + 2 * RACES + THOUSAND:
        sys.exit(f"FAILED: {images} images are there")
    say(f"crowd: {THOUSAND} images in a run that was killed and the one after it, which took {seconds:.0f} s; "
        f"all {images} verify")


def main():
    {"directory": directory, "bucket": bucket, "crowd": crowd}[sys.argv[1]]()


if __name__ == "__main__":
    main()
