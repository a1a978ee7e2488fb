{{/* Durations, CPU and sizes as whole numbers. What has another shape never gets past the schema. */}}

{{/* "1500ms" "20s" "5m" as seconds, rounded up. */}}
{{- define "tlsfloor.seconds" -}}
{{- $units := dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 "d" 86400 -}}
{{- $unit := regexFind "[a-z]+$" (toString .) -}}
{{- mulf (float64 (trimSuffix $unit .)) (float64 (index $units $unit)) | ceil | int64 -}}
{{- end -}}

{{/* A CPU request as whole CPUs, rounded up. */}}
{{- define "tlsfloor.cpus" -}}
{{- $cpu := toString . -}}
{{- if hasSuffix "m" $cpu -}}
{{- divf (float64 (trimSuffix "m" $cpu)) 1000.0 | ceil | int64 -}}
{{- else -}}
{{- float64 $cpu | ceil | int64 -}}
{{- end -}}
{{- end -}}

{{/* "512Mi" (Kubernetes) or "512MiB" (tlsfloor) as bytes. */}}
{{- define "tlsfloor.bytes" -}}
{{- $size := toString . | trimSuffix "B" -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[A-Za-z]*$" $size -}}
{{- mulf (float64 (trimSuffix $unit $size)) (float64 (index $units $unit)) | int64 -}}
{{- end -}}
