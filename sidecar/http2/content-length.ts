/** The one reading of Content-Length: digits only, and small enough to count exactly. */

/** The number, or -1 when the value is anything else. */
export function contentLengthValue(value: string): number {
  const { length } = value;
  if (length === 0 || length > 15) return -1;
  let number = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
