{{/*
For the charts of workloads. Each takes the context of this chart, which a parent chart has as .Subcharts.sideroute:

    spec:
      initContainers:
        {{- include "sideroute.initContainers" .Subcharts.sideroute | nindent 8 }}
      containers:
        {{- include "sideroute.containers" .Subcharts.sideroute | nindent 8 }}
        - name: app
      volumes:
        {{- include "sideroute.volumes" .Subcharts.sideroute | nindent 8 }}

The first two put the sidecar where the mode wants it. "sideroute.initContainer", "sideroute.sidecar" and
"sideroute.podAnnotations" are there for charts that place them by themselves.
*/}}

{{/*
A value as text. Values are read from JSON, in which 1000650000 is a number like any other and would be written 1.00065e+09.
*/}}
{{- define "sideroute.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end }}

{{/*
A rate as text: 0.00001 is written 1e-05 by itself, which the sidecar does not take.
*/}}
{{- define "sideroute.rate" -}}
{{- regexReplaceAll "(\\.[0-9]+?)0+$" (printf "%.9f" (float64 .)) "${1}" -}}
{{- end }}

{{- define "sideroute.resources" -}}
{{- range $name := list "requests" "limits" }}
{{- with get $ $name }}
{{ $name }}:
  {{- range $resource, $quantity := . }}
  {{ $resource }}: {{ include "sideroute.text" $quantity | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- with .claims }}
claims:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sideroute.mode" -}}
{{- if eq .Values.mode "auto" -}}
{{- ternary "native" "classic" (semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version) -}}
{{- else if has .Values.mode (list "native" "classic") -}}
{{- .Values.mode -}}
{{- else -}}
{{- fail (printf "sideroute: mode %q is none of auto, native, classic" .Values.mode) -}}
{{- end -}}
{{- end }}

{{- define "sideroute.image" -}}
{{- $image := .context.Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .repository }}:{{ default .context.Chart.AppVersion (include "sideroute.text" $image.tag) -}}
{{- end }}

{{- define "sideroute.initContainers" -}}
{{ include "sideroute.initContainer" . }}
{{- if eq (include "sideroute.mode" .) "native" }}
{{ include "sideroute.sidecar" . }}
{{- end }}
{{- end }}

{{- define "sideroute.containers" -}}
{{- if eq (include "sideroute.mode" .) "classic" -}}
{{ include "sideroute.sidecar" . }}
{{- end }}
{{- end }}

{{- define "sideroute.listEnv" -}}
{{- with .list }}
{{- $texts := list }}
{{- range . }}{{ $texts = append $texts (include "sideroute.text" .) }}{{ end }}
- name: {{ $.name }}
  value: {{ join "," $texts | quote }}
{{- end }}
{{- end }}

{{- define "sideroute.initContainer" -}}
{{- $legacy := eq .Values.interception.backend "legacy" -}}
- name: sideroute-init
  image: {{ include "sideroute.image" (dict "context" . "repository" .Values.image.initRepository) }}
  {{- with .Values.image.pullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  env:
    - name: POD_IP
      valueFrom:
        fieldRef:
          fieldPath: status.podIP
    - name: POD_IPS
      valueFrom:
        fieldRef:
          fieldPath: status.podIPs
    - name: HOST_IP
      valueFrom:
        fieldRef:
          fieldPath: status.hostIP
    {{- with .Values.interception }}
    {{- include "sideroute.listEnv" (dict "name" "SIDEROUTE_SERVICE_CIDRS" "list" .serviceCidrs) | indent 4 }}
    {{- include "sideroute.listEnv" (dict "name" "SIDEROUTE_EXCLUDE_OUTBOUND_CIDRS" "list" .excludeOutboundCidrs) | indent 4 }}
    {{- include "sideroute.listEnv" (dict "name" "SIDEROUTE_EXCLUDE_OUTBOUND_PORTS" "list" .excludeOutboundPorts) | indent 4 }}
    {{- include "sideroute.listEnv" (dict "name" "SIDEROUTE_METADATA_ADDRESSES" "list" .metadataAddresses) | indent 4 }}
    {{- if ne .backend "auto" }}
    - name: SIDEROUTE_IPTABLES_BACKEND
      value: {{ .backend }}
    {{- end }}
    {{- end }}
    {{- if ne (int64 .Values.proxy.uid) 1337 }}
    - name: SIDEROUTE_PROXY_UID
      value: {{ int64 .Values.proxy.uid | quote }}
    {{- end }}
    {{- if $legacy }}
    - name: XTABLES_LOCKFILE
      value: /tmp/sideroute/xtables.lock
    {{- end }}
  resources:
    {{- include "sideroute.resources" .Values.interception.resources | trim | nindent 4 }}
  securityContext:
    runAsUser: {{ ternary 0 65534 $legacy }}
    runAsGroup: {{ ternary 0 65534 $legacy }}
    runAsNonRoot: {{ not $legacy }}
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities:
      drop: [ALL]
      add: [{{ ternary "NET_ADMIN, NET_RAW" "NET_ADMIN" $legacy }}]
    seccompProfile:
      type: RuntimeDefault
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: sideroute-no-token
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
    {{- if $legacy }}
    - name: sideroute-lock
      mountPath: /tmp/sideroute
    {{- end }}
{{- end }}

{{- define "sideroute.sidecar" -}}
{{- $native := eq (include "sideroute.mode" .) "native" -}}
- name: sideroute
  image: {{ include "sideroute.image" (dict "context" . "repository" .Values.image.repository) }}
  {{- with .Values.image.pullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  args: [proxy]
  {{- if $native }}
  restartPolicy: Always
  {{- end }}
  env:
    - name: POD_NAMESPACE
      valueFrom:
        fieldRef:
          fieldPath: metadata.namespace
    {{- include "sideroute.listEnv" (dict "name" "SIDEROUTE_SERVICE_CIDRS" "list" .Values.interception.serviceCidrs) | indent 4 }}
    {{- if $native }}
    - name: SIDEROUTE_DRAIN_QUIET
      value: 0s
    {{- end }}
    - name: NODE_OPTIONS
      value: --max-old-space-size={{ int64 .Values.proxy.heapMiB }} --max-semi-space-size=2
    {{- with .Values.proxy }}
    {{- if ne .logLevel "info" }}
    - name: SIDEROUTE_LOG_LEVEL
      value: {{ .logLevel }}
    {{- end }}
    {{- /* To some readers of YAML an unquoted off is the boolean false. */}}
    {{- $accessLog := toString .accessLog | replace "false" "off" }}
    {{- if ne $accessLog "errors" }}
    - name: SIDEROUTE_ACCESS_LOG
      value: {{ $accessLog | quote }}
    {{- end }}
    {{- if .strict }}
    - name: SIDEROUTE_STRICT
      value: "true"
    {{- end }}
    {{- if ne .drainTimeout "25s" }}
    - name: SIDEROUTE_DRAIN_TIMEOUT
      value: {{ .drainTimeout }}
    {{- end }}
    {{- if ne (toString .workers) "1" }}
    - name: SIDEROUTE_WORKERS
      value: {{ .workers | quote }}
    {{- end }}
    {{- with .traces }}
    {{- if .endpoint }}
    - name: OTEL_EXPORTER_OTLP_ENDPOINT
      value: {{ .endpoint | quote }}
    - name: OTEL_TRACES_SAMPLER_ARG
      {{- /* Null removes the default of values.yaml. */}}
      value: {{ include "sideroute.rate" (ternary 0.01 .sample (kindIs "invalid" .sample)) | quote }}
    {{- with .headersSecret }}
    {{- if .name }}
    - name: OTEL_EXPORTER_OTLP_HEADERS
      valueFrom:
        secretKeyRef:
          name: {{ .name | quote }}
          key: {{ .key | default "headers" | quote }}
    {{- end }}
    {{- end }}
    {{- if (.caConfigMap).name }}
    - name: OTEL_EXPORTER_OTLP_CERTIFICATE
      value: /etc/sideroute/routes/collector-ca.crt
    {{- end }}
    {{- end }}
    {{- end }}
    {{- range $name, $value := .env }}
    - name: {{ $name }}
      value: {{ include "sideroute.text" $value | quote }}
    {{- end }}
    {{- end }}
  {{- if not $native }}
  lifecycle:
    postStart:
      exec:
        command: [sideroute, wait, --timeout, 60s]
  {{- end }}
  ports:
    - name: sideroute-prom
      containerPort: 15020
  startupProbe:
    httpGet:
      path: /startupz
      port: 15020
    periodSeconds: 1
    failureThreshold: 60
  readinessProbe:
    httpGet:
      path: /readyz
      port: 15020
    periodSeconds: 5
    failureThreshold: 3
  livenessProbe:
    httpGet:
      path: /livez
      port: 15020
    periodSeconds: 10
    failureThreshold: 6
  resources:
    {{- include "sideroute.resources" .Values.proxy.resources | trim | nindent 4 }}
  securityContext:
    runAsUser: {{ int64 .Values.proxy.uid }}
    runAsGroup: {{ int64 .Values.proxy.uid }}
    runAsNonRoot: true
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
  volumeMounts:
    - name: sideroute-routes
      mountPath: /etc/sideroute/routes
      readOnly: true
    - name: sideroute-no-token
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
{{- end }}

{{- define "sideroute.volumes" -}}
- name: sideroute-routes
  projected:
    sources:
      {{- $name := .Values.routes.configMap }}
      {{- range concat (list $name (printf "%s-2" $name) (printf "%s-3" $name)) .Values.routes.extraConfigMaps }}
      - configMap:
          name: {{ . }}
          optional: true
      {{- end }}
      # What the controller writes, where there is one.
      {{- range until 8 }}
      - configMap:
          name: sideroute-set-{{ . }}
          optional: true
      {{- end }}
      {{- with .Values.proxy.traces }}
      {{- if and .endpoint (.caConfigMap).name }}
      # No route by its name. Optional: if it is deleted, routes in this volume are still updated.
      - configMap:
          name: {{ .caConfigMap.name | quote }}
          items:
            - key: {{ .caConfigMap.key | default "ca.crt" | quote }}
              path: collector-ca.crt
          optional: true
      {{- end }}
      {{- end }}
- name: sideroute-no-token
  emptyDir: {}
{{- if eq .Values.interception.backend "legacy" }}
- name: sideroute-lock
  emptyDir: {}
{{- end }}
{{- end }}

{{- define "sideroute.podAnnotations" -}}
prometheus.io/scrape: "true"
prometheus.io/port: "15020"
prometheus.io/path: /metrics
{{- end }}
