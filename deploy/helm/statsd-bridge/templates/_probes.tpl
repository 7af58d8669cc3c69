{{/*
A probe. What the user gives stands; without a handler of theirs the chart's is taken: a GET, or `statsd-bridge healthcheck` where a
web configuration file may ask for what the kubelet does not have (a password, a certificate).
*/}}
{{- define "bridge.probe" -}}
{{- $values := .context.Values -}}
{{- $given := index $values .name -}}
{{- $file := include "bridge.webConfigFile" .context -}}
{{- if or $given.httpGet $given.exec $given.tcpSocket $given.grpc -}}
{{- toYaml $given -}}
{{- else if eq (default (ternary "exec" "httpGet" (ne $file "")) $values.probeHandler) "exec" -}}
{{- $command := list $values.image.binary "healthcheck" (printf "--web.listen-address=:%v" $values.service.port) -}}
{{- if $file -}}
{{- $command = append $command (printf "--web.config.file=%s" $file) -}}
{{- end -}}
{{- /* The health check itself gives up after 3 s; the kubelet would after 1 s. */ -}}
{{- toYaml (merge (dict "exec" (dict "command" $command)) $given (dict "timeoutSeconds" 5)) -}}
{{- else -}}
{{- $path := ternary "/-/ready" "/-/healthy" (eq .name "readinessProbe") -}}
{{- toYaml (merge (dict "httpGet" (dict "path" $path "port" "http")) $given) -}}
{{- end -}}
{{- end -}}

{{/* The web configuration file inside the container: the chart's, or one on a volume that the user's flags or environment name. */}}
{{- define "bridge.webConfigFile" -}}
{{- if include "bridge.webSources" . -}}
/etc/statsd-bridge-web/{{ .Values.webConfig.key }}
{{- else -}}
{{- $flag := regexFind "--web\\.config\\.file[=\n][^\n]+" (join "\n" .Values.extraArgs) -}}
{{- regexReplaceAll "^--web\\.config\\.file[=\n]" $flag "" | default (get .Values.extraEnv "STATSD_BRIDGE_WEB_CONFIG_FILE") -}}
{{- end -}}
{{- end -}}
