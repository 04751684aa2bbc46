/** Escaping of what peers sent, so that a log line stays one line and no terminal is told anything (hardening.md, "text injected into logs"). */

/** A JSON string. Beside what JSON demands, DEL, C1 controls and the two line separators are escaped. */
export function quoteJson(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return jsonText(text);
  }
  return `"${text}"`;
}

/** Any value as JSON, escaped in the same way. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, escaped);
}

/** Text on one line. A backslash is left as it is: text formats are for people. */
export function withoutControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, escaped);
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
