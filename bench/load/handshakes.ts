/** Connections with mutual TLS 1.3, one request on each, by a small client of our own: the usual tools keep connections or show no certificate. */
import { fileURLToPath } from 'node:url';
import { runTool } from '../measure/tool-run.ts';
import type { UpstreamTls } from '../proxy.ts';
import { type LoadResult, noLatencies } from './load-result.ts';

export interface HandshakeLoad {
  readonly port: number;
  readonly seconds: number;
  readonly tls: UpstreamTls;
  /** Each connection resumes the session of one before it. */
  readonly resume: boolean;
}

export async function runHandshakes(load: HandshakeLoad): Promise<LoadResult> {
  const program = fileURLToPath(new URL('./handshake-client.ts', import.meta.url));
  const output = await runTool(
    'handshakes',
    [process.execPath, program, JSON.stringify(load)],
    load.seconds * 1000 + 30_000,
  );
  const report = JSON.parse(output.trim().split('\n').at(-1)!) as Omit<LoadResult, 'tool' | 'latenciesMicros'>;
  return { ...report, tool: 'handshakes', latenciesMicros: noLatencies };
}
