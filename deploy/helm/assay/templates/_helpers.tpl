{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "assay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "assay.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "assay.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "assay.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "assay.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Of objects without a namespace: releases of one name in two namespaces have their own. */}}
{{- define "assay.clusterName" -}}
{{- printf "%s-%s" (include "assay.namespace" .) (include "assay.fullname" .) -}}
{{- end -}}

{{- define "assay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "assay.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What chooses the pods: it must never change. */}}
{{- define "assay.selectorLabels" -}}
app.kubernetes.io/name: {{ include "assay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end -}}

{{/* Name, namespace, labels and annotations; of objects without a namespace: "assay.clusterMeta". */}}
{{- define "assay.labels" -}}
{{ include "assay.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "assay.clusterMeta" -}}
labels:
  {{- include "assay.labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "assay.meta" -}}
name: {{ include "assay.fullname" . }}
namespace: {{ include "assay.namespace" . }}
{{ include "assay.clusterMeta" . }}
{{- end -}}

{{- define "assay.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "assay.endpoint" -}}
{{- if .Values.export.endpoint -}}
{{- .Values.export.endpoint -}}
{{- else if eq .Values.preset "collector-daemonset" -}}
http://$(HOST_IP):4318
{{- else if eq .Values.preset "collector-gateway" -}}
{{- required "preset collector-gateway needs gateway.endpoint" .Values.gateway.endpoint -}}
{{- else if eq .Values.preset "prometheus" -}}
{{- required "preset prometheus needs prometheus.endpoint" .Values.prometheus.endpoint -}}
{{- else if eq .Values.preset "grafana-cloud" -}}
{{- if not (or .Values.export.headersSecret.name .Values.envFrom) -}}
{{- fail "preset grafana-cloud needs a token: export.headersSecret.name, a Secret with headers=Authorization=Basic%20..." -}}
{{- end -}}
{{- required "preset grafana-cloud needs grafanaCloud.endpoint, https://otlp-gateway-ZONE.grafana.net/otlp" .Values.grafanaCloud.endpoint -}}
{{- else -}}
{{- fail "where do exports go? set export.endpoint, or preset to collector-daemonset, collector-gateway, prometheus or grafana-cloud" -}}
{{- end -}}
{{- end -}}

{{/* The port of a URL, as a network policy wants it. */}}
{{- define "assay.portOf" -}}
{{- $base := regexFind "^https?://[^/]*" . -}}
{{- $port := regexFind ":[0-9]+$" $base -}}
{{- if $port -}}
{{- trimPrefix ":" $port -}}
{{- else if hasPrefix "https:" $base -}}
443
{{- else -}}
80
{{- end -}}
{{- end -}}

{{- define "assay.endpointPort" -}}
{{- include "assay.portOf" (include "assay.endpoint" .) -}}
{{- end -}}

{{- define "assay.kubeletPort" -}}
{{- with .Values.networkPolicy.kubeletPort | int -}}
{{- . -}}
{{- else -}}
{{- include "assay.portOf" .Values.kubelet.url -}}
{{- end -}}
{{- end -}}

{{/* KEY=VALUE,... percent-encoded, as OTEL_RESOURCE_ATTRIBUTES and headers are written.
     (urlquery writes a space as +, which means + there.) */}}
{{- define "assay.pairs" -}}
{{- $pairs := list -}}
{{- range $k, $v := . -}}
{{- $pairs = append $pairs (printf "%s=%s" $k (toString $v | urlquery | replace "+" "%20")) -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end -}}

{{- define "assay.resourceAttributes" -}}
{{- $all := dict -}}
{{- range $k, $v := .Values.agent.resourceAttributes }}{{ $_ := set $all $k $v }}{{ end -}}
{{- include "assay.pairs" $all -}}
{{- end -}}

{{/* agent.memory in MiB. */}}
{{- define "assay.memoryMi" -}}
{{- $text := .Values.agent.memory -}}
{{- if hasSuffix "GiB" $text -}}
{{- mul 1024 (trimSuffix "GiB" $text | int) -}}
{{- else -}}
{{- trimSuffix "MiB" $text | int -}}
{{- end -}}
{{- end -}}

{{/* resources, with the memory that the plan needs where none is said. */}}
{{- define "assay.resources" -}}
{{- $r := deepCopy .Values.resources -}}
{{- $plan := include "assay.memoryMi" . | int -}}
{{- $limits := default dict $r.limits -}}
{{- $requests := default dict $r.requests -}}
{{- if not (hasKey $limits "memory") }}{{ $_ := set $limits "memory" (printf "%dMi" (add $plan 64)) }}{{ end -}}
{{- if not (hasKey $requests "memory") }}{{ $_ := set $requests "memory" (printf "%dMi" (add $plan 32)) }}{{ end -}}
{{- $_ := set $r "limits" $limits -}}
{{- $_ := set $r "requests" $requests -}}
{{- toYaml $r -}}
{{- end -}}

{{/* The pod's security context: bundles are for root, Bottlerocket has a type of SELinux. */}}
{{- define "assay.podSecurityContext" -}}
{{- $s := deepCopy .Values.podSecurityContext -}}
{{- if .Values.node.bundles -}}
{{- $_ := set $s "runAsNonRoot" false -}}
{{- range list "runAsUser" "runAsGroup" "fsGroup" }}{{ $_ := set $s . 0 }}{{ end -}}
{{- end -}}
{{- if eq .Values.platform "bottlerocket" -}}
{{- $_ := set $s "seLinuxOptions" (default (dict "user" "system_u" "role" "system_r" "type" "control_t" "level" "s0") $s.seLinuxOptions) -}}
{{- end -}}
{{- if and (eq .Values.platform "openshift") (not (hasKey $s "seLinuxOptions")) -}}
{{- $_ := set $s "seLinuxOptions" (dict "user" "system_u" "role" "system_r" "type" "spc_t" "level" "s0") -}}
{{- end -}}
{{- toYaml $s -}}
{{- end -}}

{{/* What cannot work is refused before anything is installed. */}}
{{- define "assay.checks" -}}
{{- if eq .Values.platform "gke-autopilot" -}}
{{- fail "GKE Autopilot takes hostPID, hostPath and capabilities such as BPF only from workloads of Google's allow-list (AllowlistSynchronizer), and assay is not on it: use a GKE Standard cluster" -}}
{{- end -}}
{{- if and (not .Values.platform) (.Capabilities.APIVersions.Has "auto.gke.io/v1") -}}
{{- fail "this cluster has GKE's API auto.gke.io: on Autopilot assay cannot run (Google's allow-list); on GKE Standard set platform=gke" -}}
{{- end -}}
{{- if and .Values.config.data .Values.config.existing -}}
{{- fail "config.data makes a ConfigMap, config.existing names one: set one of them" -}}
{{- end -}}
{{- if and .Values.export.headers .Values.export.headersSecret.name -}}
{{- fail "export.headers and export.headersSecret are the same variable: set one of them" -}}
{{- end -}}
{{- $labels := .Values.podLabels | merge (deepCopy .Values.commonLabels) -}}
{{- range list "name" "instance" "component" -}}
{{- if hasKey $labels (printf "app.kubernetes.io/%s" .) -}}
{{- fail (printf "the label app.kubernetes.io/%s chooses the pods of the chart: podLabels and commonLabels cannot set it (nameOverride changes the name)" .) -}}
{{- end -}}
{{- end -}}
{{- if not .Values.kubelet.enabled -}}
{{- $rules := printf ",%s,%s" (join "," .Values.export.include) (join "," .Values.export.exclude) -}}
{{- if or (eq .Values.export.groupBy "owner") (contains ",label:" $rules) (contains ",owner=" $rules) -}}
{{- fail "owners and labels of pods are known by the kubelet alone: set kubelet.enabled, or export.groupBy, export.include and export.exclude without them" -}}
{{- end -}}
{{- end -}}
{{- include "assay.checkEnv" . -}}
{{- end -}}
