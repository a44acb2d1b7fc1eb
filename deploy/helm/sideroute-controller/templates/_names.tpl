{{- define "sideroute.selector" -}}
app.kubernetes.io/name: sideroute
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- define "sideroute.labels" -}}
app.kubernetes.io/name: sideroute
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}
{{- define "sideroute.controllerLabels" -}}
{{ include "sideroute.labels" . }}
app.kubernetes.io/component: controller
{{- end }}
{{- /* Reference of an image; a tag in a values file may look like a number. */}}
{{- define "sideroute.image" -}}
{{- $image := .root.Values.image -}}
{{- $tag := include "sideroute.text" $image.tag -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ .repository }}:{{ $tag | default .root.Chart.AppVersion }}
{{- end }}
{{- /* v1 or v1beta1 of the policies, webhook, or none */}}
{{- define "sideroute.injection" -}}
{{- $versions := .Capabilities.APIVersions -}}
{{- $kind := .Values.injection.kind -}}
{{- if or (eq $kind "none") (eq $kind "webhook") -}}
{{ $kind }}
{{- else if $versions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
v1
{{- else if $versions.Has "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy" -}}
v1beta1
{{- else if eq $kind "policy" -}}
v1
{{- else -}}
webhook
{{- end -}}
{{- end }}
{{- /* What pods have that say nothing themselves, by the names of their annotations. */}}
{{- define "sideroute.defaults" -}}
image: {{ include "sideroute.image" (dict "root" . "repository" .Values.image.repository) | quote }}
init-image: {{ include "sideroute.image" (dict "root" . "repository" .Values.image.initRepository) | quote }}
{{- with .Values.image.pullPolicy }}
image-pull-policy: {{ . }}
{{- end }}
{{- with .Values.injection.serviceCidrs }}
service-cidrs: {{ join "," . | quote }}
{{- end }}
{{- range $name, $value := .Values.injection.defaults }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- /* Numbers of a values file as they are written, however large. */}}
{{- define "sideroute.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end }}
