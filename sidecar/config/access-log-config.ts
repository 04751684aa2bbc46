/** Where and how requests are logged: Envoy's file and stream access loggers with a JSON or text format. */

export interface AccessLogConfig {
  readonly sink:
    | { readonly kind: 'file'; readonly path: string }
    | { readonly kind: 'stdout' }
    | { readonly kind: 'stderr' };
  /** Envoy command operators (`%REQ(:METHOD)%`). `default` is our JSON line with every field that explain needs. */
  readonly format:
    | { readonly kind: 'default' }
    | { readonly kind: 'json'; readonly fields: ReadonlyArray<readonly [string, string]> }
    | { readonly kind: 'text'; readonly text: string };
  /** `all`, or only answers that failed (status ≥ 500, or any response flag): the default of the control plane. */
  readonly filter: 'all' | 'errors';
}
