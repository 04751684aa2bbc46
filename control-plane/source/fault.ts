/** A fault in a configuration file: where it is, in which field, and what is accepted. One line of text each. */

export interface Fault {
  readonly file: string;
  /** From 1; 0: the file as a whole. */
  readonly line: number;
  readonly column: number;
  /** Field path, `spec.rules[0].timeouts.request`; '' : the document. */
  readonly path: string;
  readonly message: string;
}

/** `config/orders.yaml:14:9: spec.rules[0].timeouts.request: "2sec" is not a duration; write it as 2s or 2000ms` */
export function faultText({ file, line, column, path, message }: Fault): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return path === '' ? `${place}: ${message}` : `${place}: ${path}: ${message}`;
}
