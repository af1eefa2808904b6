# SPDX-License-Identifier: Apache-2.0
"""An independent decoder of exported bytes: the official .proto files."""

import os
import subprocess
import sys
import time

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import fetch

SERVICE = "opentelemetry/proto/collector/metrics/v1/metrics_service.proto"
REQUEST = "opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest"


def request_class():
    """The class ExportMetricsServiceRequest, made of the official files."""
    top = fetch.package("opentelemetry-proto", "usr/include")
    return class_of(top, SERVICE, os.path.join(fetch.CACHE, "opentelemetry.desc"))


def class_of(top, service, out):
    """The same, made of the .proto files below a directory."""
    subprocess.run(["protoc", f"-I{top}", "--include_imports",
                    f"--descriptor_set_out={out}", os.path.join(top, service)],
                   check=True)
    files = descriptor_pb2.FileDescriptorSet()
    with open(out, "rb") as f:
        files.ParseFromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return factory.GetPrototype(pool.FindMessageTypeByName(REQUEST))


def varint(data, at):
    """The number at this place, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def split(data):
    """The messages of an export file, each behind its length."""
    at = 0
    while at < len(data):
        length, at = varint(data, at)
        if at + length > len(data):
            raise ValueError(f"a message of {length} bytes is cut at {at}")
        yield data[at:at + length]
        at += length


def messages(path, patience=2.0):
    """Those of a file that somebody may be writing to: the last one may not be whole yet."""
    end = time.monotonic() + patience
    while True:
        with open(path, "rb") as f:
            data = f.read()
        try:
            return list(split(data))
        except (ValueError, IndexError):
            if time.monotonic() > end:
                raise
        time.sleep(0.05)


def unknown(message, path=""):
    """The numbers of unknown fields at any depth, as paths."""
    found = [f"{path}/{f.field_number}" for f in message.UnknownFields()]
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        for m in value if field.label == field.LABEL_REPEATED else [value]:
            found += unknown(m, f"{path}/{field.name}")
    return found


def text(value):
    """An AnyValue as a string; of a list, its members with commas between."""
    kind = value.WhichOneof("value") or "string_value"
    if kind == "array_value":
        return ",".join(v.string_value for v in value.array_value.values)
    return str(getattr(value, kind))


def attributes(list_):
    """Attributes as a dict; a key that comes twice is an error."""
    found = {a.key: text(a.value) for a in list_}
    if len(found) != len(list_):
        raise ValueError(f"a key comes twice in {[a.key for a in list_]}")
    return found


def metrics(request):
    """Pairs of a resource's attributes and a metric."""
    for rm in request.resource_metrics:
        resource = attributes(rm.resource.attributes)
        for scope in rm.scope_metrics:
            for metric in scope.metrics:
                yield resource, metric


def data_of(metric):
    """What a metric holds: its gauge, sum or exponential_histogram."""
    return getattr(metric, metric.WhichOneof("data"))


if __name__ == "__main__":  # to look at a file: otlp.py FILE
    kind = request_class()
    for data in messages(sys.argv[1]):
        print(kind.FromString(data))
