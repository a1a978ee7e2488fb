{{/* The proxy's configuration: what the user says, and what the chart knows where they are silent. */}}

{{/* The most replicas there can be: a smaller share makes a fuse blow early instead of late. */}}
{{- define "tlsfloor.replicas.most" -}}
{{- ternary .Values.autoscaling.max .Values.replicas .Values.autoscaling.enabled | int64 -}}
{{- end -}}

{{- define "tlsfloor.replicas.least" -}}
{{- ternary .Values.autoscaling.min .Values.replicas .Values.autoscaling.enabled | int64 -}}
{{- end -}}

{{/*
As JSON: what the user says, as values or as a text. An existing ConfigMap is not read. Of a text that
is no TOML it is { Error: ... }.
*/}}
{{- define "tlsfloor.said" -}}
{{- ternary (fromToml .Values.configText) .Values.config (eq (include "tlsfloor.place" .) "configText: ") | toJson -}}
{{- end -}}

{{/* What a sentence about a key of the configuration begins with. */}}
{{- define "tlsfloor.place" -}}
{{- ternary "configText: " "config." (and (ne .Values.configText "") (not .Values.config)) -}}
{{- end -}}

{{/*
As JSON: the addresses of a port that clients come to. With two families a Service has an address of
each, and a pod too: a socket for one of them would leave half of the clients before a closed door.
*/}}
{{- define "tlsfloor.listen" -}}
{{- $addresses := list .root.Values.ports.address -}}
{{- if has .root.Values.service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack") -}}
{{- $addresses = list "0.0.0.0" "[::]" -}}
{{- end -}}
{{- $listen := list -}}
{{- range $addresses -}}{{- $listen = append $listen (printf "%s:%d" . (int64 $.port)) -}}{{- end -}}
{{- toJson $listen -}}
{{- end -}}

{{/* As JSON: { listen: {...}, ... }, only keys that the chart has something to say about. */}}
{{- define "tlsfloor.config.own" -}}
{{- $values := .Values -}}
{{- $http := list -}}
{{- with $values.ports.http -}}{{- $http = include "tlsfloor.listen" (dict "root" $ "port" .) | fromJsonArray -}}{{- end -}}
{{- $listen := dict
    "https" (include "tlsfloor.listen" (dict "root" $ "port" $values.ports.https) | fromJsonArray)
    "http" $http
    "admin" (printf "%s:%d" $values.ports.address (int64 $values.ports.admin))
    "admin_token" "/secrets/admin/token" -}}
{{- with dig "requests" "cpu" "" $values.resources -}}
{{- $_ := set $listen "workers" (include "tlsfloor.cpus" . | int64) -}}
{{- end -}}
{{- if $values.proxyProtocol.enabled -}}
{{- $_ := set $listen "proxy_protocol_from" $values.proxyProtocol.from -}}
{{- end -}}
{{- $tls := dict -}}
{{- if $values.tickets.secretName -}}
{{- $_ := set $tls "ticket_secret" "/secrets/tickets/tickets.key" -}}
{{- end -}}
{{- $certificates := list -}}
{{- range $values.certificates -}}
{{- $certificates = append $certificates (dict "chain" (printf "/secrets/%s/tls.crt" .name) "key" (printf "/secrets/%s/tls.key" .name)) -}}
{{- end -}}
{{- if $certificates -}}{{- $_ := set $tls "certificates" $certificates -}}{{- end -}}
{{- $own := dict "listen" $listen "tls" $tls "drain" $values.drain -}}
{{- if ne $values.kind "DaemonSet" -}}
{{- $_ := set $own "fleet" (dict "replicas" (include "tlsfloor.replicas.most" . | int64)) -}}
{{- end -}}
{{- if ne (int64 $values.service.ports.https.port) 443 -}}
{{- $_ := set $own "plain_http" (dict "https_port" $values.service.ports.https.port) -}}
{{- end -}}
{{- toJson $own -}}
{{- end -}}

{{/*
As JSON: config with the chart's own keys where it has none. Not by sprig's merge, to which a 0, a
false or an empty list of the user's is as good as nothing. A text is taken as it is.
*/}}
{{- define "tlsfloor.config" -}}
{{- $config := include "tlsfloor.said" . | fromJson -}}
{{- range $table, $keys := ternary dict (include "tlsfloor.config.own" . | fromJson) (eq (include "tlsfloor.place" .) "configText: ") -}}
{{- if not (hasKey $config $table) -}}{{- $_ := set $config $table dict -}}{{- end -}}
{{- $inner := index $config $table -}}
{{- range $key, $value := $keys -}}
{{- if not (hasKey $inner $key) -}}{{- $_ := set $inner $key $value -}}{{- end -}}
{{- end -}}
{{- if not $inner -}}{{- $_ := unset $config $table -}}{{- end -}}
{{- end -}}
{{- toJson $config -}}
{{- end -}}

{{/* Seconds from SIGTERM, or from preStop, until the process has ended by itself; and a reserve. */}}
{{- define "tlsfloor.grace" -}}
{{- $seconds := add (int64 .Values.preStopSleepSeconds) 5 -}}
{{- $config := include "tlsfloor.config" . | fromJson -}}
{{- /* The product's own defaults: of a text that does not say. */ -}}
{{- range $key, $default := dict "delay" "5s" "grace" "20s" "linger" "0s" -}}
{{- $seconds = add $seconds (dig "drain" $key $default $config | include "tlsfloor.seconds") -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* Annotation of pods: what only a restart takes up. Everything else reloads in place. */}}
{{- define "tlsfloor.restarts" -}}
{{- $config := include "tlsfloor.config" . | fromJson -}}
{{- if not .Values.existingConfigMap -}}
{{- dict "workers" (dig "listen" "workers" 0 $config) "format" (dig "log" "format" "json" $config) "traces" (dig "traces" dict $config) | toJson | sha256sum -}}
{{- end -}}
{{- end -}}
