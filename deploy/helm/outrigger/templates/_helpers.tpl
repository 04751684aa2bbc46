{{/* Names are fixed: there is one mesh in a cluster, and the Lease, the ConfigMap outrigger-root and the webhook's configuration have one name each. */}}
{{- define "outrigger.name" -}}outrigger-control-plane{{- end }}
{{- define "outrigger.webhookName" -}}outrigger-webhook{{- end }}

{{- define "outrigger.selector" -}}
app.kubernetes.io/name: outrigger-control-plane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "outrigger.labels" -}}
{{ include "outrigger.selector" . }}
app.kubernetes.io/part-of: outrigger
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "outrigger.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end }}

{{- define "outrigger.listen" -}}{{ if eq .Values.ipFamily "IPv6" }}[::]{{ else }}0.0.0.0{{ end }}{{- end }}

{{- define "outrigger.pdb" -}}
{{- if kindIs "invalid" .Values.podDisruptionBudget.enabled -}}{{ gt (int .Values.replicas) 1 }}{{- else -}}{{ .Values.podDisruptionBudget.enabled }}{{- end -}}
{{- end }}

{{/* What cannot work is refused, with the reason and the next step. */}}
{{- define "outrigger.check" -}}
{{- $v := .Values -}}
{{- if and (gt (int $v.replicas) 1) (eq $v.ca.secretName "") -}}
{{- fail (printf "outrigger: replicas: %d needs ca.secretName: each replica would make a root of its own, and sidecars of one would not believe those of another. Put a root or an intermediate into a Secret (README.md, \"More than one replica\"), or set replicas: 1" (int $v.replicas)) -}}
{{- end -}}
{{- if and (gt (int $v.replicas) 1) $v.persistence.enabled -}}
{{- fail (printf "outrigger: replicas: %d needs persistence.enabled: false: a data directory is for one control plane, and with ca.secretName there is nothing in it that has to last" (int $v.replicas)) -}}
{{- end -}}
{{- if gt (int $v.replicas) 1 -}}
{{- if eq (toString $v.sidecar.register) "true" -}}
{{- fail "outrigger: sidecar.register: true works with replicas: 1 only: an instance that registers is known to one replica; leave it off, as they read Pods from Kubernetes" -}}
{{- end -}}
{{- if eq (toString $v.sidecar.identity) "join-token" -}}
{{- fail "outrigger: sidecar.identity: join-token works with replicas: 1 only: each replica knows its own join tokens; Kubernetes' tokens (sidecar.identity: kubernetes) are good at all of them" -}}
{{- end -}}
{{- end -}}
{{- if and (not $v.persistence.enabled) (eq $v.ca.secretName "") -}}
{{- fail "outrigger: persistence.enabled: false needs ca.secretName: with every restart there would be another root, which no sidecar that runs believes" -}}
{{- end -}}
{{- if and $v.injector.enabled (eq $v.injector.certificate.secretName "") (not $v.publishRoot) -}}
{{- fail "outrigger: injector.enabled needs publishRoot: true, or a certificate of your own in injector.certificate: without a caBundle the API server does not believe the webhook" -}}
{{- end -}}
{{- if and (ne $v.injector.certificate.caBundle "") (eq $v.injector.certificate.secretName "") -}}
{{- fail "outrigger: injector.certificate.caBundle goes with injector.certificate.secretName: of a certificate of the mesh the control plane writes it itself" -}}
{{- end -}}
{{- with $v.injector -}}
{{- if and .enabled (ne .certificate.secretName "") (eq .certificate.caBundle "") (not .annotations) -}}
{{- fail "outrigger: injector.certificate.secretName needs injector.certificate.caBundle (PEM), or an annotation by which something else writes it, as cert-manager.io/inject-ca-from in injector.annotations" -}}
{{- end -}}
{{- end -}}
{{- if eq .Release.Namespace "kube-system" -}}
{{- fail "outrigger: install it into a namespace of its own, as --namespace outrigger-system --create-namespace" -}}
{{- end -}}
{{- end }}
