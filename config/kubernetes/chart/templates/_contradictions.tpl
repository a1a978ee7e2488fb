{{/*
What values can say that cannot be meant. Each template prints one line a contradiction, with the
mend; contradictions.yaml gathers them all. What can be told from one value alone is in the schema.
*/}}

{{/* By itself: what such a text says is unknown. */}}
{{- define "tlsfloor.wrong.text" -}}
{{- with (include "tlsfloor.said" . | fromJson).Error }}
configText is no TOML: {{ . | replace "\n" " " }}
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.source" -}}
{{- $sources := list -}}
{{- range list "config" "configText" "existingConfigMap" -}}
{{- if index $.Values . -}}{{- $sources = append $sources . -}}{{- end -}}
{{- end }}
{{- if not $sources }}
config is empty: say at least config.upstreams, the API servers, e.g. [{ name: api, servers: ["http://api.prod.svc.cluster.local:8080"] }]
{{- else if gt (len $sources) 1 }}
{{ join " and " $sources }} are given: the configuration comes from one of them, clear the others
{{- else if not (or .Values.existingConfigMap (include "tlsfloor.said" . | fromJson).upstreams) }}
{{ include "tlsfloor.place" . }}upstreams is empty: say the API servers, e.g. [{ name: api, servers: ["http://api.prod.svc.cluster.local:8080"] }]
{{- end }}
{{- if and .Values.existingConfigMap .Values.files }}
files are given with existingConfigMap: put them into {{ .Values.existingConfigMap }}, the chart does not write it
{{- end }}
{{- range .Values.extraArgs }}
{{- if regexMatch "^(-c|--config$|--config=)" . }}
extraArgs has {{ . }}: the check would read another file than the proxy. Give the file as configText or existingConfigMap
{{- end }}
{{- end }}
{{- if hasKey .Values.files "tlsfloor.toml" }}
files has tlsfloor.toml, which the chart writes: give it as configText
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.secrets" -}}
{{- $kubectl := printf "kubectl -n %s create secret generic" .Release.Namespace }}
{{- if not .Values.admin.tokenSecretName }}
admin.tokenSecretName is empty: the admin port is beyond loopback, for probes and scraping, so whoever changes something there has to show a token. Make one: {{ $kubectl }} tlsfloor-admin --from-literal=token="$(openssl rand -hex 32)" and set admin.tokenSecretName=tlsfloor-admin
{{- end }}
{{- $many := or (eq .Values.kind "DaemonSet") (gt (include "tlsfloor.replicas.most" . | int) 1) }}
{{- $config := include "tlsfloor.config" . | fromJson }}
{{- if and $many (not (dig "tls" "ticket_secret" "" $config)) }}
{{- if .Values.tickets.secretName }}
{{ include "tlsfloor.place" . }}tls.ticket_secret is not said and there is more than one replica: clients could resume a session only on the one they began it with. Say "/secrets/tickets/tickets.key", where tickets.secretName is
{{- else }}
tickets.secretName is empty and there is more than one replica: clients could resume a session only on the one they began it with. Make a secret: {{ $kubectl }} tlsfloor-tickets --from-literal=tickets.key="$(openssl rand -base64 48)" and set tickets.secretName=tlsfloor-tickets
{{- end }}
{{- end }}
{{- if not (dig "listen" "admin_token" "" $config) }}
{{ include "tlsfloor.place" . }}listen.admin_token is not said: beyond loopback the admin port needs it. Say "/secrets/admin/token"
{{- end }}
{{- if not (or .Values.configText .Values.existingConfigMap .Values.certificates (dig "tls" "certificates" list .Values.config)) }}
certificates is empty: name a Secret with tls.crt and tls.key, e.g. [{ name: api, secretName: api-tls }]. Make one: kubectl -n {{ .Release.Namespace }} create secret tls api-tls --cert=api.crt --key=api.key, or let cert-manager do it
{{- end }}
{{- $names := list "admin" "tickets" }}
{{- range concat .Values.certificates .Values.secrets }}
{{- if has .name $names }}
certificates and secrets: {{ .name }} is there twice{{ if has .name (list "admin" "tickets") }}, the chart has it itself{{ end }}; the name is a folder in /secrets, choose another
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.drain" -}}
{{- $least := include "tlsfloor.grace" . | int }}
{{- $said := int .Values.terminationGracePeriodSeconds }}
{{- if and $said (lt $said $least) }}
terminationGracePeriodSeconds is {{ $said }}, but a drain takes up to {{ $least }} seconds (preStopSleepSeconds, drain.delay, drain.grace, drain.linger and 5): requests would be killed; say {{ $least }} or more, or leave it 0
{{- end }}
{{- if and (eq .Values.kind "Deployment") (ge (int .Values.minReadySeconds) (int .Values.progressDeadlineSeconds)) }}
progressDeadlineSeconds is {{ .Values.progressDeadlineSeconds }}, not above minReadySeconds, {{ .Values.minReadySeconds }}: every rollout would count as failed
{{- end }}
{{- $version := .Capabilities.KubeVersion.Version }}
{{- if and .Values.preStopSleepSeconds (semverCompare "<1.30-0" $version) }}
preStopSleepSeconds needs Kubernetes 1.30, this is {{ $version }}: use drain.delay, which works everywhere
{{- end }}
{{- $update := .Values.updateStrategy }}
{{- if and (has (toString $update.maxUnavailable) (list "0" "0%")) (has (toString $update.maxSurge) (list "0" "0%")) }}
updateStrategy.maxUnavailable and updateStrategy.maxSurge are both 0: no pod could ever be replaced; let one of them be more
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.memory" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources }}
{{- $request := dig "requests" "memory" "" .Values.resources }}
{{- $ceiling := dig "limits" "memory" "" (include "tlsfloor.said" . | fromJson) }}
{{- if and $limit $ceiling }}
{{- if ge (include "tlsfloor.bytes" $ceiling | int64) (include "tlsfloor.bytes" $limit | int64) }}
resources.limits.memory is {{ $limit }}, not above {{ include "tlsfloor.place" . }}limits.memory, {{ $ceiling }}: the kernel would kill the proxy before it says no; raise the first, or leave out the second (then it is four fifths of the first)
{{- end }}
{{- end }}
{{- if and $limit $request }}
{{- if gt (include "tlsfloor.bytes" $request | int64) (include "tlsfloor.bytes" $limit | int64) }}
resources.requests.memory is {{ $request }}, above resources.limits.memory, {{ $limit }}: no cluster takes such a pod
{{- end }}
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.scraping" -}}
{{- $metrics := .Values.metrics }}
{{- if and $metrics.scrapeTimeout (has $metrics.scrape (list "PodMonitor" "ServiceMonitor")) }}
{{- if gt (include "tlsfloor.milliseconds" $metrics.scrapeTimeout | int64) (include "tlsfloor.milliseconds" $metrics.interval | int64) }}
metrics.scrapeTimeout is {{ $metrics.scrapeTimeout }}, above metrics.interval, {{ $metrics.interval }}: Prometheus takes no such target
{{- end }}
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.versions" -}}
{{- $version := .Capabilities.KubeVersion.Version }}
{{- if and (not .Values.security.hostUsers) (semverCompare "<1.25-0" $version) }}
security.hostUsers is false, which needs Kubernetes 1.25; this is {{ $version }}
{{- end }}
{{- if and .Values.service.trafficDistribution (semverCompare "<1.31-0" $version) }}
service.trafficDistribution needs Kubernetes 1.31, this is {{ $version }}
{{- end }}
{{- end -}}

{{/* What selectors are made of is the chart's alone: with another value they would find no pod. */}}
{{- define "tlsfloor.wrong.labels" -}}
{{- $own := append (include "tlsfloor.selector" . | fromYaml | keys | sortAlpha) "app.kubernetes.io/managed-by" }}
{{- $said := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels "service.labels" .Values.service.labels "metrics.labels" .Values.metrics.labels "metrics.dashboard.labels" .Values.metrics.dashboard.labels }}
{{- range $place, $labels := $said }}
{{- range $key := $own }}
{{- if hasKey $labels $key }}
{{ $place }} has {{ $key }}, which the chart writes itself: leave it out; the name is nameOverride, the instance is the release
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Files under /secrets that the configuration names and no Secret of these values brings. */}}
{{- define "tlsfloor.wrong.mounts" -}}
{{- $there := list "/secrets/admin/token" }}
{{- if .Values.tickets.secretName }}{{ $there = append $there "/secrets/tickets/tickets.key" }}{{ end }}
{{- range .Values.certificates }}
{{- $there = concat $there (list (printf "/secrets/%s/tls.crt" .name) (printf "/secrets/%s/tls.key" .name)) }}
{{- end }}
{{- range $secret := .Values.secrets }}
{{- range .keys }}{{ $there = append $there (printf "/secrets/%s/%s" $secret.name .) }}{{ end }}
{{- end }}
{{- $said := include "tlsfloor.said" . | fromJson }}
{{- $named := dict "listen.admin_token" (dig "listen" "admin_token" "" $said) "tls.ticket_secret" (dig "tls" "ticket_secret" "" $said) }}
{{- range $index, $pair := dig "tls" "certificates" list $said }}
{{- range $key := list "chain" "key" }}
{{- $_ := set $named (printf "tls.certificates[%d].%s" $index $key) (dig $key "" $pair) }}
{{- end }}
{{- end }}
{{- range $key, $path := $named }}
{{- $mounted := has $path $there }}
{{- range $.Values.extraVolumeMounts }}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $path }}{{ $mounted = true }}{{ end }}
{{- end }}
{{- if and (hasPrefix "/secrets/" $path) (not $mounted) }}
{{ include "tlsfloor.place" $ }}{{ $key }} is {{ $path }}, which nothing mounts: name its Secret in certificates, tickets or secrets
{{- end }}
{{- end }}
{{- end -}}
