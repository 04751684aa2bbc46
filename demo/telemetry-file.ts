/** What the demo configures for people who bring a collector or a Prometheus of their own. Starts neither. */

/** A Telemetry document that sends every request's trace to an OpenTelemetry collector, by OTLP over gRPC. `address`: HOST:PORT. */
export function telemetryFile(address: string): string {
  return `# Written by the demo, for --otlp.
apiVersion: outrigger.dev/v1
kind: Telemetry
metadata: { name: demo, namespace: outrigger }
spec:
  tracing:
    sampling: 100
    exporters: [{ otlp: { address: ${JSON.stringify(address)} } }]
`;
}

export interface ScrapedSidecar {
  /** As the start-up lines name it. */
  readonly name: string;
  /** HOST:PORT. */
  readonly admin: string;
}

/** A configuration of Prometheus that scrapes the control plane and every sidecar, with our rules and alerts. `rulesFolder`: absolute. */
export function prometheusFile(
  controlPlaneAdmin: string,
  sidecars: readonly ScrapedSidecar[],
  rulesFolder: string,
): string {
  const sidecarConfigs = sidecars.map(
    ({ name, admin }) => `      - { targets: [${JSON.stringify(admin)}], labels: { proxy: ${JSON.stringify(name)} } }`,
  );
  return `# Written by the demo: prometheus --config.file=THIS
global: { scrape_interval: 5s, evaluation_interval: 5s }
rule_files: [${JSON.stringify(`${rulesFolder}/rules.yaml`)}, ${JSON.stringify(`${rulesFolder}/alerts.yaml`)}]
scrape_configs:
  - job_name: outrigger-control-plane
    static_configs: [{ targets: [${JSON.stringify(controlPlaneAdmin)}] }]
  - job_name: outrigger-sidecars
    metrics_path: /stats/prometheus
    static_configs:
${sidecarConfigs.join('\n')}
`;
}
