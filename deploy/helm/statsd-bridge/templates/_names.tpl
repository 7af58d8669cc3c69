{{/* Names and labels that several templates share. */}}

{{- define "bridge.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the release, followed by the name of the chart unless it contains it. */}}
{{- define "bridge.fullname" -}}
{{- $name := include "bridge.name" . -}}
{{- $composed := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $composed | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "bridge.selector" -}}
app.kubernetes.io/name: {{ include "bridge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bridge.labels" -}}
{{ include "bridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "bridge.account" -}}
{{- .Values.serviceAccount.name | default (ternary (include "bridge.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The name of the ConfigMap with rules; empty without rules. */}}
{{- define "bridge.mapping" -}}
{{- if .Values.statsd.mappingConfigMapName -}}
{{- .Values.statsd.mappingConfigMapName -}}
{{- else if .Values.statsd.mappingConfig -}}
{{- include "bridge.fullname" . -}}
{{- end -}}
{{- end -}}

{{- define "bridge.mappingKey" -}}
{{- .Values.statsd.mappingConfigMapKey | default "statsd.mappingConf" -}}
{{- end -}}

{{/* A text with the names of self-metrics, changed to those under `compat`: docs/migrating.md. */}}
{{- define "bridge.metricNames" -}}
{{- if .compat -}}
{{- .text | replace "statsd_bridge_families" "statsd_exporter_metrics_total" | replace "statsd_bridge_" "statsd_exporter_" -}}
{{- else -}}
{{- .text -}}
{{- end -}}
{{- end -}}
