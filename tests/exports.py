# SPDX-License-Identifier: Apache-2.0
"""What an agent wrote with --export file:PATH, series by series."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))

from otlp import attributes, class_of, data_of, messages, metrics

PROTO = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                     "proto")


class Exports:
    """The last value of each series, a series being what a backend takes for one:
    a new start is a new one, and adds to it."""

    def __init__(self, path):
        kind = class_of(PROTO, "otlp_service.proto", path + ".desc")
        self.series = {}
        self.resources = {}
        self.backwards = []
        for message in messages(path):
            self.add(kind.FromString(message))

    def add(self, request):
        for resource, metric in metrics(request):
            # restarts of a container are one instance, one after the other
            instance = (resource["service.instance.id"],
                        resource.get("process.linux.cgroup"))
            self.resources[instance] = resource
            data = data_of(metric)
            grows = getattr(data, "is_monotonic", metric.WhichOneof("data") != "gauge")
            for point in data.data_points:
                if point.flags & 1:  # no value: the series has ended
                    continue
                value = getattr(point, "count", None)
                if value is None:
                    value = getattr(point, point.WhichOneof("value"))
                key = (instance, metric.name, point.start_time_unix_nano,
                       tuple(sorted(attributes(point.attributes).items())))
                if grows and value < self.series.get(key, 0):
                    self.backwards.append((key, self.series[key], value))
                self.series[key] = value

    def sum(self, metric, wanted, **with_):
        """Sum over the series of the resources for which wanted(resource) holds."""
        return sum(value for (instance, name, _, attrs), value in self.series.items()
                   if name == metric and wanted(self.resources[instance]) and
                   all(any(k.split(".")[-1] == key and v == want for k, v in attrs)
                       for key, want in with_.items()))
