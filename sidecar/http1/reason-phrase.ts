/** Registered reason phrases, for responses that came without one (HTTP/2) or that this proxy makes. */
import { STATUS_CODES } from 'node:http';

export function reasonPhrase(status: number): string {
  return STATUS_CODES[status] ?? 'Unknown';
}
