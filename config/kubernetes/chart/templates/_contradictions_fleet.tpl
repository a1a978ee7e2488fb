{{/* Contradictions about how many replicas there are, and what thins them out. */}}

{{- define "tlsfloor.wrong.fleet" -}}
{{- $scaling := .Values.autoscaling }}
{{- if eq .Values.kind "DaemonSet" }}
{{- if $scaling.enabled }}
autoscaling is enabled for a DaemonSet, which has one pod on each node: set autoscaling.enabled=false or kind=Deployment
{{- end }}
{{- if not (or .Values.existingConfigMap (dig "fleet" "replicas" 0 (include "tlsfloor.said" . | fromJson))) }}
{{ include "tlsfloor.place" . }}fleet.replicas is not said, and a DaemonSet has as many as nodes: say about how many, each has its share of a fuse
{{- end }}
{{- end }}
{{- if $scaling.enabled }}
{{- if gt (int $scaling.min) (int $scaling.max) }}
autoscaling.min is {{ $scaling.min }}, above autoscaling.max, {{ $scaling.max }}
{{- end }}
{{- if not (or $scaling.cpu $scaling.pods) }}
autoscaling is enabled by no metric: set autoscaling.cpu or autoscaling.pods
{{- end }}
{{- if and $scaling.cpu (not (dig "requests" "cpu" "" .Values.resources)) }}
autoscaling.cpu is a percentage of resources.requests.cpu, which is not there
{{- end }}
{{- end }}
{{- end -}}

{{/* A number or percentage of the replicas, rounded up, as the disruption controller does. */}}
{{- define "tlsfloor.share" -}}
{{- $value := toString .value -}}
{{- if hasSuffix "%" $value -}}
{{- divf (mulf (float64 (trimSuffix "%" $value)) (float64 .replicas)) 100.0 | ceil | int64 -}}
{{- else -}}
{{- int64 .value -}}
{{- end -}}
{{- end -}}

{{/* A value as text: nothing for "" and null, but "0" for 0. */}}
{{- define "tlsfloor.word" -}}
{{- if not (kindIs "invalid" .) }}{{ . }}{{ end -}}
{{- end -}}

{{- define "tlsfloor.wrong.budget" -}}
{{- $budget := .Values.podDisruptionBudget }}
{{- $replicas := include "tlsfloor.replicas.least" . | int }}
{{- $most := include "tlsfloor.word" $budget.maxUnavailable }}
{{- $least := include "tlsfloor.word" $budget.minAvailable }}
{{- if and $budget.enabled (eq .Values.kind "Deployment") }}
{{- if and (ne $most "") (ne $least "") }}
podDisruptionBudget has maxUnavailable and minAvailable: say one, and "" for the other
{{- else if and (eq $most "") (eq $least "") }}
podDisruptionBudget has neither maxUnavailable nor minAvailable: say maxUnavailable=1
{{- else if le $replicas 1 }}
podDisruptionBudget is enabled for one replica: it would protect nothing or block every drain of its node. Set {{ ternary "autoscaling.min" "replicas" .Values.autoscaling.enabled }}=2, or podDisruptionBudget.enabled=false
{{- else if and (ne $most "") (has $most (list "0" "0%")) }}
podDisruptionBudget.maxUnavailable is {{ $most }}: no node with a replica could ever be drained; say 1
{{- else if and (ne $least "") (ge (include "tlsfloor.share" (dict "value" $budget.minAvailable "replicas" $replicas) | int) $replicas) }}
podDisruptionBudget.minAvailable is {{ $least }} of {{ $replicas }} replicas: no node with a replica could ever be drained; say maxUnavailable=1 and minAvailable=""
{{- end }}
{{- end }}
{{- end -}}

{{/* Stages of a rollout that have nowhere to send those they spare. */}}
{{- define "tlsfloor.wrong.rollout" -}}
{{- $said := include "tlsfloor.said" . | fromJson }}
{{- $place := include "tlsfloor.place" . }}
{{- $rollout := default dict $said.rollout }}
{{- $many := or (eq .Values.kind "DaemonSet") (gt (include "tlsfloor.replicas.most" . | int) 1) }}
{{- if not $rollout.legacy }}
{{- range list "cut" "ramp" "brownouts" "exemptions" "exemptions_file" "fuse" }}
{{- if index $rollout . }}
{{ $place }}rollout.{{ . }} is given without {{ $place }}rollout.legacy: whom it spares would be refused at once all the same. Say today's terminator as HOST:PORT
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $stages := dict "rollout" $rollout "plain_http.rollout" (dig "plain_http" "rollout" dict $said) }}
{{- $shares := gt (len (default list $stages.ramp)) 0 }}
{{- range $stages.brownouts }}
{{- if lt (int (default 100 .percent)) 100 }}{{ $shares = true }}{{ end }}
{{- end }}
{{- if and $many $shares (not (or $stages.salt $stages.salt_file)) }}
{{ $place }}{{ $name }} refuses a share of the clients and has no salt: each replica would choose others. Say {{ $place }}{{ $name }}.salt, any text
{{- end }}
{{- end }}
{{- end -}}
