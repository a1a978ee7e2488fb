{{/*
YAML values as TOML. Helm's own toToml turns whole numbers into floats and date-times into strings.
The configuration has no other numbers than whole ones, and these date-times; tests/chart/run holds
both against the product's JSON Schema.
*/}}

{{- define "tlsfloor.toml.moments" -}}
at cut deprecation expires from sunset until
{{- end -}}

{{- define "tlsfloor.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . -}}{{ . }}{{- else -}}{{ toRawJson . }}{{- end -}}
{{- end -}}

{{/* (dict "key" "cut" "value" ...): a string, number, boolean, array or inline table. */}}
{{- define "tlsfloor.toml.value" -}}
{{- $key := .key -}}
{{- if kindIs "map" .value -}}
{ {{- range $i, $name := keys .value | sortAlpha -}}
{{- if $i }},{{ end }} {{ include "tlsfloor.toml.key" $name }} = {{ include "tlsfloor.toml.value" (dict "key" $name "value" (index $.value $name)) }}
{{- end }} }
{{- else if kindIs "slice" .value -}}
[{{- range $i, $item := .value -}}
{{- if $i }}, {{ end }}{{ include "tlsfloor.toml.value" (dict "key" $key "value" $item) }}
{{- end -}}]
{{- else if kindIs "bool" .value -}}
{{ .value }}
{{- else if kindIs "string" .value -}}
{{- $moment := regexMatch "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$" .value -}}
{{- if and $moment (has $key (splitList " " (include "tlsfloor.toml.moments" .))) -}}{{ .value }}
{{- else -}}{{ toRawJson .value }}{{- end -}}
{{- else -}}
{{ printf "%d" (int64 .value) }}
{{- end -}}
{{- end -}}

{{/* A whole document: (dict "value" $config "path" ""). */}}
{{- define "tlsfloor.toml" -}}
{{- $path := .path -}}
{{- $tables := list -}}
{{- $arrays := list -}}
{{- range $name := keys .value | sortAlpha -}}
{{- $value := index $.value $name -}}
{{- if kindIs "map" $value -}}
{{- $tables = append $tables $name -}}
{{- else if and (kindIs "slice" $value) (not $path) -}}
{{- $arrays = append $arrays $name -}}
{{- else if not (kindIs "invalid" $value) }}
{{ include "tlsfloor.toml.key" $name }} = {{ include "tlsfloor.toml.value" (dict "key" $name "value" $value) }}
{{- end -}}
{{- end -}}
{{- range $name := $tables }}
{{- $inner := ternary (printf "%s.%s" $path (include "tlsfloor.toml.key" $name)) (include "tlsfloor.toml.key" $name) (ne $path "") }}

[{{ $inner }}]
{{- include "tlsfloor.toml" (dict "value" (index $.value $name) "path" $inner) }}
{{- end -}}
{{- range $name := $arrays }}
{{- range $item := index $.value $name }}

[[{{ include "tlsfloor.toml.key" $name }}]]
{{- range $key := keys $item | sortAlpha }}
{{ include "tlsfloor.toml.key" $key }} = {{ include "tlsfloor.toml.value" (dict "key" $key "value" (index $item $key)) }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}
