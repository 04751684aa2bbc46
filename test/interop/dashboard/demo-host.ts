/** The demo on a machine of its own (a network namespace), with a copy of its configuration that may be edited, and Chromium on that machine. */
import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { type HostProgram, OwnHost } from '../own-host.ts';
import { outriggerProgram, peer } from '../programs.ts';
import { openChromium } from './chromium.ts';

const demoConfig = fileURLToPath(new URL('../../../demo/config', import.meta.url));

/** Beside the demo's own: a breaker of a route, and a fault that is off. */
const faults = `apiVersion: outrigger.dev/v1
kind: TrafficPolicy
metadata: { name: payments, namespace: shop }
spec:
  targetRefs: [{ kind: GRPCRoute, name: payments }]
  circuitBreaker: { consecutiveFailures: 1000 }
---
# Every order is told to come again.
apiVersion: outrigger.dev/v1
kind: FaultPolicy
metadata: { name: no-orders, namespace: shop }
spec:
  until: "2020-01-01T00:00:00Z"
  targetRefs: [{ kind: Service, name: orders }]
  faults:
    - abort: { httpStatus: 503, percent: 100 }
`;

export class DemoHost {
  readonly url = 'http://127.0.0.1:15014';
  readonly #host = new OwnHost();
  readonly #demo: HostProgram;
  readonly #config: string;

  private constructor() {
    this.#config = join(this.#host.folder, 'config');
    cpSync(demoConfig, this.#config, { recursive: true });
    writeFileSync(join(this.#config, 'faults.yaml'), faults);
    // `ip netns exec` gives it mounts of its own: nobody else sees the copy in the place of the demo's files.
    const script = 'mount --bind "$0" "$1" && exec "$2" demo';
    this.#demo = this.#host.start('sh', '-c', script, this.#config, demoConfig, outriggerProgram);
  }

  static async start(): Promise<DemoHost> {
    const started = new DemoHost();
    await started.#demo.said('Ctrl-C stops everything');
    return started;
  }

  /** Of its control plane. */
  get token(): string {
    const dataDir = /--data-dir (\S+)/.exec(this.#demo.output)![1]!;
    return readFileSync(join(dataDir, 'local-token'), 'utf8').trim();
  }

  config(file: string): string {
    return readFileSync(join(this.#config, file), 'utf8');
  }

  async openChromium(): Promise<Browser> {
    const wrapper = join(this.#host.folder, 'chromium');
    writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${this.#host.name} '${peer('chromium')}' "$@"\n`);
    chmodSync(wrapper, 0o755);
    return openChromium(wrapper);
  }

  /** Buys once: the status, the request id and the body. */
  buy(): { readonly status: number; readonly requestId: string; readonly body: string } {
    const script = `fetch('http://127.0.0.1:8080/buy/7').then(async (answer) => console.log(JSON.stringify({ status: answer.status, requestId: answer.headers.get('x-request-id'), body: await answer.text() })))`;
    return JSON.parse(this.#host.run(process.execPath, '-e', script)) as ReturnType<DemoHost['buy']>;
  }

  /** `outrigger …` there. */
  outrigger(...words: string[]): string {
    return this.#host.run(outriggerProgram, ...words);
  }

  async stop(): Promise<void> {
    this.#demo.child.kill('SIGINT');
    await this.#demo.ended;
    this.#host.remove();
  }
}
