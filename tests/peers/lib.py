"""What the suites share: peers, this checkout's binaries, processes that always end, checks that say themselves.

A suite is a function given to `suite`. It ends the processes that it started, by pid, and removes its scratch folder.
"""

import contextlib
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("SOUK_PEERS") or pathlib.Path.home() / ".cache/souk-peers").absolute()
# A process that has not said that it listens, or has not ended after SIGTERM, by then is stuck.
START_SECONDS = 30
STOP_SECONDS = 45
# A client under load ends by itself after some seconds.
LOAD_SECONDS = 90
# A call of a peer takes milliseconds; this bounds one that hangs.
CALL_SECONDS = 30


# Everything that is called is on this machine: a proxy that the environment names is not asked.
NO_PROXY = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


# The options of a shop whose ports are any that are free.
ANY_PORT = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0")


class Failure(Exception):
    """What was expected and did not happen."""


class Suite:
    """One run: where it keeps its files, and what must be undone when it ends."""

    def __init__(self, scratch):
        self.scratch = pathlib.Path(scratch)
        self.undo = contextlib.ExitStack()
        self.logs = []
        self.checks = 0

    def check(self, holds, what, seen=None):
        """Prints what was checked, or fails with it and what was seen instead."""
        if not holds:
            raise Failure(what if seen is None else f"{what}\n      seen: {seen}")
        self.checks += 1
        print(f"  ok  {what}", flush=True)

    def note(self, what):
        print(f"      {what}", flush=True)

    def start(self, name, words, env=None):
        """Starts a program whose output goes to a file; it is ended with the suite."""
        log = self.scratch / f"{name}-{len(self.logs)}.log"
        self.logs.append(log)
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [str(word) for word in words],
                env=os.environ | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.scratch,
            )
        self.undo.callback(end, process)
        return process

    def souk(self, *words, env=None):
        """Starts `souk WORDS --output json` and waits until it says that it listens."""
        return Listening(self, "souk", [binary("souk"), *words, "--output", "json"], env)

    def interop_server(self, *words, env=None):
        """Starts the server of the interoperation tests that is built here."""
        return Listening(self, "interop-server", [binary("interop-server"), *words], env)

    def document(self, section, columns, rows):
        """Compares a table with the one in docs/interop.md; with --write it is put there instead."""
        lines = [columns, ["---"] * len(columns), *rows]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        page = ROOT / "docs/interop.md"
        before, found, rest = page.read_text().partition(f"<!-- {section} -->\n")
        written, closed, after = rest.partition(f"<!-- /{section} -->\n")
        if not found or not closed:
            raise Failure(f"{page} has no table between <!-- {section} --> and <!-- /{section} -->")
        if "--write" in sys.argv[1:]:
            page.write_text("".join((before, found, table, closed, after)))
            written = table
        self.check(
            written == table,
            f"docs/interop.md says of {section} what was seen",
            f"another table, which {sys.argv[0]} --write puts there:\n{table}",
        )


class Listening:
    """A running program that prints one JSON object a line: its addresses, its output so far, and how it ended."""

    def __init__(self, suite, name, command, env=None):
        self.name = name
        self.log = suite.scratch / f"{name}-{len(suite.logs)}.log"
        suite.logs.append(self.log)
        self.lines = queue.Queue()
        with open(self.log, "wb") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env=os.environ | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=suite.scratch,
                text=True,
            )
        suite.undo.callback(end, self.process)
        threading.Thread(target=self._read, daemon=True).start()
        listening = self._listening()
        self.grpc, self.admin, self.http = (listening.get(name) for name in ("grpc", "admin", "http"))

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _listening(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failure(f"{self.name} said nothing about listening within {START_SECONDS} s") from None
            if line is None:
                raise Failure(f"{self.name} ended with {self.process.wait()} before it listened")
            try:
                event = json.loads(line)
            except ValueError:
                raise Failure(f"every line is a JSON object, but {self.name} printed {line!r}") from None
            if event.get("event") == "listening":
                return event

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        """Its exit code; a drain has a limit, and so has this."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} was still there {STOP_SECONDS} s after it was told to end") from None

    def stop(self):
        self.signal()
        return self.wait()


class Load:
    """A case of our client that calls until its time is over, while somebody does something to the servers."""

    def __init__(self, suite, case, addresses, *words):
        self.suite, self.out = suite, suite.scratch / f"{case}-{len(suite.logs)}.out"
        self.command = [binary("interop-client"), "--server", ",".join(addresses), "--case", case, *words]

    def __enter__(self):
        with open(self.out, "wb") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=subprocess.DEVNULL, env=NO_PROXY)
        self.suite.undo.callback(end, self.process)
        eventually("the client calls", START_SECONDS, lambda: b"calling" in self.out.read_bytes())
        return self

    def expect_success(self, what):
        """What came of the calls, by the server's id or by the code."""
        code, said = self.process.wait(LOAD_SECONDS), list(objects(self.out.read_text()))
        self.suite.check(code == 0, what, said)
        counts = next(event for event in said if event["event"] == "called")
        return {name: int(count) for name, count in counts.items() if name != "event"}

    def __exit__(self, *_):
        end(self.process)


class Answer:
    """What grpcurl printed: the messages, or the status."""

    def __init__(self, done):
        self.exit, self.text, self.errors = done.returncode, done.stdout, done.stderr
        self.messages = list(objects(done.stdout))
        status = next(objects(done.stderr), {}) if done.returncode else {}
        # grpcurl ends with 64 + the status code where there was one, and below that where the call was never made.
        self.code = CODES[done.returncode - 64] if done.returncode >= 64 else "OK" if not done.returncode else "NO CALL"
        self.message, self.details = status.get("message", ""), status.get("details", [])

    @property
    def only(self):
        """The one message of a call that must have succeeded."""
        if self.code != "OK" or len(self.messages) != 1:
            raise Failure(f"expected one message, got {self}")
        return self.messages[0]

    def detail(self, kind):
        return next((detail for detail in self.details if detail.get("@type", "").endswith("/google.rpc." + kind)), {})

    def fields(self):
        """The fields that the status finds fault with."""
        return [violation["field"] for violation in self.detail("BadRequest").get("fieldViolations", [])]

    def __str__(self):
        return f"{self.code} (exit {self.exit}): {(self.text + self.errors).strip()[:1500]}"


CODES = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]


def token(data):
    """The operator's token that a running shop keeps in its data directory."""
    return (pathlib.Path(data) / "operator.token").read_text().strip()


def signed(key):
    """A token that an operator's key signs."""
    return printed("token", "--key", key)


def operator(folder):
    """A new key in a folder: what services that know it have in their environment, and a token."""
    key = pathlib.Path(folder) / "operator.key"
    return {"TOKEN_KEYS": printed("token", "--key", key, "--create", "--public")}, signed(key)


def printed(*words):
    done = finished([binary("souk"), *words], CALL_SECONDS)
    if done.returncode != 0:
        raise Failure(f"souk {words[0]}: {done.stderr}")
    return done.stdout.strip()


def grpcurl(address, *words, data=None, flags=(), token=None):
    """Calls METHOD (or `list`, `describe`) in plaintext; data is a message, or a list of them for a client stream;
    token makes it an operator's."""
    messages = data if isinstance(data, list) else [] if data is None else [data]
    body = ["-d", "@"] if data is not None else []
    if token is not None:
        flags = [*flags, "-rpc-header", f"authorization: Bearer {token}"]
    command = [peer("grpcurl"), "-plaintext", "-format-error", "-max-time", str(CALL_SECONDS), *flags, *body, address]
    text = "\n".join(json.dumps(message) for message in messages)
    try:
        return Answer(
            subprocess.run(
                [*command, *words],
                input=text,
                capture_output=True,
                text=True,
                env=NO_PROXY,
                timeout=2 * CALL_SECONDS,
                check=False,
            )
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"grpcurl {address} {' '.join(words)} did not end within {2 * CALL_SECONDS} s") from None


def objects(text):
    """The JSON objects that stand one after the other in a text, up to the first thing that is none."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            return
        yield value


def finished(words, seconds, **options):
    """A command that has ended, with its output."""
    try:
        return subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            env=NO_PROXY,
            timeout=seconds,
            check=False,
            **options,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(map(str, words))} did not end within {seconds} s") from None


def peer(name):
    path = PEERS / "bin" / name
    if not os.access(path, os.X_OK):
        raise Failure(f"{name} is not installed: tests/peers/install {name}")
    return str(path)


def version(name):
    """In which version tests/peers/install installs a peer."""
    listed = subprocess.run([ROOT / "tests/peers/install"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = (line.split() for line in listed.splitlines())
    return next(words[1] for words in found if words and words[0] == name)


BINARIES = {}


def binary(name):
    """The binary of this checkout, built if need be; ${SOUK_BIN}/NAME where that is set."""
    if folder := os.environ.get("SOUK_BIN"):
        return str(pathlib.Path(folder).absolute() / name)
    if name not in BINARIES:
        done = subprocess.run(
            ["cargo", "build", "--locked", "--bin", name, "--message-format=json-render-diagnostics"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failure(f"cargo build --bin {name} failed")
        built = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
        BINARIES[name] = next(
            line["executable"] for line in built if line.get("executable") and line["target"]["name"] == name
        )
    return BINARIES[name]


def free_port():
    """A loopback port that nobody had a moment ago, for programs that cannot say which one they took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(what, seconds, attempt, every=0.1):
    """The first true answer of attempt(), asked again and again until the time is over."""
    deadline = time.monotonic() + seconds
    while not (answer := attempt()):
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(every)
    return answer


def end(process):
    """Whoever is still there when a suite ends is of no more use: a short while for its last words, then SIGKILL."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def suite(run):
    """Runs a suite and ends the program: 0 where every check held."""
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="souk-peers-") as scratch:
        this = Suite(scratch)
        try:
            with this.undo:
                run(this)
        except Exception as failure:  # An answer of another shape than expected is a failure too, with a place.
            known = isinstance(failure, Failure)
            print(f"  FAILED  {failure if known else traceback.format_exc()}", flush=True)
            for log in this.logs:
                tail = log.read_text(errors="replace").splitlines()[-25:]
                print(
                    "\n".join([f"      the end of {log.name}:", *(f"        {line[:400]}" for line in tail)]),
                    flush=True,
                )
            sys.exit(1)
    print(f"      {this.checks} checks", flush=True)
