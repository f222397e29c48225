{{- define "ctrain.name" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "ctrain.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ctrain.labels" -}}
{{ include "ctrain.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
{{- end -}}

{{- define "ctrain.policies" -}}
{{- .Values.policiesConfigMap | default (printf "%s-policies" (include "ctrain.name" .)) -}}
{{- end -}}

{{- /* What cannot work is refused before anything is installed. */ -}}
{{- define "ctrain.check" -}}
{{- if not (or .Values.policies .Values.policiesConfigMap) -}}
{{- fail "policies: name at least one file, or policiesConfigMap" -}}
{{- end -}}
{{- if and .Values.policies .Values.policiesConfigMap -}}
{{- fail "policies and policiesConfigMap: name one of them" -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (not (and .Values.database.secret .Values.mlflow.trackingUri)) -}}
{{- fail "replicas: more than one daemon needs database.secret and mlflow.trackingUri (SQLite and an embedded MLflow are for one)" -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.persistence.existingClaim) (not (has "ReadWriteMany" .Values.persistence.accessModes)) -}}
{{- fail "persistence.accessModes: more than one daemon needs ReadWriteMany: they share a home" -}}
{{- end -}}
{{- end -}}
