/**
 * How a service carries a trace on: what ties the calls that it makes to the request that it makes them for is handed on as it came. Its sidecar makes the spans, but cannot know which call belongs to which request.
 * docs/observability.md shows this code.
 */
const fields = ['x-request-id', 'traceparent', 'tracestate'] as const;

/** `of` reads a field of the request that is served; `set` writes one of a call that is made for it. */
export function handOn(of: (name: string) => unknown, set: (name: string, value: string) => void): void {
  for (const name of fields) {
    const value = of(name);
    if (typeof value === 'string') set(name, value);
  }
}
