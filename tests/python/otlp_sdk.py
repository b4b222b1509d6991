"""Sends metrics of every kind by the SDK of OpenTelemetry and prints what the server has of them.

    otlp_sdk.py URL

One line an export (how it went), then one line a series: labels and value at the time of the newest sample. Times are
left out. Needs opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http.
"""

import json
import sys
import urllib.parse
import urllib.request

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource


def temperatures(_: CallbackOptions):
    yield Observation(21.5, {"room": "kitchen", "floor.number": 1})
    yield Observation(-3, {"room": "cellar", "is.heated": False})


def measure(provider):
    """Uses every kind of instrument."""
    meter = provider.get_meter("firesteel.tests", "1.2.3", attributes={"scope.attribute": "x"})
    requests = meter.create_counter("http.requests", unit="1", description="Requests so far.")
    for code in (200, 200, 404, 500, 200):
        requests.add(1, {"http.response.status_code": code, "url.path": "/a\"b\\c"})
    meter.create_counter("bytes.sent", unit="By").add(1e9, {"host.name": "h\u00e9"})
    jobs = meter.create_up_down_counter("jobs.running", unit="{job}")
    jobs.add(5)
    jobs.add(-2)
    meter.create_observable_gauge("room.temperature", [temperatures], unit="Cel")
    meter.create_gauge("disk.used.ratio", unit="1").set(0.25)
    latency = meter.create_histogram("request.duration", unit="s", description="How long.")
    size = meter.create_histogram("request.size", unit="By")
    for number in range(100):
        latency.record(number / 100, {"kind": "fast" if number < 50 else "slow"})
        size.record(number * number)


def export(url, name, temporality, compression):
    """One export of everything; says how it went."""
    kinds = {Counter: temporality, Histogram: temporality}
    reader = InMemoryMetricReader(preferred_temporality=kinds)
    resource = Resource.create(
        {
            "service.name": name,
            "service.namespace": "tests",
            "service.instance.id": "instance-1",
            "deployment.environment.name": "staging",
        }
    )
    views = [
        View(instrument_name="request.duration", aggregation=ExponentialBucketHistogramAggregation()),
        View(instrument_name="request.size", aggregation=ExplicitBucketHistogramAggregation((0, 10, 1000))),
    ]
    provider = MeterProvider([reader], resource, views=views, shutdown_on_exit=False)
    measure(provider)
    exporter = OTLPMetricExporter(f"{url}/api/v1/otlp/v1/metrics", compression=compression)
    result = exporter.export(reader.get_metrics_data())
    print(f"{name}: {result.name}")
    provider.shutdown()


def ask(url, query):
    path = f"{url}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(path) as answer:
        return json.load(answer)["data"]["result"]


def main():
    url = sys.argv[1]
    export(url, "plain", AggregationTemporality.CUMULATIVE, Compression.NoCompression)
    export(url, "gzip", AggregationTemporality.CUMULATIVE, Compression.Gzip)
    export(url, "delta", AggregationTemporality.DELTA, Compression.Gzip)
    lines = []
    for series in ask(url, '{job=~"tests/.+"}'):
        value = series["histogram"][1] if "histogram" in series else series["value"][1]
        labels = {name: text for name, text in series["metric"].items() if not name.startswith("telemetry_sdk")}
        lines.append(json.dumps([labels, value], sort_keys=True))
    print("\n".join(sorted(lines)))


main()
