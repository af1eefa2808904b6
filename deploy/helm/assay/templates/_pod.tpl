{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Parts of the pod that others go by: its environment, which must not have a name twice, and
     its volumes, whose kinds an SCC allows. */}}
{{- define "assay.ownEnv" -}}
- name: HOST_IP
  valueFrom:
    fieldRef:
      fieldPath: status.hostIP
- name: ASSAY_HOST_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: ASSAY_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- with .Values.clusterName }}
- name: ASSAY_CLUSTER_NAME
  value: {{ . | quote }}
{{- end }}
{{- with .Values.agent }}
{{- if .labelsAsService }}
- name: ASSAY_K8S_LABELS_AS_SERVICE
  value: "true"
{{- end }}
{{- with .exportPodLabels }}
- name: ASSAY_K8S_POD_LABELS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .exportPodAnnotations }}
- name: ASSAY_K8S_POD_ANNOTATIONS
  value: {{ join "," . | quote }}
{{- end }}
{{- if .identitySource }}
- name: ASSAY_IDENTITY_SOURCE
  value: "true"
{{- end }}
{{- end }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ include "assay.endpoint" . | quote }}
- name: ASSAY_EXPORT_INTERVAL
  value: {{ .Values.export.interval | quote }}
- name: ASSAY_EXPORT_TIMEOUT
  value: {{ .Values.export.timeout | quote }}
- name: ASSAY_EXPORT_COMPRESSION
  value: {{ .Values.export.compression | quote }}
- name: ASSAY_SERIES
  value: {{ .Values.export.series | quote }}
- name: ASSAY_EXPORT_CULPRITS
  value: {{ .Values.export.culprits | int | quote }}
- name: ASSAY_MAX_SERIES_PER_METRIC
  value: {{ .Values.export.maxSeriesPerMetric | int | quote }}
- name: ASSAY_GROUP_BY
  value: {{ .Values.export.groupBy | quote }}
{{- with .Values.export.include }}
- name: ASSAY_INCLUDE
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.export.exclude }}
- name: ASSAY_EXCLUDE
  value: {{ join "," . | quote }}
{{- end }}
{{- if .Values.export.headersSecret.name }}
- name: ASSAY_EXPORT_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .Values.export.headersSecret.name }}
      key: {{ .Values.export.headersSecret.key }}
{{- else if .Values.export.headers }}
- name: ASSAY_EXPORT_HEADERS
  value: {{ include "assay.pairs" .Values.export.headers | quote }}
{{- end }}
{{- with .Values.export.tls }}
{{- if and .secretName .caKey }}
- name: ASSAY_EXPORT_CERTIFICATE
  value: /etc/assay/tls/{{ .caKey }}
{{- end }}
{{- if and .secretName .certKey }}
- name: ASSAY_EXPORT_CLIENT_CERTIFICATE
  value: /etc/assay/tls/{{ .certKey }}
- name: ASSAY_EXPORT_CLIENT_KEY
  value: /etc/assay/tls/{{ required "export.tls.certKey needs export.tls.keyKey" .keyKey }}
{{- end }}
{{- end }}
{{- with include "assay.resourceAttributes" . }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ . | quote }}
{{- end }}
- name: ASSAY_CGROUP_ROOT
  value: /sys/fs/cgroup
- name: ASSAY_HOST_ROOT
  value: /host
{{- with .Values.kubelet }}
{{- if .enabled }}
- name: ASSAY_KUBELET
  value: {{ .url | quote }}
{{- if .serverName }}
- name: ASSAY_KUBELET_SERVER_NAME
  value: {{ .serverName | quote }}
{{- end }}
{{- if .insecure }}
- name: ASSAY_KUBELET_INSECURE
  value: "true"
{{- end }}
{{- end }}
{{- end }}
- name: ASSAY_MEMORY
  value: {{ .Values.agent.memory | quote }}
{{- if .Values.history.enabled }}
- name: ASSAY_HISTORY_SIZE
  value: {{ .Values.history.size | quote }}
{{- else }}
- name: ASSAY_HISTORY
  value: none
{{- end }}
- name: ASSAY_SLOTS
  value: {{ .Values.agent.slots | int | quote }}
{{- with .Values.agent.maxPods }}
- name: ASSAY_MAX_PODS
  value: {{ . | int | quote }}
{{- end }}
- name: ASSAY_BUDGET
  value: {{ .Values.agent.budget | quote }}
- name: ASSAY_PROBES
  value: {{ join "," .Values.agent.probes | quote }}
- name: ASSAY_LOG_LEVEL
  value: {{ .Values.agent.logLevel | quote }}
- name: ASSAY_NODE_LOCK
  value: {{ .Values.agent.nodeLock | quote }}
{{- end -}}

{{- define "assay.env" -}}
{{- include "assay.ownEnv" . -}}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Of a variable that is there twice the last one counts, or none, by who applies it. */}}
{{- define "assay.checkEnv" -}}
{{- $seen := dict -}}
{{- range (printf "env:\n%s" (include "assay.ownEnv" .) | fromYaml).env -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- range $name, $value := .Values.config.data -}}
{{- if hasKey $seen $name -}}
{{- fail (printf "config.data: %s would do nothing, as the chart sets it itself: change the value that it is made of (README.md)" $name) -}}
{{- end -}}
{{- end -}}
{{- $own := deepCopy $seen -}}
{{- range .Values.env -}}
{{- if hasKey $own .name -}}
{{- fail (printf "env: the chart sets %s itself: change the value that it is made of (README.md)" .name) -}}
{{- end -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "env: %s is there twice" .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}

{{- define "assay.volumes" -}}
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- with .Values.history }}
{{- if .enabled }}
- name: history
  {{- if .hostPath }}
  hostPath:
    path: {{ .hostPath }}
    type: Directory
  {{- else }}
  emptyDir:
    sizeLimit: {{ .volumeSize }}
  {{- end }}
{{- end }}
{{- end }}
- name: cgroup
  hostPath:
    path: /sys/fs/cgroup
    type: Directory
{{- if .Values.node.machineId }}
- name: machine-id
  hostPath:
    path: /etc/machine-id
    type: File
{{- end }}
{{- if .Values.node.containerLogs }}
- name: container-logs
  hostPath:
    path: /var/log/containers
    type: Directory
{{- end }}
{{- if .Values.kubelet.enabled }}
- name: token
  projected:
    defaultMode: 0440
    sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3600
    - configMap:
        name: {{ .Values.kubelet.ca.configMap }}
        items:
        - key: {{ .Values.kubelet.ca.key }}
          path: ca.crt
{{- end }}
{{- with .Values.node.bundles }}
- name: bundles
  hostPath:
    path: {{ . }}
    type: Directory
{{- end }}
{{- with .Values.export.tls.secretName }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
