{{/* Durations, CPU and sizes as whole numbers. What has another shape never gets past the schema. */}}

{{/* "1500ms" "20s" "5m" as milliseconds. */}}
{{- define "tlsfloor.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- $unit := regexFind "[a-z]+$" (toString .) -}}
{{- mul (trimSuffix $unit (toString .)) (default 0 (index $units $unit)) -}}
{{- end -}}

{{/* And as seconds, rounded up. */}}
{{- define "tlsfloor.seconds" -}}
{{- divf (include "tlsfloor.milliseconds" .) 1000 | ceil | int64 -}}
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

{{/* "512Mi", "0.5Gi", "1e9" (Kubernetes) or "512MiB" (tlsfloor) as bytes. */}}
{{- define "tlsfloor.bytes" -}}
{{- $size := toString . | trimSuffix "B" -}}
{{- $units := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- $unit := regexFind "[A-Za-z]*$" $size -}}
{{- mulf (float64 (trimSuffix $unit $size)) (float64 (index $units $unit)) | int64 -}}
{{- end -}}
