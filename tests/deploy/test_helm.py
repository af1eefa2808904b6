#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""deploy/helm: the examples in git are what the chart makes, objects are as Kubernetes wants
them, what cannot work is refused with a reason, and each value does something."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import jsonschema  # noqa: E402
import chart  # noqa: E402
from chart import example, objects, one, pod, refusal, variables  # noqa: E402
from kube import (TOP, differences, digest_in, read,  # noqa: E402
                  validate)
from pods import (box_of, check_agent, check_env_order, check_image,  # noqa: E402
                  check_kubelet, check_mounts, check_selector)
from tap import Failed, Missing, check, main, same, test  # noqa: E402

# Of security.openshift.io/v1; OpenShift's schemas cannot be had here.
SCC_FIELDS = set("""apiVersion kind metadata priority allowPrivilegedContainer
    allowPrivilegeEscalation defaultAllowPrivilegeEscalation allowHostPID allowHostNetwork
    allowHostPorts allowHostIPC allowHostDirVolumePlugin readOnlyRootFilesystem
    requiredDropCapabilities allowedCapabilities defaultAddCapabilities runAsUser
    seLinuxContext fsGroup supplementalGroups seccompProfiles volumes users groups
    allowedUnsafeSysctls forbiddenSysctls allowedFlexVolumes""".split())


@test("each rendered example was made of the files that are there now")
def _():
    old = [n for n in chart.examples()
           if digest_in(chart.example_file(n)) != chart.example_digest(n)]
    same(old, [], "examples to be rendered anew by tests/deploy/render")


@test("the chart makes exactly the rendered examples")
def _():
    for name in chart.examples():
        now = objects(chart.example_values(name))
        same(differences(now, example(name)), [], f"{name}: rendered now, and in git")


@test("releases of one name in two namespaces share no object of the cluster")
def _():
    kinds = "ClusterRole", "ClusterRoleBinding", "SecurityContextConstraints"
    both = [{(o["kind"], o["metadata"]["name"]) for o in
             objects(chart.example_values("openshift"), namespace=namespace).values()
             if o["kind"] in kinds} for namespace in ("one", "two")]
    same([sorted(kind for kind, _ in names) for names in both], [sorted(kinds)] * 2, "kinds")
    same(both[0] & both[1], set(), "names that both have")
    for objs in (objects(chart.example_values("openshift"), namespace="one"),):
        same(one(objs, "ClusterRoleBinding")["roleRef"]["name"],
             one(objs, "ClusterRole")["metadata"]["name"], "the role that is bound")


@test("the schema takes the values of the chart and of the examples")
def _():
    chart.check_values(chart.values())
    for name in chart.examples():
        chart.check_values(chart.values(chart.example_values(name)))


@test("the schema refuses names and values that mean nothing")
def _():
    for over in ({"tolerationz": []}, {"image": {"digest": "latest"}},
                 {"agent": {"memory": "64M"}}, {"export": {"interval": "60"}},
                 {"preset": "scrape"}, {"agent": {"probes": ["cpu"]}},
                 {"hostPID": "yes"}, {"networkPolicy": {"ports": ["http"]}},
                 {"kubelet": {"url": "10.0.0.1:10250"}}, {"kubelet": {"labels": ["a,b"]}},
                 {"export": {"groupBy": "node"}}, {"export": {"include": ["namespace"]}},
                 {"export": {"exclude": ["node=x"]}}, {"export": {"include": ["pod=a,b"]}},
                 {"export": {"include": ["label:=x"]}}, {"terminationGracePeriodSeconds": 5}):
        try:
            chart.check_values(chart.values(over))
        except jsonschema.ValidationError:
            continue
        raise Failed(f"not refused: {over}")


def leaves(tree, path=()):
    """Names of values: a mapping that the schema closes is none itself."""
    for key, node in tree["properties"].items():
        if node.get("additionalProperties") is False:
            yield from leaves(node, (*path, key))
        else:
            yield (*path, key)


@test("schema, values and README.md have the same values, and templates use each")
def _():
    schema = json.loads(read(f"{chart.CHART}/values.schema.json"))
    names = [".".join(p) for p in leaves(schema) if p != ("global",)]
    values, missing = chart.values(), []
    for name in names:
        at = values
        for key in name.split("."):
            at = at.get(key) if isinstance(at, dict) else None
        if at is None:
            missing.append(name)
    same(missing, [], "values of the schema that values.yaml has not")
    rows = re.findall(r"^\| `([\w.]+)` \|", read(f"{chart.CHART}/README.md"), re.M)
    covered = [n for n in names if not any(n == r or n.startswith(r + ".") for r in rows)]
    same([n for n in covered if n.split(".")[0] not in
          ("podSecurityContext", "securityContext", "resources")], [], "not in README.md")
    folder = os.path.join(TOP, chart.CHART, "templates")
    text = "".join(read(f"{chart.CHART}/templates/{f}") for f in os.listdir(folder))
    unused = [n for n in names if ".Values." + n not in text and
              not re.search(r"\.Values\." + re.escape(n.rsplit(".", 1)[0]) + r" *[|}]", text)
              and not (n.startswith("export.tls.") and "." + n.rsplit(".", 1)[1] in text)]
    same(unused, [], "values that no template uses")


@test("README.md is what the comments of values.yaml say")
def _():
    out = subprocess.run([os.path.join(TOP, "deploy/helm/readme.py")], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    check(out == read(f"{chart.CHART}/README.md"),
          "python3 deploy/helm/readme.py > deploy/helm/assay/README.md")


@test("objects are as the schemas of Kubernetes want them")
def _():
    for name in chart.examples():
        for obj in example(name).values():
            if obj["kind"] != "SecurityContextConstraints":
                validate(obj)
                continue
            same(sorted(obj.keys() - SCC_FIELDS), [], f"{name}: fields of no SCC")


@test("the agent has BPF and PERFMON, a read-only root, and no privilege")
def _():
    for name in chart.examples():
        bundles = chart.values(chart.example_values(name))["node"]["bundles"]
        spec = dict(pod(example(name)))
        spec["containers"] = spec["containers"][:1]  # without those that users add
        if name == "history-on-node":  # the one that is written to: test_policy.py
            spec["volumes"] = [v for v in spec["volumes"] if v["name"] != "history"]
        check_agent(spec, 0 if bundles else 65532, [bundles] if bundles else [])
        check_mounts(dict(pod(example(name)), containers=spec["containers"]))
        check_env_order(spec)
        check_image(spec)
        check_selector(one(example(name), "DaemonSet"))


@test("presets, and an endpoint of one's own, say where exports go")
def _():
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    same(variables(example("collector-daemonset"))[name], "http://$(HOST_IP):4318", name)
    same(variables(example("collector-gateway"))[name],
         "http://otel-collector.observability.svc:4318", name)
    same(variables(example("prometheus"))[name],
         "http://prometheus-operated.monitoring.svc:9090/api/v1/otlp", name)
    same(variables(example("backend-with-token"))[name],
         "https://otlp-gateway-prod-eu-west-0.grafana.net/otlp", name)
    headers = [v for v in pod(example("backend-with-token"))["containers"][0]["env"]
               if v["name"] == "ASSAY_EXPORT_HEADERS"][0]
    same(headers["valueFrom"], {"secretKeyRef": {"name": "otlp", "key": "headers"}},
         "headers")
    same(variables(example("backend-with-token"))["ASSAY_CLUSTER_NAME"], "production eu",
         "the cluster's name")
    given = variables(example("everything"))
    same({k: v for k, v in given.items() if "K8S" in k or "IDENTITY" in k},
         {"ASSAY_K8S_LABELS_AS_SERVICE": "true",
          "ASSAY_K8S_POD_LABELS": "app.kubernetes.io/part-of,team",
          "ASSAY_K8S_POD_ANNOTATIONS": "example.com/cost-center",
          "ASSAY_IDENTITY_SOURCE": "true"}, "what is exported of pods")


def export_ports(over):
    policy = one(objects({"networkPolicy": {"enabled": True}, **over}), "NetworkPolicy")
    return [p["port"] for p in policy["spec"]["egress"][1]["ports"]]


@test("a network policy lets exports out, to the port of wherever they go")
def _():
    def to(endpoint):
        return {"preset": "", "export": {"endpoint": endpoint}}

    for over, port in (({}, 4318), ({"preset": "prometheus"}, 9090),
                       ({"preset": "grafana-cloud", "export": {"headersSecret": {"name": "t"}},
                         "grafanaCloud": {"endpoint": "https://otlp.example.com/otlp"}}, 443),
                       (to("https://otlp.example.com/otlp:1"), 443),
                       (to("http://[2001:db8::1]"), 80), (to("http://[2001:db8::1]:80/x"), 80),
                       (to("https://otlp.example.com:8443/otlp"), 8443)):
        same(export_ports(over), [port], f"{over}")
    for over, port in (({}, 10250), ({"kubelet": {"url": "http://$(HOST_IP):10255/pods"}}, 10255),
                       ({"networkPolicy": {"enabled": True, "kubeletPort": 7}}, 7)):
        policy = one(objects({"networkPolicy": {"enabled": True}, **over}), "NetworkPolicy")
        same([p["port"] for p in policy["spec"]["egress"][2]["ports"]], [port],
             f"the kubelet's of {over}")
    same(export_ports({"networkPolicy": {"enabled": True, "ports": [1, 2]}}), [1, 2],
         "ports that are said")


@test("the agent takes what the examples set")
def _():
    manual = read("docs/assay.1")
    for name in chart.examples():
        box = pod(example(name))["containers"][0]
        env = {v["name"]: re.sub(r"\$\(\w+\)", "192.0.2.1", v.get("value", "a=b"))
               for v in box["env"]}
        ours = [k for k in env if re.match("ASSAY_|OTEL_", k)]
        same([k for k in ours if k not in manual], [], "variables that assay does not know")
        out = subprocess.run([os.path.join(TOP, "build/assay"), *box["args"], "--no-such"],
                             env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=20, check=False)
        check("--no-such" in out.stdout and len(out.stdout.splitlines()) == 1,
              f"{name}: {out.stdout}")


@test("memory follows the plan, and what is said wins")
def _():
    box = box_of(pod(objects({"agent": {"memory": "256MiB"}})))
    same((box["resources"]["limits"]["memory"], box["resources"]["requests"]["memory"]),
         ("320Mi", "288Mi"), "for 256MiB")
    box = box_of(pod(objects({"resources": {"limits": {"memory": "1Gi", "cpu": "1"}}})))
    same(box["resources"]["limits"], {"memory": "1Gi", "cpu": "1"}, "limits")


@test("each probe can be changed, and taken away")
def _():
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        box = box_of(pod(objects({probe: {"periodSeconds": 7}})))
        same((box[probe]["periodSeconds"], box[probe]["exec"]["command"][:2]),
             (7, ["/usr/bin/assay", "status"]), probe)
        for none in (None, {"exec": None, "periodSeconds": None, "timeoutSeconds": None,
                            "failureThreshold": None}):
            check(probe not in box_of(pod(objects({probe: none}))), f"{probe}: {none}")


def role(objs):
    return [r for o in objs.values() if o["kind"] == "ClusterRole" for r in o["rules"]]


@test("the kubelet is asked as the values say; without it there is no role and no token")
def _():
    pods = {"apiGroups": [""], "resources": ["nodes/pods"], "verbs": ["get"]}
    check_kubelet(pod(example("collector-daemonset")))
    same(role(example("collector-daemonset")), [pods], "rules")
    same([r["resources"] for r in role(example("everything"))],
         [["nodes/pods", "nodes/proxy"], ["nodes"]], "resources")
    env = variables(example("everything"))
    same([env[f"ASSAY_KUBELET_{x}"] for x in ("SERVER_NAME", "INSECURE")],
         ["node.example.com", "true"], "variables")
    off = objects({"kubelet": {"enabled": False}})
    same(role(off), [], "rules without it")
    same([v["name"] for v in pod(off)["volumes"] if "projected" in v], [], "tokens")
    check("ASSAY_KUBELET" not in variables(off), "it is asked")
    plain = pod(objects({"kubelet": {"url": "http://$(HOST_IP):10255/pods"}}))
    check_kubelet(plain, "http://$(HOST_IP):10255/pods")


@test("GKE Autopilot is refused with the reason, GKE Standard is not")
def _():
    check("allow-list" in refusal({"platform": "gke-autopilot"}), "no reason")
    check("platform=gke" in refusal({}, apis=["auto.gke.io/v1"]), "no way out")
    objects({"platform": "gke"}, apis=["auto.gke.io/v1"])


@test("what contradicts itself or is missing is refused with the reason")
def _():
    check("export.endpoint" in refusal({"preset": ""}), "no endpoint")
    for labels in "podLabels", "commonLabels":
        check("app.kubernetes.io/name" in refusal({labels: {"app.kubernetes.io/name": "x"}}),
              f"{labels} of the selector")
    check("headersSecret" in refusal({"preset": "grafana-cloud"}), "no token")
    check("grafanaCloud.endpoint" in refusal({
        "preset": "grafana-cloud", "export": {"headersSecret": {"name": "otlp"}}}),
          "no endpoint of the backend")
    check("config.existing" in refusal({"config": {"data": {"A": "b"}, "existing": "x"}}),
          "two ConfigMaps")
    check("headersSecret" in refusal({"export": {"headers": {"a": "b"},
                                                 "headersSecret": {"name": "x"}}}),
          "two headers")
    check("keyKey" in refusal({"export": {"tls": {"secretName": "x", "certKey": "c"}}}),
          "a certificate without a key")
    off = {"kubelet": {"enabled": False}}
    for less in ({"groupBy": "owner"}, {"include": ["kind=unit", "owner=web"]},
                 {"exclude": ["label:a=b"]}):
        check("set kubelet.enabled" in refusal({**off, "export": less}), f"{less}")
    objects({**off, "export": {"groupBy": "pod", "include": ["namespace=label:x"]}})


@test("a variable that the chart sets itself is refused, and one that is there twice")
def _():
    for over in ({"env": [{"name": "ASSAY_MEMORY", "value": "1GiB"}]},
                 {"env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://x"}]},
                 {"env": [{"name": "HOST_IP", "value": "x"}]},
                 {"config": {"data": {"ASSAY_BUDGET": "2%"}}}):
        name = over["env"][0]["name"] if "env" in over else "ASSAY_BUDGET"
        why = refusal(over)
        check(name in why and "the chart sets it" in why.replace(name, "it"), why)
        same(len(why.splitlines()), 1, "lines")
    twice = [{"name": "ASSAY_HOST_ID", "value": x} for x in "ab"]
    check("ASSAY_HOST_ID is there twice" in refusal({"env": twice}), "twice")
    # what it does not set in these values is the user's
    env = variables(objects({"env": [{"name": "ASSAY_CLUSTER_NAME", "value": "x"}]}))
    same(env["ASSAY_CLUSTER_NAME"], "x", "ASSAY_CLUSTER_NAME")
    names = [v["name"] for v in pod(example("everything"))["containers"][0]["env"]]
    same(sorted(names), sorted(set(names)), "names")


@test("what exports take together is as the values say")
def _():
    env = variables(example("everything"))
    same([env[f"ASSAY_{x}"] for x in ("GROUP_BY", "INCLUDE", "EXCLUDE")],
         ["owner", "namespace=shop-*,label:team=*,kind=unit", "pod=canary-*"], "variables")
    env = variables(example("collector-daemonset"))
    same([env.get(f"ASSAY_{x}") for x in ("GROUP_BY", "INCLUDE", "EXCLUDE")],
         ["container", None, None], "variables by default")


@test("Bottlerocket's pod has its SELinux type")
def _():
    same(pod(example("bottlerocket"))["securityContext"]["seLinuxOptions"]["type"],
         "control_t", "type")
    check("seLinuxOptions" not in pod(example("collector-daemonset"))["securityContext"],
          "a type where there is none")


@test("options in a ConfigMap: pods are started anew when they change")
def _():
    sums = []
    for value in ("5s", "6s"):
        meta = one(objects({"config": {"data": {"ASSAY_SNAPSHOT_INTERVAL": value}}}),
                   "DaemonSet")["spec"]["template"]["metadata"]
        sums.append(meta["annotations"]["checksum/config"])
    check(sums[0] != sums[1], "the checksum stays")


@test("the notes say what is still to do")
def _():
    if not chart.renderer():
        raise Missing(chart.NOT_HERE)
    notes = chart.parts(chart.render())[0]
    check("set image.digest" in notes and "build one" in notes, notes)
    notes = chart.parts(chart.render({"image": {"repository": "x/assay", "digest":
                                                "sha256:" + "1" * 64}}))[0]
    check("image" not in notes and "assay report" in notes, notes)


main()
