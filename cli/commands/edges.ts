/** `outrigger edges`: who calls whom, how often, how fast, and under mTLS or not, once. */
import { parseHostPort } from '../host-port.ts';
import { edgeColumns, type LiveFigures, nothingText, silentText } from '../live/edge-table.ts';
import { liveJson, livePath } from '../live/live-json.ts';
import { type OutputFormat, printData } from '../print-data.ts';

export interface EdgesOptions {
  readonly controlPlaneAdmin: string;
  readonly from?: string;
  readonly to?: string;
  readonly window: string;
  readonly output: OutputFormat;
}

export async function edges(options: EdgesOptions): Promise<void> {
  const { window, from: source, to: destination, output } = options;
  const address = parseHostPort('--control-plane-admin', options.controlPlaneAdmin);
  const { body } = await liveJson(address, livePath('/api/v1/edges', { window, source, destination }));
  const figures = body as LiveFigures;
  const rows = figures.edges ?? [];
  if (rows.length > 0 || output !== 'table') printData(rows, edgeColumns, output);
  for (const line of [rows.length === 0 ? nothingText(figures) : '', silentText(figures)])
    if (line !== '') process.stderr.write(`outrigger: ${line}\n`);
}
