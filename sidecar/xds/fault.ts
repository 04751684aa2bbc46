/** Faults of a configuration: each names its place by field path and says what was found. All of them are gathered, never only the first. */

export interface Fault {
  /** `static_resources.listeners[0].filter_chains[0]`; '' for the whole. */
  readonly path: string;
  readonly message: string;
}

export class Faults {
  readonly list: Fault[] = [];

  add(path: string, message: string): void {
    this.list.push({ path, message });
  }

  get any(): boolean {
    return this.list.length > 0;
  }
}

export function faultText({ path, message }: Fault): string {
  return path === '' ? message : `${path}: ${message}`;
}

/** Joins a field to the path of its message. */
export function at(path: string, field: string | number): string {
  if (typeof field === 'number') return `${path}[${field}]`;
  return path === '' ? field : `${path}.${field}`;
}
