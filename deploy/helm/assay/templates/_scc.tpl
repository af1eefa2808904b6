{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* What the pod takes, with the containers that users add, as an SCC has to allow it. */}}

{{/* A seccomp profile as an SCC names it. */}}
{{- define "assay.sccSeccomp" -}}
{{- if eq .type "Localhost" -}}
localhost/{{ .localhostProfile }}
{{- else if eq .type "RuntimeDefault" -}}
runtime/default
{{- else -}}
unconfined
{{- end -}}
{{- end -}}

{{/* The kinds of the pod's volumes: an SCC calls three of them otherwise than a pod. A token
     that Kubernetes mounts itself is a projected one. */}}
{{- define "assay.sccVolumes" -}}
{{- $other := dict "cephfs" "cephFS" "storageos" "storageOS" "vsphereVolume" "vsphere" -}}
{{- $kinds := list -}}
{{- range (printf "volumes:\n%s" (include "assay.volumes" .) | fromYaml).volumes -}}
{{- range $kind := default (list "emptyDir") (without (keys .) "name") -}}
{{- $kinds = append $kinds (default $kind (get $other $kind)) -}}
{{- end -}}
{{- end -}}
{{- if .Values.serviceAccount.automount }}{{ $kinds = append $kinds "projected" }}{{ end -}}
{{- toYaml (dict "kinds" ($kinds | uniq | sortAlpha)) -}}
{{- end -}}

{{- define "assay.scc" -}}
{{- $pod := include "assay.podSecurityContext" . | fromYaml -}}
{{- $main := dict "securityContext" (merge (dict "capabilities" .Values.capabilities) .Values.securityContext) -}}
{{- $privileged := false -}}
{{- $escalation := false -}}
{{- $hostPorts := false -}}
{{- $readOnly := true -}}
{{- $capabilities := list -}}
{{- $users := list -}}
{{- $userOfAll := true -}}
{{- $otherLabels := false -}}
{{- $seccomp := list -}}
{{- with $pod.seccompProfile }}{{ $seccomp = append $seccomp (include "assay.sccSeccomp" .) }}{{ end -}}
{{- range concat (list $main) .Values.initContainers .Values.extraContainers -}}
{{- $s := default dict .securityContext -}}
{{- if $s.privileged }}{{ $privileged = true }}{{ end -}}
{{- /* Who says nothing gets what the SCC allows. */ -}}
{{- if $s.allowPrivilegeEscalation }}{{ $escalation = true }}{{ end -}}
{{- if and (hasKey $s "readOnlyRootFilesystem") (not $s.readOnlyRootFilesystem) }}{{ $readOnly = false }}{{ end -}}
{{- $capabilities = concat $capabilities (default list (default dict $s.capabilities).add) -}}
{{- with $s.seccompProfile }}{{ $seccomp = append $seccomp (include "assay.sccSeccomp" .) }}{{ end -}}
{{- with $s.seLinuxOptions }}{{ $otherLabels = true }}{{ end -}}
{{- if hasKey $s "runAsUser" -}}
{{- $users = append $users ($s.runAsUser | int64) -}}
{{- else if hasKey $pod "runAsUser" -}}
{{- $users = append $users ($pod.runAsUser | int64) -}}
{{- else -}}
{{- $userOfAll = false -}}
{{- end -}}
{{- range .ports }}{{ if .hostPort }}{{ $hostPorts = true }}{{ end }}{{ end -}}
{{- end -}}
{{- $sysctls := list -}}
{{- range $pod.sysctls }}{{ $sysctls = append $sysctls .name }}{{ end -}}
{{- toYaml (dict "privileged" $privileged "escalation" $escalation "hostPorts" $hostPorts "readOnly" $readOnly "capabilities" (uniq $capabilities) "users" (uniq $users) "userOfAll" $userOfAll "otherLabels" $otherLabels "seccomp" (uniq $seccomp) "sysctls" $sysctls "volumes" (include "assay.sccVolumes" . | fromYaml).kinds) -}}
{{- end -}}
