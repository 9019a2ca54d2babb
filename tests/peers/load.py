"""GetProduct by ghz through an edge, and what comes of it: what suites of many replicas have in common.

ghz counts calls by their gRPC status and waits on connections as any grpc-go client does.
"""

import collections
import json
import re
import subprocess
import time
import urllib.request

import lib

GET_PRODUCT = "souk.catalog.v1.CatalogService/GetProduct"
# Calls in flight at a time, over so many connections of the client.
CALLERS, CONNECTIONS = 32, 8
# A load may take this long on a slow machine that does other things.
LOAD_SECONDS = 1200
# How far from the mean a replica's share may be.
UNEVEN = 0.10
# Calls of a window in which shares are looked at.
SHARE_CALLS = 3000
# How long so many may take.
WINDOW_SECONDS = 20
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Load:
    """Calls until they are enough; `how_long` is what `calls` or `for_seconds` gives."""

    def __init__(self, suite, edge, how_long):
        listed = lib.grpcurl(edge, "souk.catalog.v1.CatalogService/ListProducts", data={"page_size": 1})
        product = listed.only["products"][0]["productId"]
        self.report = suite.scratch / f"load-{len(suite.logs)}.json"
        call = ["--insecure", "--call", GET_PRODUCT, "-d", json.dumps({"product_id": product})]
        shape = ["-c", CALLERS, "--connections", CONNECTIONS, "--timeout", "15s"]
        out = ["-O", "json", "-o", self.report]
        self.process = suite.start("ghz", [lib.peer("ghz"), *call, *shape, *out, *how_long, edge], env=lib.NO_PROXY)

    def is_over(self):
        return self.process.poll() is not None

    def result(self):
        """How many calls there were, how many of each code, and ghz's report."""
        try:
            self.process.wait(LOAD_SECONDS)
        except subprocess.TimeoutExpired:
            raise lib.Failure(f"the load was not over within {LOAD_SECONDS} s") from None
        report = json.loads(self.report.read_text())
        return report["count"], collections.Counter(report["statusCodeDistribution"]), report


def calls(count):
    """So many calls."""
    return ["-n", count]


def for_seconds(seconds):
    """Calls for so long, the last ones waited for."""
    return ["-z", f"{seconds}s", "--duration-stop", "wait"]


def without_failure(suite, load, what, made=None):
    """Ends a load that nothing may fail; `made` is how many calls it was, where that was said."""
    count, codes, report = load.result()
    # ghz counts attempts: one that a server had not begun is made again by grpc-go within its call.
    good = codes["OK"] == made if made else set(codes) == {"OK"}
    suite.check(good, f"0 of {made or count} calls failed {what}", (codes, report.get("errorDistribution")))
    suite.note(f"{told(report)}; {sum(codes.values()) - codes['OK']} sent again by grpc-go")


def told(report):
    """A report's figures in a line."""
    p99 = next(point["latency"] for point in report["latencyDistribution"] if point["percentage"] == 99)
    slowest = report["slowest"] / 1e6
    return f"{report['count']} calls, {report['rps']:.0f}/s, p99 {p99 / 1e6:.1f} ms, slowest {slowest:.0f} ms"


def answered(admin):
    """The calls that the process with this admin port has answered, by its own count."""
    with OPENER.open(f"http://{admin}/metrics", timeout=lib.CALL_SECONDS) as page:
        return counted(page.read().decode())


def counted(text):
    """The same, of a page of metrics."""
    found = re.findall(r'^grpc_server_call_duration_seconds_count\{.*/GetProduct".*\} (\d+)$', text, re.MULTILINE)
    return sum(map(int, found))


def even(suite, counts, seconds, what):
    """Waits for a window of calls, begun within this time, of which all have equal shares; `counts` gives what each has answered.

    The window slides: it ends now and begins as late as it may. One that had to end before the next begins would last
    seconds on a slow machine, and the one in which a replica comes back would count as a whole. How long so many calls take
    is nobody's lateness.
    """
    began, samples, windows = time.monotonic(), [], []

    def window():
        samples.append((time.monotonic() - began, now := counts()))
        for after, before in reversed(samples):
            taken = [is_ - was for is_, was in zip(now, before, strict=True)]
            if sum(taken) >= SHARE_CALLS:
                windows.append(f"{taken} from {after:.1f} s")
                if after > seconds:
                    raise lib.Failure(f"{what}: not within {seconds} s")
                mean = sum(taken) / len(taken)
                return all(abs(share / mean - 1) <= UNEVEN for share in taken)
        return False

    try:
        lib.eventually(what, seconds + WINDOW_SECONDS, window)
    except lib.Failure as late:
        raise lib.Failure(f"{late}; it was {windows[-3:]}") from None
    suite.check(True, what)
    suite.note(f"{windows[-1]} to {time.monotonic() - began:.1f} s")


def died(suite, load):
    """Ends a load under which one replica died: only calls that were in flight there failed."""
    count, codes, report = load.result()
    seen = (codes, report.get("errorDistribution"))
    suite.check(set(codes) <= {"OK", "Unavailable"}, f"of {count} calls none failed but with UNAVAILABLE", seen)
    suite.check(codes["Unavailable"] <= CALLERS, f"at most the {CALLERS} in flight failed", seen)
    suite.note(f"{codes['Unavailable']} failed: {report.get('errorDistribution')}; {told(report)}")
