{{/* The pod template of Deployment, DaemonSet and StatefulSet. */}}
{{- define "bridge.pod" -}}
metadata:
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- include "bridge.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "bridge.account" . }}
  automountServiceAccountToken: false
  # Variables of Services, such as STATSD_BRIDGE_PORT, look like settings.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "bridge.grace" . }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: statsd-bridge
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- include "bridge.args" . | nindent 8 }}
      {{- with .Values.extraEnv }}
      env:
        {{- range $name, $value := . }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
      {{- end }}
      ports:
        - name: http
          containerPort: {{ .Values.service.port }}
          protocol: TCP
        {{- range $protocol := list "udp" "tcp" }}
        {{- with index $.Values.statsd (printf "%sPort" $protocol) }}
        - name: statsd-{{ $protocol }}
          containerPort: {{ . }}
          protocol: {{ upper $protocol }}
        {{- end }}
        {{- end }}
      {{- range $field := list "livenessProbe" "readinessProbe" }}
      {{- /* null disables the probe, {} is the probe of the chart. */}}
      {{- if kindIs "map" (index $.Values $field) }}
      {{ $field }}:
        {{- include "bridge.probe" (dict "name" $field "context" $) | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- range $field := list "lifecycle" "resources" "securityContext" }}
      {{- with index $.Values $field }}
      {{ $field }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- with include "bridge.mounts" . | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
  {{- with include "bridge.volumes" . | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
  {{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
  {{- with index $.Values $field }}
  {{ $field }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* Maximum duration of a shutdown: drain, write the state file (10 s), linger, drain responses. */}}
{{- define "bridge.grace" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- $drain := include "bridge.seconds" .Values.shutdownDrain | float64 -}}
{{- $linger := include "bridge.seconds" .Values.shutdownLinger | float64 -}}
{{- addf $drain $drain $linger 10 | ceil | int -}}
{{- else -}}
{{- .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{/* A duration such as 1m30s, in seconds. */}}
{{- define "bridge.seconds" -}}
{{- $units := dict "ns" 0.000000001 "us" 0.000001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- $seconds := 0.0 -}}
{{- range regexFindAll "[0-9]*\\.?[0-9]+(ns|us|ms|s|m|h)" . -1 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $seconds = addf $seconds (mulf (trimSuffix $unit . | float64) (get $units $unit)) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* A list. The user's items come last and take precedence. */}}
{{- define "bridge.args" -}}
- {{ printf "--web.listen-address=:%v" .Values.service.port | quote }}
- {{ printf "--web.telemetry-path=%s" .Values.service.path | quote }}
- {{ printf "--statsd.listen-udp=%s" (ternary (printf ":%v" .Values.statsd.udpPort) "" (not (empty .Values.statsd.udpPort))) | quote }}
- {{ printf "--statsd.listen-tcp=%s" (ternary (printf ":%v" .Values.statsd.tcpPort) "" (not (empty .Values.statsd.tcpPort))) | quote }}
- {{ printf "--shutdown.drain=%s" .Values.shutdownDrain | quote }}
- {{ printf "--shutdown.linger=%s" .Values.shutdownLinger | quote }}
{{- with .Values.compat }}
- {{ printf "--compat=%s" . | quote }}
{{- end }}
{{- range .Values.presets }}
- {{ printf "--preset=%s" . | quote }}
{{- end }}
{{- if include "bridge.mapping" . }}
- --statsd.mapping-config=/etc/statsd-bridge/mapping.yml
{{- end }}
{{- if include "bridge.webSources" . }}
- --web.config.file=/etc/statsd-bridge-web/{{ .Values.webConfig.key }}
{{- end }}
{{- if .Values.state.enabled }}
- --state.file=/var/lib/statsd-bridge/state
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}
