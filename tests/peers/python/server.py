"""A server of grpcio's: gRPC's interoperation tests, and a catalog that stands behind the edge.

server.py ADDRESS serves until SIGTERM, then stops as grpcio does: GOAWAY, and a grace for calls in flight.
"""

import json
import signal
import sys
import threading
import time
import uuid
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc.testing import test_pb2, test_pb2_grpc
from grpc_status import rpc_status
from souk.catalog.v1 import catalog_service_pb2, catalog_service_pb2_grpc
from xds.orca import report_pb2, service_pb2_grpc

GRACE_SECONDS = 10
# What a call that waits for its caller's end waits at most.
WAIT_SECONDS = 30
ECHO_INITIAL, ECHO_TRAILING, LOAD = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin", "endpoint-load-metrics-bin"


def report_of(told):
    return report_pb2.OrcaLoadReport(
        cpu_utilization=told.cpu_utilization,
        mem_utilization=told.memory_utilization,
        request_cost=told.request_cost,
        utilization=told.utilization,
    )


def echo(context, report=None):
    trailing = []
    for key, value in context.invocation_metadata():
        if key == ECHO_INITIAL:
            context.send_initial_metadata(((key, value),))
        if key == ECHO_TRAILING:
            trailing.append((key, value))
    if report is not None:
        trailing.append((LOAD, report_of(report).SerializeToString()))
    context.set_trailing_metadata(tuple(trailing))


def refuse_as_asked(request, context):
    if request.response_status.code:
        code = next(code for code in grpc.StatusCode if code.value[0] == request.response_status.code)
        context.abort(code, request.response_status.message)


def payload(size):
    return test_pb2.Payload(body=bytes(size))


class Test(test_pb2_grpc.TestServiceServicer):
    """grpcio shows nobody whether a message came compressed, so `expect_compressed` is not looked at."""

    def __init__(self, load):
        self.id, self.load = str(uuid.uuid4()), load

    def EmptyCall(self, request, context):
        return test_pb2.Empty()

    def UnaryCall(self, request, context):
        report = request.orca_per_query_report if request.HasField("orca_per_query_report") else None
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        echo(context, report)
        refuse_as_asked(request, context)
        server_id = self.id if request.fill_server_id else ""
        return test_pb2.SimpleResponse(payload=payload(request.response_size), server_id=server_id)

    def StreamingInputCall(self, requests, context):
        return test_pb2.StreamingInputCallResponse(aggregated_payload_size=sum(len(one.payload.body) for one in requests))

    def answers(self, request, context):
        for asked in request.response_parameters:
            time.sleep(asked.interval_us / 1e6)
            if not asked.compressed.value:
                context.disable_next_message_compression()
            yield test_pb2.StreamingOutputCallResponse(payload=payload(asked.size))

    def StreamingOutputCall(self, request, context):
        if any(asked.compressed.value for asked in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        yield from self.answers(request, context)

    def FullDuplexCall(self, requests, context):
        echo(context)
        for request in requests:
            refuse_as_asked(request, context)
            if request.HasField("orca_oob_report"):
                self.load[0] = report_of(request.orca_oob_report)
            yield from self.answers(request, context)

    def HalfDuplexCall(self, requests, context):
        for request in list(requests):
            yield from self.answers(request, context)


class Load(service_pb2_grpc.OpenRcaServiceServicer):
    def __init__(self, load):
        self.load = load

    def StreamCoreMetrics(self, request, context):
        gone = threading.Event()
        context.add_callback(gone.set)
        while True:
            yield self.load[0]
            if gone.wait(max(0.1, request.report_interval.ToTimedelta().total_seconds())):
                return


class Catalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """What GetProduct does, its product's id says."""

    def __init__(self):
        self.given_up = []

    def GetProduct(self, request, context):
        return catalog_service_pb2.GetProductResponse(product=getattr(self, request.product_id)(request, context))

    def seen(self, request, context):
        """What came of the call, for the caller to look at."""
        metadata = [(key, value.hex() if isinstance(value, bytes) else value) for key, value in context.invocation_metadata()]
        seen = {"metadata": metadata, "left": context.time_remaining(), "given_up": self.given_up}
        echo(context)
        return catalog_service_pb2.Product(product_id=request.product_id, name=json.dumps(seen))

    def waits(self, request, context):
        """Until the caller has gone, which the caller can see then."""
        gone = threading.Event()
        context.add_callback(gone.set)
        if gone.wait(WAIT_SECONDS):
            self.given_up.append(request.product_id)
        context.abort(grpc.StatusCode.CANCELLED, "nobody waits any more")

    def refuses(self, request, context):
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason="FROM_ELSEWHERE", domain="python", metadata={"ü": "☺"}))
        status = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message="nö, 😈\n", details=[detail])
        context.abort_with_status(rpc_status.to_status(status))

    def large(self, request, context):
        return catalog_service_pb2.Product(product_id="large", description="x" * 3_900_000)

    def ImportProducts(self, requests, context):
        """An upload of the product `waits` is one whose caller goes before its end."""
        gone = threading.Event()
        context.add_callback(gone.set)
        count, abandoned = 0, False
        try:
            for request in requests:
                count += len(request.products)
                abandoned = abandoned or any(product.product_id == "waits" for product in request.products)
        except grpc.RpcError:
            pass
        # grpcio may end the iteration before it tells of the caller's end, as if the caller had closed its half.
        if abandoned and gone.wait(WAIT_SECONDS):
            self.given_up.append("import")
        return catalog_service_pb2.ImportProductsResponse(created_count=count)


def main():
    load = [report_pb2.OrcaLoadReport()]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64))
    test_pb2_grpc.add_TestServiceServicer_to_server(Test(load), server)
    service_pb2_grpc.add_OpenRcaServiceServicer_to_server(Load(load), server)
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(Catalog(), server)
    address = sys.argv[1]
    port = server.add_insecure_port(address)
    server.start()
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    print(json.dumps({"event": "listening", "grpc": f"{address.rpartition(':')[0]}:{port}"}), flush=True)
    while not told.wait(0.1):
        pass
    server.stop(GRACE_SECONDS).wait()


main()
