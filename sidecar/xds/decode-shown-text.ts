/** Names from a configuration that go into answers, headers of gRPC, log lines and metrics. */
import type { Faults } from './fault.ts';

export function shownText(text: string, path: string, faults: Faults): string {
  if (text.length > 512) faults.add(path, 'is longer than 512 characters');
  if (!/^[\x20-\x7e]*$/.test(text)) faults.add(path, 'has a character beyond printable ASCII');
  return text;
}
