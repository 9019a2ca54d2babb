"""A client of grpcio's. client.py SUBJECT ADDRESS [TOKEN] runs every check of a subject and prints one JSON object
for each.

The subjects: `interop`, a server of gRPC's interoperation tests; `shop`, the edge with our catalog behind it; `foreign`,
the edge with grpcio's catalog behind it (server.py).
"""

import asyncio
import json
import sys
import threading
import traceback
import uuid

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from google.type import money_pb2
from grpc.testing import test_pb2 as t
from grpc.testing import test_pb2_grpc
from grpc_status import rpc_status
from souk.catalog.v1 import catalog_service_pb2 as c
from souk.catalog.v1 import catalog_service_pb2_grpc

CODE = grpc.StatusCode
# A call takes milliseconds; this bounds one that hangs.
SECONDS = 30
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
# The most that either side takes by default is 4 MiB.
LARGE = 3_900_000
TOO_LARGE = 5_000_000


class Unexpected(Exception):
    pass


def expect(holds, seen):
    if not holds:
        raise Unexpected(repr(seen)[:2000])


def ends_with(code, call):
    """The error that a call must end with."""
    try:
        answer = call()
    except grpc.RpcError as error:
        expect(error.code() == code, (error.code(), error.details()))
        return error
    raise Unexpected(f"no error, but {answer!r:.500}")


def sizes(*all_of_them, **fields):
    return t.StreamingOutputCallRequest(
        response_parameters=[t.ResponseParameters(size=size, **fields) for size in all_of_them]
    )


class Interop:
    """Against a server of gRPC's interoperation tests."""

    def __init__(self, address):
        self.address = address
        self.channel = grpc.insecure_channel(address)
        self.stub = test_pb2_grpc.TestServiceStub(self.channel)

    def unary(self):
        expect(self.stub.EmptyCall(t.Empty(), timeout=SECONDS) == t.Empty(), "not empty")
        answer = self.stub.UnaryCall(
            t.SimpleRequest(response_size=314_159, payload=t.Payload(body=bytes(271_828))), timeout=SECONDS
        )
        expect(answer.payload.body == bytes(314_159), len(answer.payload.body))

    def streams(self):
        expected = [31_415, 9, 2_653, 58_979]
        got = [len(one.payload.body) for one in self.stub.StreamingOutputCall(sizes(*expected), timeout=SECONDS)]
        expect(got == expected, got)
        pieces = (t.StreamingInputCallRequest(payload=t.Payload(body=bytes(size))) for size in (27_182, 8, 1_828, 45_904))
        expect(self.stub.StreamingInputCall(pieces, timeout=SECONDS).aggregated_payload_size == 74_922, "another sum")
        turn = threading.Semaphore(1)

        def ping():
            for size in expected:
                turn.acquire()
                yield sizes(size)

        got = []
        for answer in self.stub.FullDuplexCall(ping(), timeout=SECONDS):
            got.append(len(answer.payload.body))
            turn.release()
        expect(got == expected, got)
        expect(not list(self.stub.FullDuplexCall(iter(()), timeout=SECONDS)), "an answer to nothing")

    def deadlines(self):
        late = sizes(1, interval_us=SECONDS * 1_000_000)
        ends_with(CODE.DEADLINE_EXCEEDED, lambda: list(self.stub.StreamingOutputCall(late, timeout=0.2)))
        # One that is far away does no harm: a hundred million seconds are more than eight digits of most units.
        expect(self.stub.EmptyCall(t.Empty(), timeout=1e8) == t.Empty(), "not empty")

    def cancellation(self):
        open_end = threading.Event()

        def one_and_no_more():
            yield sizes(31_415)
            open_end.wait(SECONDS)

        call = self.stub.FullDuplexCall(one_and_no_more(), timeout=SECONDS)
        expect(len(next(call).payload.body) == 31_415, "another size")
        call.cancel()
        ends_with(CODE.CANCELLED, lambda: next(call))
        open_end.set()
        expect(call.code() == CODE.CANCELLED, call.code())
        self.unary()

    def metadata(self):
        sent = ((INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab"), ("a-bin", b"\x00,\xff"), ("b", "x" * 8_000))
        _, call = self.stub.UnaryCall.with_call(t.SimpleRequest(response_size=1), metadata=sent, timeout=SECONDS)
        initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
        expect(initial[INITIAL] == sent[0][1] and TRAILING not in initial, initial)
        expect(trailing[TRAILING] == sent[1][1] and INITIAL not in trailing, trailing)
        call = self.stub.FullDuplexCall(iter([sizes(1)]), metadata=sent, timeout=SECONDS)
        expect(dict(call.initial_metadata())[INITIAL] == sent[0][1] and len(list(call)) == 1, "no echo")
        expect(dict(call.trailing_metadata())[TRAILING] == sent[1][1], call.trailing_metadata())

    def statuses(self):
        for code in CODE:
            if code != CODE.OK:
                for message in ("test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n", ""):
                    status = t.EchoStatus(code=code.value[0], message=message)
                    error = ends_with(code, lambda: self.stub.UnaryCall(t.SimpleRequest(response_status=status), timeout=SECONDS))
                    expect(error.details() == message, error.details())
                    request = t.StreamingOutputCallRequest(response_status=status)
                    error = ends_with(code, lambda: list(self.stub.FullDuplexCall(iter([request]), timeout=SECONDS)))
                    expect(error.details() == message, error.details())
        unknown = self.channel.unary_unary("/grpc.testing.TestService/UnimplementedCall")
        ends_with(CODE.UNIMPLEMENTED, lambda: unknown(b"", timeout=SECONDS))
        nobody = test_pb2_grpc.UnimplementedServiceStub(self.channel)
        ends_with(CODE.UNIMPLEMENTED, lambda: nobody.UnimplementedCall(t.Empty(), timeout=SECONDS))

    def large(self):
        request = t.SimpleRequest(response_size=LARGE, payload=t.Payload(body=bytes(LARGE)))
        expect(len(self.stub.UnaryCall(request, timeout=SECONDS).payload.body) == LARGE, "another size")
        got = [len(one.payload.body) for one in self.stub.StreamingOutputCall(sizes(*[LARGE] * 5), timeout=SECONDS)]
        expect(got == [LARGE] * 5, got)
        # Too much for the server: it says so at the length, and the connection is as good as before.
        too_large = t.SimpleRequest(payload=t.Payload(body=bytes(TOO_LARGE)))
        ends_with(CODE.RESOURCE_EXHAUSTED, lambda: self.stub.UnaryCall(too_large, timeout=SECONDS))
        # Too much for grpcio.
        ends_with(CODE.RESOURCE_EXHAUSTED, lambda: self.stub.UnaryCall(t.SimpleRequest(response_size=TOO_LARGE), timeout=SECONDS))
        self.unary()

    def compression(self):
        def request(expected, answered):
            return t.SimpleRequest(
                response_size=314_159,
                payload=t.Payload(body=bytes(271_828)),
                expect_compressed=t.BoolValue(value=expected),
                response_compressed=t.BoolValue(value=answered),
            )

        for answered in (True, False):
            plain = self.stub.UnaryCall(request(False, answered), timeout=SECONDS)
            packed = self.stub.UnaryCall(request(True, answered), timeout=SECONDS, compression=grpc.Compression.Gzip)
            expect(plain.payload.body == packed.payload.body == bytes(314_159), "another payload")
        ends_with(CODE.INVALID_ARGUMENT, lambda: self.stub.UnaryCall(request(True, False), timeout=SECONDS))
        with grpc.insecure_channel(self.address, compression=grpc.Compression.Gzip) as channel:
            stub = test_pb2_grpc.TestServiceStub(channel)
            pieces = [
                t.StreamingInputCallRequest(payload=t.Payload(body=bytes(size)), expect_compressed=t.BoolValue(value=True))
                for size in (27_182, 45_904)
            ]
            expect(stub.StreamingInputCall(iter(pieces), timeout=SECONDS).aggregated_payload_size == 73_086, "another sum")
        asked = sizes(31_415, 92_653)
        asked.response_parameters[0].compressed.value = True
        got = [len(one.payload.body) for one in self.stub.StreamingOutputCall(asked, timeout=SECONDS)]
        expect(got == [31_415, 92_653], got)
        # An encoding that nobody here has is refused, and the caller hears which there are.
        deflate = grpc.Compression.Deflate
        error = ends_with(CODE.UNIMPLEMENTED, lambda: self.stub.UnaryCall(request(True, False), timeout=SECONDS, compression=deflate))
        expect("deflate" in error.details(), error.details())

    def pings(self):
        """PINGs all the time, with and without calls, are no reason to hang up."""
        options = [
            ("grpc.keepalive_time_ms", 50),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        with grpc.insecure_channel(self.address, options=options) as channel:
            stub = test_pb2_grpc.TestServiceStub(channel)
            states = []
            channel.subscribe(states.append)
            slow = sizes(1, 1, interval_us=600_000)
            expect(len(list(stub.StreamingOutputCall(slow, timeout=SECONDS))) == 2, "not two")
            expect(stub.EmptyCall(t.Empty(), timeout=SECONDS) == t.Empty(), "not empty")
            expect(grpc.ChannelConnectivity.TRANSIENT_FAILURE not in states, states)
            expect(states.count(grpc.ChannelConnectivity.READY) <= 1, states)

    def many(self):
        """Five hundred calls at once on one channel."""
        request = t.SimpleRequest(response_size=10_000, payload=t.Payload(body=bytes(10_000)))
        calls = [self.stub.UnaryCall.future(request, timeout=SECONDS) for _ in range(500)]
        got = {len(call.result().payload.body) for call in calls}
        expect(got == {10_000}, got)

    def asyncio(self):
        async def talk():
            async with grpc.aio.insecure_channel(self.address) as channel:
                stub = test_pb2_grpc.TestServiceStub(channel)
                await stub.EmptyCall(t.Empty(), timeout=SECONDS)
                call = stub.FullDuplexCall(timeout=SECONDS)
                for size in (31_415, 9):
                    await call.write(sizes(size))
                    expect(len((await call.read()).payload.body) == size, size)
                await call.done_writing()
                expect(await call.read() == grpc.aio.EOF and await call.code() == CODE.OK, "no end")
                call = stub.StreamingOutputCall(sizes(1, 1, interval_us=1_000_000), timeout=SECONDS)
                await call.read()
                call.cancel()
                expect(await call.code() == CODE.CANCELLED, await call.code())

        asyncio.run(talk())


def product(product_id, **fields):
    price = money_pb2.Money(currency_code="EUR", units=12)
    return c.Product(product_id=product_id, name="A test", price=price, **fields)


class Bearer(grpc.UnaryUnaryClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Shows a token at every call."""

    def __init__(self, token):
        self.shown = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(details._replace(metadata=[*(details.metadata or ()), self.shown]), request)

    intercept_stream_unary = intercept_unary_unary


class Shop:
    """Against the edge, with our catalog behind it."""

    def __init__(self, address, *token):
        self.address = address
        self.channel = grpc.insecure_channel(address)
        if token:
            self.channel = grpc.intercept_channel(self.channel, Bearer(*token))
        self.stub = catalog_service_pb2_grpc.CatalogServiceStub(self.channel)

    def unary(self):
        request = c.CreateProductRequest(product=product(f"0-{uuid.uuid4()}"), request_id=str(uuid.uuid4()))
        made = self.stub.CreateProduct(request, timeout=SECONDS).product
        again = self.stub.CreateProduct(request, timeout=SECONDS).product
        got = self.stub.GetProduct(c.GetProductRequest(product_id=made.product_id), timeout=SECONDS).product
        expect(made == again == got and got.etag, (made, got))
        expect(made in self.stub.ListProducts(c.ListProductsRequest(page_size=100), timeout=SECONDS).products, made)

    def streams(self):
        prefix = f"i-{uuid.uuid4()}"
        batches = (c.ImportProductsRequest(products=[product(f"{prefix}-{n}-{m}") for m in range(100)]) for n in range(5))
        answer = self.stub.ImportProducts(batches, timeout=SECONDS)
        expect((answer.created_count, answer.rejected_count) == (500, 0), answer)

    def upload(self, end, product_id=None):
        """One batch, and then nothing more until the event."""
        yield c.ImportProductsRequest(products=[product(product_id or f"u-{uuid.uuid4()}")])
        end.wait(SECONDS)

    def deadlines(self):
        end = threading.Event()
        ends_with(CODE.DEADLINE_EXCEEDED, lambda: self.stub.ImportProducts(self.upload(end), timeout=0.5))
        end.set()

    def cancellation(self):
        end, sent = threading.Event(), threading.Event()

        def pieces():
            yield from self.upload(sent)
            end.wait(SECONDS)

        call = self.stub.ImportProducts.future(pieces(), timeout=SECONDS)
        sent.set()
        expect(not call.done(), "it is over")
        call.cancel()
        expect(call.code() == CODE.CANCELLED, call.code())
        end.set()
        self.unary()

    def metadata(self):
        sent = (("traceparent", f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"), ("x-souk-role", "operator"), ("a-bin", b"\x00\xff"))
        request = c.ListProductsRequest(page_size=1)
        _, call = self.stub.ListProducts.with_call(request, metadata=sent, timeout=SECONDS)
        expect(not [key for key, _ in call.initial_metadata() if key.startswith("x-souk-")], call.initial_metadata())

    def statuses(self):
        error = ends_with(CODE.NOT_FOUND, lambda: self.stub.GetProduct(c.GetProductRequest(product_id="none"), timeout=SECONDS))
        info = self.detail(error, error_details_pb2.ErrorInfo())
        expect(info.reason == "PRODUCT_NOT_FOUND", info)
        error = ends_with(CODE.INVALID_ARGUMENT, lambda: self.stub.CreateProduct(c.CreateProductRequest(), timeout=SECONDS))
        fields = [one.field for one in self.detail(error, error_details_pb2.BadRequest()).field_violations]
        expect(sorted(fields) == ["product", "request_id"], fields)
        unknown = self.channel.unary_unary("/souk.catalog.v1.CatalogService/NoSuchMethod")
        ends_with(CODE.UNIMPLEMENTED, lambda: unknown(b"", timeout=SECONDS))

    def detail(self, error, detail):
        """The one detail of this type in a status."""
        found = [one for one in rpc_status.from_call(error).details if one.Unpack(detail)]
        expect(len(found) == 1, rpc_status.from_call(error))
        return detail

    def large(self):
        many = c.ImportProductsRequest(products=[product(f"l-{n}", description="x" * 10_000) for n in range(380)])
        expect(3_500_000 < many.ByteSize() < 4_194_304, many.ByteSize())
        answer = self.stub.ImportProducts(iter([many]), timeout=SECONDS)
        expect(answer.created_count + answer.updated_count + answer.unchanged_count == 380, answer)
        many.products.extend([product(f"m-{n}", description="x" * 10_000) for n in range(60)])
        ends_with(CODE.RESOURCE_EXHAUSTED, lambda: self.stub.ImportProducts(iter([many]), timeout=SECONDS))
        self.unary()

    def compression(self):
        """The services take no compressed messages and say so; the next call on the channel may be plain."""
        request = c.ListProductsRequest(page_size=1)
        gzip = grpc.Compression.Gzip
        error = ends_with(CODE.UNIMPLEMENTED, lambda: self.stub.ListProducts(request, timeout=SECONDS, compression=gzip))
        expect("gzip" in error.details(), error.details())
        self.unary()

    def many(self):
        calls = [self.stub.ListProducts.future(c.ListProductsRequest(page_size=10), timeout=SECONDS) for _ in range(500)]
        expect({len(call.result().products) for call in calls} == {10}, "another number")


class Foreign(Shop):
    """Against the edge, with grpcio's catalog behind it."""

    def get(self, product_id, **options):
        return self.stub.GetProduct(c.GetProductRequest(product_id=product_id), **{"timeout": SECONDS, **options}).product

    def seen(self, **options):
        return json.loads(self.get("seen", **options).name)

    def unary(self):
        expect(self.seen()["left"] <= 1.01 * SECONDS, "more time than the caller has")

    def gone(self, what, before):
        """Whether the catalog hears within a while that its caller gave up: it asks itself until then."""
        for _ in range(1000):
            if self.seen()["given_up"].count(what) > before:
                return
        raise Unexpected(f"the catalog did not hear that the caller of {what} gave up")

    def deadlines(self):
        before = self.seen()["given_up"].count("waits")
        ends_with(CODE.DEADLINE_EXCEEDED, lambda: self.get("waits", timeout=0.5))
        self.gone("waits", before)
        left = self.seen(timeout=7)["left"]
        # grpcio writes a timeout that is up to a hundredth longer than its own.
        expect(0 < left <= 7.1, left)
        # One without a deadline gets the edge's.
        left = self.seen(timeout=None)["left"]
        expect(0 < left <= 15, left)

    def cancellation(self):
        before = self.seen()["given_up"].count("waits")
        call = self.stub.GetProduct.future(c.GetProductRequest(product_id="waits"), timeout=SECONDS)
        call.cancel()
        expect(call.code() == CODE.CANCELLED, call.code())
        before, end = self.seen()["given_up"].count("import"), threading.Event()
        ends_with(CODE.DEADLINE_EXCEEDED, lambda: self.stub.ImportProducts(self.upload(end, "waits"), timeout=0.5))
        self.gone("import", before)
        end.set()

    def metadata(self):
        sent = ((INITIAL, "a value"), (TRAILING, b"\xab\x00\xab"), ("a-bin", b"\x00,\xff"), ("x-souk-role", "operator"))
        answer, call = self.stub.GetProduct.with_call(
            c.GetProductRequest(product_id="seen"), metadata=sent, timeout=SECONDS
        )
        came = [tuple(pair) for pair in json.loads(answer.product.name)["metadata"]]
        expect((INITIAL, "a value") in came and ("a-bin", "002cff") in came, came)
        expect(not [key for key, _ in came if key.startswith("x-souk-")], came)
        expect([key for key, _ in came].count("traceparent") <= 1, came)
        expect(dict(call.initial_metadata())[INITIAL] == "a value", call.initial_metadata())
        expect(dict(call.trailing_metadata())[TRAILING] == b"\xab\x00\xab", call.trailing_metadata())

    def statuses(self):
        error = ends_with(CODE.FAILED_PRECONDITION, lambda: self.get("refuses"))
        expect(error.details() == "nö, 😈\n", error.details())
        info = self.detail(error, error_details_pb2.ErrorInfo())
        expect((info.reason, info.metadata["ü"]) == ("FROM_ELSEWHERE", "☺"), info)
        ends_with(CODE.UNKNOWN, lambda: self.get("raises"))
        ends_with(CODE.UNIMPLEMENTED, lambda: self.stub.ListProducts(c.ListProductsRequest(), timeout=SECONDS))

    def streams(self):
        batches = (c.ImportProductsRequest(products=[product("p")] * 100) for _ in range(50))
        expect(self.stub.ImportProducts(batches, timeout=SECONDS).created_count == 5_000, "another number")

    def large(self):
        expect(len(self.get("large").description) == LARGE, "another size")
        many = c.ImportProductsRequest(products=[product("p", description="x" * LARGE)])
        expect(self.stub.ImportProducts(iter([many] * 3), timeout=SECONDS).created_count == 3, "another number")
        many = c.ImportProductsRequest(products=[product("p", description="x" * TOO_LARGE)])
        ends_with(CODE.RESOURCE_EXHAUSTED, lambda: self.stub.ImportProducts(iter([many]), timeout=SECONDS))

    def compression(self):
        """The edge forwards what it cannot read, in both directions."""
        gzip = grpc.Compression.Gzip
        expect(len(self.get("large", compression=gzip).description) == LARGE, "another size")
        batches = (c.ImportProductsRequest(products=[product("p")] * 100) for _ in range(5))
        expect(self.stub.ImportProducts(batches, timeout=SECONDS, compression=gzip).created_count == 500, "another number")

    def many(self):
        calls = [self.stub.GetProduct.future(c.GetProductRequest(product_id="seen"), timeout=SECONDS) for _ in range(500)]
        expect(all(json.loads(call.result().product.name) for call in calls), "no answer")


CHECKS = ["unary", "streams", "deadlines", "cancellation", "metadata", "statuses", "large", "compression", "pings", "many", "asyncio"]
SUBJECTS = {"interop": Interop, "shop": Shop, "foreign": Foreign}


def main():
    subject = SUBJECTS[sys.argv[1]](*sys.argv[2:])
    for name in CHECKS:
        if not hasattr(subject, name):
            continue
        try:
            getattr(subject, name)()
            failure = None
        except Exception:  # Whatever it is, it is what the suite shows.
            failure = traceback.format_exc()
        print(json.dumps({"check": name, "failure": failure}), flush=True)


main()
