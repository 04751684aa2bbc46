/** What the panels of dashboards ask for. */

interface DashboardFile {
  readonly panels: ReadonlyArray<{
    readonly title: string;
    readonly targets: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>;
  }>;
}

/** `[panel, expression, legend]`, with what Grafana puts in the place of its variables. `files`: text by name. */
export function dashboardExpressions(files: ReadonlyMap<string, string>): Array<[string, string, string]> {
  return [...files].flatMap(([file, text]) =>
    (JSON.parse(text) as DashboardFile).panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, legendFormat }): [string, string, string] => [
        `${file}: ${title}`,
        expr.replaceAll('$__rate_interval', '1m').replaceAll('$service', 'shop/orders').replaceAll('$instance', '.+'),
        legendFormat,
      ]),
    ),
  );
}
