{{/* Mounts of the container: rules, web configuration, state, and the user's volumes. */}}

{{- define "bridge.mounts" -}}
{{- if include "bridge.mapping" . }}
- name: mapping
  mountPath: /etc/statsd-bridge
  readOnly: true
{{- end }}
{{- if include "bridge.webSources" . }}
- name: web-config
  mountPath: /etc/statsd-bridge-web
  readOnly: true
{{- end }}
{{- if .Values.state.enabled }}
- name: state
  mountPath: /var/lib/statsd-bridge
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "bridge.volumes" -}}
{{- if include "bridge.mapping" . }}
- name: mapping
  configMap:
    name: {{ include "bridge.mapping" . }}
    items:
      - key: {{ include "bridge.mappingKey" . }}
        path: mapping.yml
{{- end }}
{{- with include "bridge.webSources" . | trim }}
- name: web-config
  # One folder, so that the file names certificate and key by their bare names. Only the group of the pod reads it (fsGroup).
  projected:
    defaultMode: 0440
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- if and .Values.state.enabled (not (include "bridge.claim" .)) }}
- name: state
  {{- toYaml (.Values.state.volume | default (dict "emptyDir" dict)) | nindent 2 }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The Secrets of the web configuration; empty without one. */}}
{{- define "bridge.webSources" -}}
{{- with .Values.webConfig -}}
{{- if or .secretName .content }}
- secret:
    name: {{ .secretName | default (printf "%s-web" (include "bridge.fullname" $)) }}
{{- with .tlsSecretName }}
- secret:
    name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* True if each replica has its own claim for its state. */}}
{{- define "bridge.claim" -}}
{{- if and .Values.state.enabled (eq .Values.kind "StatefulSet") (not .Values.state.volume) -}}true{{- end -}}
{{- end -}}
