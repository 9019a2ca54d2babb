"""A search of grpcio's that takes ours' place: souk.search.v1 from memory, following the catalog's and inventory's feeds.

It is told what ours is told: GRPC_ADDR, CATALOG_TARGET, INVENTORY_TARGET. It prints one JSON object a line: where it listens,
and each call with the trace that it is a part of. It ends with SIGTERM.
"""

import base64
import hashlib
import json
import os
import signal
import threading
import time
import unicodedata
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc.health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from souk.catalog.v1 import catalog_service_pb2 as catalog
from souk.catalog.v1 import catalog_service_pb2_grpc
from souk.inventory.v1 import inventory_service_pb2 as inventory
from souk.inventory.v1 import inventory_service_pb2_grpc
from souk.search.v1 import search_service_pb2 as search
from souk.search.v1 import search_service_pb2_grpc

SERVICE = "souk.search.v1.SearchService"
DOMAIN = "souk.search.v1"
# A feed says something every 10 s: one that has not for this long is asked again.
SILENCE_SECONDS = 30
AGAIN_SECONDS = (0.1, 5)
GRACE_SECONDS = 10
QUERY_MAX, PREFIX_MAX, TOKEN_MAX = 500, 100, 2048
PAGE, PAGE_MAX = 50, 1000
SUGGESTIONS, SUGGESTIONS_MAX = 10, 50
FACETS_MAX = 100


class Follower:
    """A copy of a feed: of each key the revision and the payload, deleted ones as None."""

    def __init__(self, watch, request, changed, deleted):
        self.watch, self.request, self.changed, self.deleted = watch, request, changed, deleted
        self.lock, self.held = threading.Lock(), {}
        self.cursor, self.named, self.heard = "", None, None
        self.complete = threading.Event()

    def values(self):
        with self.lock:
            return {key: value for key, (_, value) in self.held.items() if value is not None}

    def is_stale(self):
        return self.heard is None or time.monotonic() - self.heard > SILENCE_SECONDS

    def run(self, over):
        wait = AGAIN_SECONDS[0]
        while not over.is_set():
            try:
                wait = self.follow(wait)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                    self.cursor = ""
            over.wait(wait)
            wait = min(2 * wait, AGAIN_SECONDS[1])

    def follow(self, wait):
        call, self.named = self.watch(self.request(cursor=self.cursor)), None
        silence = None
        try:
            while True:
                silence = threading.Timer(SILENCE_SECONDS, call.cancel)
                silence.daemon = True
                silence.start()
                message = next(call, None)
                silence.cancel()
                if message is None:
                    return wait
                self.apply(message)
                wait = AGAIN_SECONDS[0]
        finally:
            silence.cancel()

    def apply(self, message):
        kind = message.WhichOneof("kind")
        with self.lock:
            if kind == "snapshot_start":
                self.named = set()
            elif kind == "event":
                self.event(message.event)
            elif kind == "bookmark" and message.bookmark.ends_snapshot:
                for key in self.held.keys() - self.named:
                    del self.held[key]
                self.named = None
                self.complete.set()
            if message.cursor:
                self.cursor = message.cursor
            self.heard = time.monotonic()

    def event(self, event):
        # What a snapshot says first of a key replaces what is held, whatever its revision.
        replaces = self.named is not None and event.key not in self.named
        if self.named is not None:
            self.named.add(event.key)
        if not replaces and event.revision <= self.held.get(event.key, (0, None))[0]:
            return
        changed, deleted = self.changed(), self.deleted
        if event.payload.Unpack(changed):
            self.held[event.key] = (event.revision, changed)
        elif deleted and event.payload.Is(deleted.DESCRIPTOR):
            self.held[event.key] = (event.revision, None)


class Search(search_service_pb2_grpc.SearchServiceServicer):
    def __init__(self, products, stock):
        self.products, self.stock = products, stock

    def SearchProducts(self, request, context):
        said(context, "SearchProducts")
        wrong = {"query": len(request.query) > QUERY_MAX, "page_size": request.page_size < 0}
        wrong["page_token"] = len(request.page_token) > TOKEN_MAX
        wrong["order"] = request.order not in search.SearchOrder.values()
        refuse(context, [field for field, is_wrong in wrong.items() if is_wrong])
        self.refuse_unready(context)
        query = Query(request.query)
        if request.query.strip() and not query.wanted:
            abort(context, code_pb2.INVALID_ARGUMENT, "QUERY_WITHOUT_WORDS", "the query has no word to look for")
        stock = self.stock.values()
        found = []
        for product_id, changed in self.products.values().items():
            product = changed.product
            if product.state == catalog.PRODUCT_STATE_ACTIVE and (score := query.score(product)) is not None:
                level = stock.get(product_id)
                found.append((score, product, level.stock if level else None))
        # Simpler than the contract: what the query alone finds is counted.
        facets = facets_of(found) if request.include_facets else None
        found = [one for one in found if passes(request.filter, *one[1:])]
        found.sort(key=lambda one: (*rank(request.order, *one), one[1].product_id))
        begin = begins(request, context)
        size = min(request.page_size or PAGE, PAGE_MAX)
        page = found[begin : begin + size]
        more = begin + size < len(found)
        return search.SearchProductsResponse(
            hits=[hit(*one) for one in page],
            next_page_token=token(request, begin + size) if more else "",
            total_count=len(found),
            facets=facets,
            stale=self.products.is_stale() or self.stock.is_stale(),
        )

    def SuggestQueries(self, request, context):
        said(context, "SuggestQueries")
        wrong = {"prefix": not 1 <= len(request.prefix) <= PREFIX_MAX, "page_size": request.page_size < 0}
        refuse(context, [field for field, is_wrong in wrong.items() if is_wrong])
        self.refuse_unready(context)
        prefix, names = folded(request.prefix).strip(), {}
        for changed in self.products.values().values():
            if f" {folded(changed.product.name)}".find(f" {prefix}") >= 0:
                names[changed.product.name[:100]] = names.get(changed.product.name[:100], 0) + 1
        best = sorted(names.items(), key=lambda one: (-one[1], one[0]))
        most = min(request.page_size or SUGGESTIONS, SUGGESTIONS_MAX)
        return search.SuggestQueriesResponse(
            suggestions=[search.Suggestion(query=name, product_count=count) for name, count in best[:most]]
        )

    def refuse_unready(self, context):
        if not self.products.complete.is_set():
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromSeconds(1)
            abort(context, code_pb2.UNAVAILABLE, "INDEX_NOT_READY", "the catalog was not heard from yet", retry)


class Query:
    """The words that have to occur, next to each other where they were quoted, and those that must not."""

    def __init__(self, text):
        self.wanted, self.unwanted = [], []
        for number, part in enumerate(text.split('"')):
            if number % 2:
                self.wanted += [" ".join(words(part))] if words(part) else []
                continue
            for word in part.split():
                (self.unwanted if word.startswith("-") else self.wanted).extend(words(word))

    def score(self, product):
        """How well it matches, or None."""
        name, rest = text(product.name), text(product.name, product.brand, product.description)
        if any(f" {word} " in rest for word in self.unwanted):
            return None
        if not all(f" {word}" in rest for word in self.wanted):
            return None
        return sum(2.0 if f" {word}" in name else 1.0 for word in self.wanted)


def folded(text):
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one))


def words(text):
    return "".join(one if one.isalnum() else " " for one in folded(text)).split()


def text(*fields):
    return f" {' '.join(word for field in fields for word in words(field))} "


def price(money):
    return money.units * 10**9 + money.nanos


def passes(wanted, product, level):
    paths = [list(path.names) for path in product.categories]
    below = any(path[: len(one.names)] == list(one.names) for one in wanted.categories for path in paths)
    least, most = wanted.HasField("price_min"), wanted.HasField("price_max")
    return not (
        (wanted.categories and not below)
        or (wanted.brands and product.brand not in wanted.brands)
        or (least and (product.price.currency_code, True) != (wanted.price_min.currency_code, price(product.price) >= price(wanted.price_min)))
        or (most and (product.price.currency_code, True) != (wanted.price_max.currency_code, price(product.price) <= price(wanted.price_max)))
        or (wanted.rating_min and product.rating.average < wanted.rating_min)
        or (wanted.in_stock and not (level and level.on_hand > 0))
    )


def rank(order, score, product, _level):
    """Orders are not followed, so all products are equally popular."""
    if order == search.SEARCH_ORDER_POPULARITY:
        return (0,)
    if order == search.SEARCH_ORDER_PRICE_ASCENDING:
        return product.price.currency_code, price(product.price)
    if order == search.SEARCH_ORDER_PRICE_DESCENDING:
        return product.price.currency_code, -price(product.price)
    if order == search.SEARCH_ORDER_RATING:
        return -product.rating.average, -product.rating.count
    return (-score,)


def hit(score, product, level):
    availability = search.AVAILABILITY_UNSPECIFIED
    if level:
        availability = search.AVAILABILITY_IN_STOCK if level.on_hand > 0 else search.AVAILABILITY_OUT_OF_STOCK
    return search.SearchHit(
        product_id=product.product_id,
        name=product.name,
        brand=product.brand,
        price=product.price,
        list_price=product.list_price if product.HasField("list_price") else None,
        picture=product.pictures[0] if product.pictures else None,
        rating=product.rating if product.HasField("rating") else None,
        availability=availability,
        score=score,
        product_revision=product.revision,
        stock_revision=level.revision if level else 0,
    )


def facets_of(found):
    brands, roots = {}, {}
    for _, product, _ in found:
        if product.brand:
            brands[product.brand] = brands.get(product.brand, 0) + 1
        for root in {path.names[0] for path in product.categories}:
            roots[root] = roots.get(root, 0) + 1
    most = lambda counts: sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:FACETS_MAX]
    return search.Facets(
        brands=[search.BrandFacet(brand=brand, count=count) for brand, count in most(brands)],
        categories=[
            search.CategoryFacet(category=catalog.CategoryPath(names=[root]), count=count) for root, count in most(roots)
        ],
        in_stock_count=sum(1 for _, _, level in found if level and level.on_hand > 0),
    )


def asked(request):
    """What a page token is good for."""
    same = search.SearchProductsRequest(query=request.query, filter=request.filter, order=request.order)
    return hashlib.sha256(same.SerializeToString(deterministic=True)).hexdigest()[:16]


def token(request, begin):
    return base64.urlsafe_b64encode(f"{asked(request)}.{begin}".encode()).decode()


def begins(request, context):
    if not request.page_token:
        return 0
    try:
        query, _, begin = base64.urlsafe_b64decode(request.page_token).decode().partition(".")
        if query == asked(request) and int(begin) > 0:
            return int(begin)
    except ValueError:
        pass
    abort(context, code_pb2.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", "the page token is not of this search")


def refuse(context, fields):
    if fields:
        violation = error_details_pb2.BadRequest.FieldViolation
        wrong = [violation(field=field, description="is outside its limits") for field in fields]
        details = error_details_pb2.BadRequest(field_violations=wrong)
        abort(context, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", f"{fields[0]} is outside its limits", details)


def abort(context, code, reason, message, *details):
    packed = []
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN), *details):
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=code, message=message, details=packed)))


def said(context, method):
    """Prints which trace a call is a part of."""
    metadata = dict(context.invocation_metadata())
    print(json.dumps({"event": "call", "method": method, "traceparent": metadata.get("traceparent", "")}), flush=True)


class Health(health_pb2_grpc.HealthServicer):
    """Ready once the catalog's snapshot is whole, and no more once it is told to end."""

    def __init__(self, ready, over):
        self.ready, self.over = ready, over

    def status(self):
        ready = self.ready.is_set() and not self.over.is_set()
        return health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING

    def Check(self, request, context):
        if request.service not in ("", SERVICE):
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {request.service}")
        return health_pb2.HealthCheckResponse(status=self.status())

    def Watch(self, request, context):
        told = None
        while context.is_active() and not self.over.is_set():
            if (status := self.status()) != told:
                told = status
                yield health_pb2.HealthCheckResponse(status=status)
            self.over.wait(0.1)


def main():
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    products = Follower(
        catalog_service_pb2_grpc.CatalogServiceStub(grpc.insecure_channel(os.environ["CATALOG_TARGET"])).WatchProducts,
        catalog.WatchProductsRequest,
        catalog.ProductChanged,
        catalog.ProductDeleted,
    )
    stock = Follower(
        inventory_service_pb2_grpc.InventoryServiceStub(grpc.insecure_channel(os.environ["INVENTORY_TARGET"])).WatchStock,
        inventory.WatchStockRequest,
        inventory.StockChanged,
        None,
    )
    for follower in (products, stock):
        threading.Thread(target=follower.run, args=(over,), daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    search_service_pb2_grpc.add_SearchServiceServicer_to_server(Search(products, stock), server)
    health_pb2_grpc.add_HealthServicer_to_server(Health(products.complete, over), server)
    address = os.environ["GRPC_ADDR"]
    port = server.add_insecure_port(address)
    server.start()
    print(json.dumps({"event": "listening", "grpc": f"{address.rpartition(':')[0]}:{port}"}), flush=True)
    while not over.wait(0.1):
        pass
    server.stop(GRACE_SECONDS).wait()


main()
