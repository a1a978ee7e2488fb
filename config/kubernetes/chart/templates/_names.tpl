{{/* What objects are called, and the labels on them. */}}

{{- define "tlsfloor.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "tlsfloor.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- else if regexMatch "^[0-9]" .Release.Name -}}
{{- /* A Service's name begins with a letter. */ -}}
{{- printf "%s-%s" .Chart.Name .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else if contains (include "tlsfloor.name" .) .Release.Name -}}
{{- .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tlsfloor.name" .) | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The release in Prometheus. The alerts look for tlsfloor in it, whatever objects are called. */}}
{{- define "tlsfloor.job" -}}
{{- $name := include "tlsfloor.fullname" . -}}
{{- ternary $name (printf "tlsfloor-%s" $name) (contains "tlsfloor" $name) -}}
{{- end -}}

{{/* What never changes in an object's life: selectors are made of these. */}}
{{- define "tlsfloor.selector" -}}
app.kubernetes.io/name: {{ include "tlsfloor.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: proxy
{{- end -}}

{{/* Of the pod of `helm test`, which is none of the proxies. */}}
{{- define "tlsfloor.testSelector" -}}
app.kubernetes.io/name: {{ include "tlsfloor.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: test
{{- end -}}

{{/*
Labels of objects, the chart's, then commonLabels, then those of one object. Not of pods: a
new version of the chart alone must not restart any. (dict "root" $ "labels" {}).
*/}}
{{- define "tlsfloor.labels" -}}
{{- $labels := include "tlsfloor.selector" .root | fromYaml -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $_ := set $labels "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- include "tlsfloor.laidOver" (list $labels .root.Values.commonLabels .labels) -}}
{{- end -}}

{{/* Tables over each other, as YAML: the last one's word counts, also where it is "". */}}
{{- define "tlsfloor.laidOver" -}}
{{- $both := dict -}}
{{- range $table := . -}}
{{- range $key, $value := $table -}}{{- $_ := set $both $key $value -}}{{- end -}}
{{- end -}}
{{- toYaml $both -}}
{{- end -}}

{{/* The head of an object: (dict "root" $ "suffix" "-admin" "labels" {} "annotations" {}). */}}
{{- define "tlsfloor.metadata" -}}
{{- $annotations := include "tlsfloor.laidOver" (list .root.Values.commonAnnotations .annotations) | fromYaml -}}
metadata:
  name: {{ printf "%s%s" (include "tlsfloor.fullname" .root) (default "" .suffix) | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "tlsfloor.labels" . | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "tlsfloor.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "tlsfloor.configMapName" -}}
{{- default (include "tlsfloor.fullname" .) .Values.existingConfigMap -}}
{{- end -}}

{{/* A text as the lines of a block scalar in `data`, without blanks on lines that are empty. */}}
{{- define "tlsfloor.block" -}}
{{- regexReplaceAll "(?m)^ +$" (trim . | nindent 4) "" -}}
{{- end -}}
