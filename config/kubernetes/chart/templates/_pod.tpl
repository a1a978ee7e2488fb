{{/* The pod, of a Deployment as of a DaemonSet. */}}

{{/* Every Secret in one volume, so that a change of several is seen at once. */}}
{{- define "tlsfloor.volumes" -}}
- name: config
  configMap:
    name: {{ include "tlsfloor.configMapName" . | quote }}
    defaultMode: 292 # 0444
- name: secrets
  projected:
    defaultMode: 288 # 0440: of root, and by fsGroup of the proxy's group
    sources:
      - secret:
          name: {{ .Values.admin.tokenSecretName | quote }}
          items:
            - { key: {{ toJson .Values.admin.key }}, path: admin/token }
      {{- with .Values.tickets }}
      {{- if .secretName }}
      - secret:
          name: {{ .secretName | quote }}
          items:
            - { key: {{ toJson .key }}, path: tickets/tickets.key }
      {{- end }}
      {{- end }}
      {{- range .Values.certificates }}
      - secret:
          name: {{ .secretName | quote }}
          items:
            - { key: {{ toJson (default "tls.crt" .chain) }}, path: {{ printf "%s/tls.crt" .name | quote }} }
            - { key: {{ toJson (default "tls.key" .key) }}, path: {{ printf "%s/tls.key" .name | quote }} }
      {{- end }}
      {{- $root := . }}
      {{- range .Values.secrets }}
      {{- $secret := . }}
      - secret:
          name: {{ .secretName | quote }}
          items:
            {{- range .keys }}
            - { key: {{ toJson . }}, path: {{ printf "%s/%s" $secret.name . | toJson }} }
            {{- end }}
      {{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tlsfloor.mounts" -}}
- name: config
  mountPath: /etc/tlsfloor
  readOnly: true
- name: secrets
  mountPath: /secrets
  readOnly: true
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What Pod Security "restricted" asks of a container, and a root that nobody writes to. */}}
{{- define "tlsfloor.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
  {{- with .Values.security.capabilities }}
  add: {{ toJson . }}
  {{- end }}
{{- end -}}

{{- define "tlsfloor.podSecurity" -}}
runAsNonRoot: true
{{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- with index $.Values.security $key }}
{{ $key }}: {{ int64 . }}
{{- end }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- with .Values.security.sysctls }}
sysctls:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.security.seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* One container of our image: (dict "root" $ "name" "check" "args" (list "check")). */}}
{{- define "tlsfloor.container" -}}
- name: {{ .name }}
  image: {{ include "tlsfloor.image" .root | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: {{ toJson .args }}
  {{- with .root.Values.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "tlsfloor.containerSecurity" .root | nindent 4 }}
  {{- with .root.Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    {{- include "tlsfloor.mounts" .root | nindent 4 }}
{{- end -}}

{{/* Over zones, then nodes. With the template's hash, a rollout spreads the new ones by themselves. */}}
{{- define "tlsfloor.spread" -}}
{{- $root := . -}}
{{- range $topology := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $topology }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "tlsfloor.selector" $root | nindent 6 }}
  {{- if semverCompare ">=1.27-0" $root.Capabilities.KubeVersion.Version }}
  matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of pods. */}}
{{- define "tlsfloor.podMetadata" -}}
{{- $annotations := merge (dict) .Values.podAnnotations -}}
{{- with include "tlsfloor.restarts" . -}}
{{- $_ := set $annotations "checksum/restart" . -}}
{{- end -}}
{{- if eq .Values.metrics.scrape "annotations" -}}
{{- $_ := set $annotations "prometheus.io/scrape" "true" -}}
{{- $_ := set $annotations "prometheus.io/port" (toString (int64 .Values.ports.admin)) -}}
{{- $_ := set $annotations "prometheus.io/path" "/metrics" -}}
{{- end -}}
metadata:
  labels:
    {{- include "tlsfloor.laidOver" (list (include "tlsfloor.selector" . | fromYaml) .Values.commonLabels .Values.podLabels) | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "tlsfloor.probe" -}}
httpGet:
  path: {{ .path }}
  port: admin
{{ toYaml .probe }}
{{- end -}}

{{- define "tlsfloor.podSpec" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . | quote }}
{{- end }}
{{- if not .Values.security.hostUsers }}
hostUsers: false
{{- end }}
terminationGracePeriodSeconds: {{ default (include "tlsfloor.grace" .) (int64 .Values.terminationGracePeriodSeconds) }}
securityContext:
  {{- include "tlsfloor.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .Values.checkInit .Values.extraInitContainers }}
initContainers:
  {{- /* Whoever fetches what the configuration names has to have been here before it is checked. */}}
  {{- with .Values.extraInitContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if .Values.checkInit }}
  {{- include "tlsfloor.container" (dict "root" $ "name" "check" "args" (list "check")) | nindent 2 }}
  {{- end }}
{{- end }}
containers:
  {{- include "tlsfloor.container" (dict "root" $ "name" "tlsfloor" "args" (concat (list "run") .Values.extraArgs)) | nindent 2 }}
    ports:
      - { name: https, containerPort: {{ int64 .Values.ports.https }}, protocol: TCP }
      {{- if .Values.ports.http }}
      - { name: http, containerPort: {{ int64 .Values.ports.http }}, protocol: TCP }
      {{- end }}
      - { name: admin, containerPort: {{ int64 .Values.ports.admin }}, protocol: TCP }
    startupProbe:
      {{- include "tlsfloor.probe" (dict "path" "/livez" "probe" .Values.probes.startup) | nindent 6 }}
    livenessProbe:
      {{- include "tlsfloor.probe" (dict "path" "/livez" "probe" .Values.probes.liveness) | nindent 6 }}
    readinessProbe:
      {{- include "tlsfloor.probe" (dict "path" "/readyz" "probe" .Values.probes.readiness) | nindent 6 }}
    {{- with int64 .Values.preStopSleepSeconds }}
    lifecycle:
      preStop:
        sleep:
          seconds: {{ . }}
    {{- end }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  {{- include "tlsfloor.volumes" . | nindent 2 }}
{{- if .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
{{- else if and .Values.topologySpread (eq .Values.kind "Deployment") }}
topologySpreadConstraints:
  {{- include "tlsfloor.spread" . | trim | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "dnsConfig" }}
{{- with index $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
dnsPolicy: {{ .Values.dnsPolicy }}
{{- range $key := list "priorityClassName" "runtimeClassName" "schedulerName" }}
{{- with index $.Values $key }}
{{ $key }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}
