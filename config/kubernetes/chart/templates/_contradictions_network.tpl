{{/* Contradictions about ports, the Service, the PROXY protocol and the NetworkPolicy. */}}

{{/* Whether the pod's own port is among what the configuration listens on. */}}
{{- define "tlsfloor.wrong.ports" -}}
{{- $values := .Values }}
{{- $place := include "tlsfloor.place" . }}
{{- $config := include "tlsfloor.said" . | fromJson }}
{{- /* A text that does not say has the product's own. */}}
{{- $silent := ternary (dict "https" "0.0.0.0:8443" "http" "0.0.0.0:8080" "admin" "127.0.0.1:9901") (dict "https" "" "http" "" "admin" "") (eq $place "configText: ") }}
{{- if regexMatch "^(127[.]|localhost$|::1$|\\[(0{0,4}:){1,7}0{0,3}1\\]$|\\[::ffff:127[.])" $values.ports.address }}
ports.address is {{ $values.ports.address }}: neither Service nor probes reach the pod's loopback. Say "0.0.0.0", or "[::]" where pods have IPv6 addresses alone
{{- end }}
{{- $ports := list }}
{{- range $name := list "https" "http" "admin" }}
{{- $port := int (index $values.ports $name) }}
{{- if and $port (has $port $ports) }}
ports.{{ $name }} is {{ $port }}, which is another one of ports already
{{- end }}
{{- $ports = append $ports $port }}
{{- if and $port (lt $port 1024) (not $values.security.capabilities) }}
{{- $start := 1024 }}
{{- range $values.security.sysctls }}
{{- if eq .name "net.ipv4.ip_unprivileged_port_start" }}{{ $start = int .value }}{{ end }}
{{- end }}
{{- if lt $port $start }}
ports.{{ $name }} is {{ $port }}, and a port below 1024 is not open to who is not root: let the Service have it and the pod {{ add $port 8000 }}, or set security.sysctls=[{ name: net.ipv4.ip_unprivileged_port_start, value: "0" }]
{{- end }}
{{- end }}
{{- $said := dig "listen" $name (index $silent $name) $config }}
{{- if and $port (or $said (hasKey (default dict $config.listen) $name)) }}
{{- $found := false }}
{{- range ternary $said (list $said) (kindIs "slice" $said) }}
{{- if and (hasSuffix (printf ":%d" $port) .) (not (regexMatch "^(127[.]|\\[::1\\])" .)) }}{{ $found = true }}{{ end }}
{{- end }}
{{- if not $found }}
{{ $place }}listen.{{ $name }} has no address beyond loopback with port {{ $port }} (ports.{{ $name }}): Service and probes would find nothing there
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.service" -}}
{{- $service := .Values.service }}
{{- $ports := $service.ports }}
{{- if .Values.ports.http }}
{{- if eq $ports.https.name $ports.http.name }}
service.ports.https.name and service.ports.http.name are both {{ $ports.https.name }}
{{- end }}
{{- if eq (int $ports.https.port) (int $ports.http.port) }}
service.ports.https.port and service.ports.http.port are both {{ $ports.https.port }}
{{- end }}
{{- end }}
{{- if eq $service.type "ClusterIP" }}
{{- range $name, $port := $ports }}
{{- if $port.nodePort }}
service.ports.{{ $name }}.nodePort is given for a Service of type ClusterIP, which has none
{{- end }}
{{- end }}
{{- end }}
{{- $six := hasPrefix "[" .Values.ports.address }}
{{- $dual := has $service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack") }}
{{- if not (or $dual (hasKey (dig "listen" dict (include "tlsfloor.said" . | fromJson)) "https") .Values.existingConfigMap) }}
{{- if eq (toJson $service.ipFamilies) (ternary "[\"IPv4\"]" "[\"IPv6\"]" $six) }}
service.ipFamilies is {{ first $service.ipFamilies }} alone and ports.address is {{ .Values.ports.address }}, of the other family: say {{ ternary "0.0.0.0" "[::]" $six | quote }}, or service.ipFamilyPolicy=PreferDualStack
{{- end }}
{{- end }}
{{- $taken := list }}
{{- range $place, $port := dict "service.ports.https.nodePort" $ports.https.nodePort "service.ports.http.nodePort" $ports.http.nodePort "service.healthCheckNodePort" $service.healthCheckNodePort }}
{{- if and (int $port) (has (int $port) $taken) }}
{{ $place }} is {{ $port }}, which is another one of the Service already
{{- end }}
{{- $taken = append $taken (int $port) }}
{{- end }}
{{- if and (ne $service.type "ClusterIP") (eq $service.clusterIP "None") }}
service.clusterIP is None for a Service of type {{ $service.type }}, which needs an address: leave it "", or set service.type=ClusterIP
{{- end }}
{{- if ne $service.type "LoadBalancer" }}
{{- range list "loadBalancerClass" "loadBalancerSourceRanges" "healthCheckNodePort" }}
{{- if index $service . }}
service.{{ . }} is given for a Service of type {{ $service.type }}: set service.type=LoadBalancer
{{- end }}
{{- end }}
{{- else if and $service.healthCheckNodePort (ne $service.externalTrafficPolicy "Local") }}
service.healthCheckNodePort is given, which only service.externalTrafficPolicy=Local has
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.proxyProtocol" -}}
{{- $switch := .Values.proxyProtocol }}
{{- if $switch.enabled }}
{{- $from := dig "listen" "proxy_protocol_from" list (include "tlsfloor.config" . | fromJson) }}
{{- if and (not .Values.existingConfigMap) (not $from) $switch.from }}
{{ include "tlsfloor.place" . }}listen.proxy_protocol_from is empty and proxyProtocol.enabled is true: the proxy would take the load balancer's headers for broken hellos. Say the same there as in proxyProtocol.from
{{- else if and (not .Values.existingConfigMap) (not $from) }}
proxyProtocol.enabled without proxyProtocol.from: say the networks that the load balancer's connections come from, e.g. ["10.0.0.0/16"]; a PROXY header is believed from nobody else
{{- end }}
{{- if and $switch.provider (ne .Values.service.type "LoadBalancer") }}
proxyProtocol.provider is {{ $switch.provider }}, but service.type is {{ .Values.service.type }}: only a load balancer reads that annotation
{{- end }}
{{- else }}
{{- range $provider, $annotations := include "tlsfloor.proxyProtocol.annotations" . | fromYaml }}
{{- range $name, $_ := $annotations }}
{{- if ne (dig $name "false" $.Values.service.annotations) "false" }}
service.annotations turns PROXY headers on at the load balancer, proxyProtocol.enabled is false: the proxy would take them for broken hellos. Set proxyProtocol: { enabled: true, provider: {{ $provider }}, from: [...] } and drop {{ $name }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "tlsfloor.wrong.policy" -}}
{{- $policy := .Values.networkPolicy }}
{{- $said := include "tlsfloor.said" . | fromJson }}
{{- $place := include "tlsfloor.place" . }}
{{- $rollout := default dict $said.rollout }}
{{- if $policy.enabled }}
{{- if not $policy.egress.upstreams }}
networkPolicy is on and networkPolicy.egress.upstreams is empty: no API server could be reached. Say their pods, e.g. [{ to: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: prod } } }], ports: [8080] }], or networkPolicy.enabled=false
{{- end }}
{{- if and $rollout.legacy (not $policy.egress.legacy) }}
{{ $place }}rollout.legacy is given and networkPolicy.egress.legacy is empty: today's terminator could not be reached. Say its pods or addresses, and the ports of those
{{- end }}
{{- if and $said $policy.egress.legacy (not $rollout.legacy) }}
networkPolicy.egress.legacy is given without {{ $place }}rollout.legacy: old hellos have nowhere to go and are refused. Say today's terminator as HOST:PORT
{{- end }}
{{- if and $said.traces (not $policy.egress.collector) }}
{{ $place }}traces is given and networkPolicy.egress.collector is empty: no span would arrive. Say the collector's pods, e.g. with ports: [4318]
{{- end }}
{{- if and (ne .Values.metrics.scrape "none") (not $policy.monitoring) }}
metrics.scrape is {{ .Values.metrics.scrape }} and networkPolicy.monitoring is empty: nobody could scrape. Say the namespace that Prometheus is in
{{- end }}
{{- end }}
{{- end -}}
