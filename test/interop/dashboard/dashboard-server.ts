/** The control plane's own admin port over recorded data: its pages, headers, refusals, actions and configuration files are the real ones, what it tells of the mesh is what a test says. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { AdminServer } from '../../../control-plane/admin/admin-server.ts';
import { ConfigEditor } from '../../../control-plane/dashboard/config-editor.ts';
import { DashboardFiles } from '../../../control-plane/dashboard/dashboard-files.ts';
import { EditHistory } from '../../../control-plane/dashboard/edit-history.ts';
import type { Recorded } from './recorded-mesh.ts';

export const goodToken = 'ojt_0123456789abcdef_recorded';

export class DashboardServer {
  /** Changed by tests while it serves. */
  recorded: Recorded;
  /** Of POST /breakers. */
  readonly breakerCalls: unknown[] = [];
  readonly folder: string;
  #server: AdminServer | null = null;
  #port = 0;
  #config: string;

  private constructor(recorded: Recorded) {
    this.recorded = recorded;
    this.folder = mkdtempSync(join(tmpdir(), 'outrigger-dashboard-'));
    cpSync(new URL('../../../demo/config', import.meta.url), join(this.folder, 'config'), { recursive: true });
    this.#config = join(this.folder, 'config');
    writeFileSync(
      join(this.folder, 'config', 'chaos.yaml'),
      `# A tenth of the orders take their time.
apiVersion: outrigger.dev/v1
kind: FaultPolicy
metadata: { name: slow-orders, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: orders }]
  faults:
    - delay: { duration: 250ms, percent: 10 }
`,
    );
  }

  /** `here`: the process goes into its folder, so that names of files are short. */
  static async start(recorded: Recorded, here = false): Promise<DashboardServer> {
    const made = new DashboardServer(recorded);
    if (here) {
      process.chdir(made.folder);
      made.#config = 'config';
    }
    await made.open();
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  file(name: string): string {
    return join(this.folder, 'config', name);
  }

  /** Again at the same port. */
  async open(): Promise<void> {
    const editor = new ConfigEditor({
      paths: [this.#config],
      history: new EditHistory(join(this.folder, 'history.json')),
      wallMs: () => Date.now(),
      log: pino({ level: 'silent' }),
    });
    const lists = new Proxy<Record<string, () => unknown>>(
      {},
      {
        getOwnPropertyDescriptor: (_, name) =>
          name in this.recorded || name === 'config/files'
            ? { configurable: true, enumerable: true, value: null }
            : undefined,
        get: (_, name) => (name === 'config/files' ? editor.files : () => this.recorded[String(name)]),
      },
    );
    const dashboard = DashboardFiles.load();
    if (dashboard === null) throw new Error('the dashboard is not built: npm run build');
    const data = {
      ...{ ready: () => true, lists, dashboard },
      metrics: () => {
        throw new Error('nobody scrapes it here');
      },
      actions: {
        byPath: {
          ...editor.actions,
          '/api/v1/local-token': () => ({ good: true }),
          '/api/v1/breakers': (body: unknown) => {
            this.breakerCalls.push(body);
            return {};
          },
        },
        longBodies: editor.longBodies,
        isLocalToken: (text: string) => text === goodToken,
      },
      // Of live traffic: what is recorded stands in the lists.
      live: { get: async () => null, tap: () => ({ status: 404, body: {} }) },
    };
    this.#server = await AdminServer.start({ host: '127.0.0.1', port: this.#port }, data);
    this.#port = this.#server.port;
  }

  async close(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
  }

  async stop(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
