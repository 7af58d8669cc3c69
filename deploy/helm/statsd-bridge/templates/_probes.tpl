{{/*
A probe. The user's values are kept. Without a handler of the user, the chart sets a GET, or `statsd-bridge healthcheck` if there is a web
configuration file, because the kubelet has no password or certificate.
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
{{- /* The health check has a timeout of 3 s, the kubelet a default of 1 s. */ -}}
{{- toYaml (merge (dict "exec" (dict "command" $command)) $given (dict "timeoutSeconds" 5)) -}}
{{- else -}}
{{- $path := ternary "/-/ready" "/-/healthy" (eq .name "readinessProbe") -}}
{{- toYaml (merge (dict "httpGet" (dict "path" $path "port" "http")) $given) -}}
{{- end -}}
{{- end -}}

{{/* Path of the web configuration file in the container: that of the chart, or one in the user's flags or environment. */}}
{{- define "bridge.webConfigFile" -}}
{{- if include "bridge.webSources" . -}}
/etc/statsd-bridge-web/{{ .Values.webConfig.key }}
{{- else -}}
{{- $flag := regexFind "--web\\.config\\.file[=\n][^\n]+" (join "\n" .Values.extraArgs) -}}
{{- regexReplaceAll "^--web\\.config\\.file[=\n]" $flag "" | default (get .Values.extraEnv "STATSD_BRIDGE_WEB_CONFIG_FILE") -}}
{{- end -}}
{{- end -}}
