{{/* The annotation by which a load balancer is told to send PROXY headers, by provider. */}}
{{- define "tlsfloor.proxyProtocol.annotations" -}}
aws: { service.beta.kubernetes.io/aws-load-balancer-proxy-protocol: "*" }
digitalocean: { service.beta.kubernetes.io/do-loadbalancer-enable-proxy-protocol: "true" }
hetzner: { load-balancer.hetzner.cloud/uses-proxyprotocol: "true" }
openstack: { loadbalancer.openstack.org/proxy-protocol: "true" }
scaleway: { service.beta.kubernetes.io/scw-loadbalancer-proxy-protocol-v2: "true" }
{{- end -}}

{{/* As JSON: those that the Service gets. */}}
{{- define "tlsfloor.proxyProtocol" -}}
{{- $known := include "tlsfloor.proxyProtocol.annotations" . | fromYaml -}}
{{- if and .Values.proxyProtocol.enabled .Values.proxyProtocol.provider -}}
{{- index $known .Values.proxyProtocol.provider | toJson -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}
