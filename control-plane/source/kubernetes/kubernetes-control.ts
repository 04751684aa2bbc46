/** Everything that has to do with one API server put together: the watches, who of several control planes is the leader, and the status that the leader writes. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Model } from '../../model/model.ts';
import type { ConnectedProxy } from '../../xds-server/connected-proxy.ts';
import type { SourceClock } from '../source-clock.ts';
import { ApiClient } from './api-client.ts';
import { ApiFault } from './api-fault.ts';
import type { ApiServer } from './api-server.ts';
import { type StatusContext, warningsByResource } from './conditions.ts';
import { KubernetesSource } from './kubernetes-source.ts';
import { LeaderElection } from './leader-election.ts';
import { leaseFaultLine } from './lease-fault.ts';
import { refusalsOf } from './refusals.ts';
import { RootPublisher } from './root-publisher.ts';
import { StatusWriter } from './status-writer.ts';
import { WebhookBundle } from './webhook-bundle.ts';

/** Name of the Lease that control planes share. */
export const leaseName = 'outrigger-control-plane';

export interface KubernetesOptions {
  readonly server: ApiServer;
  /** The mesh's roots are written into the cluster (root-publisher.ts, webhook-bundle.ts). */
  readonly publishRoot: boolean;
  /** Of the webhook's MutatingWebhookConfiguration. */
  readonly webhookConfiguration: string;
}

export interface KubernetesControlInit extends KubernetesOptions {
  /** Null: nothing is kept over a restart. */
  readonly dataDir: string | null;
  /** '' : there are no identities. */
  readonly trustDomain: string;
  readonly clock: SourceClock;
  readonly random: () => number;
  readonly log: Logger;
  /** Null: there is no model yet. */
  readonly mesh: () => { readonly model: Model; readonly proxies: Iterable<ConnectedProxy> } | null;
  /** What the source says has changed. */
  readonly onChange: () => void;
  /** PEM, the newest; null: there are no identities. */
  readonly roots: (() => string) | null;
  /** The injection webhook's certificate is by them. */
  readonly webhookByRoots: boolean;
}

export class KubernetesControl {
  readonly source: KubernetesSource;
  readonly url: string;
  readonly #client: ApiClient;
  readonly #election: LeaderElection;
  readonly #writer: StatusWriter;
  readonly #publisher: RootPublisher | null;
  readonly #bundle: WebhookBundle | null;
  #leaseFault = '';

  constructor(init: KubernetesControlInit) {
    const { server, trustDomain, clock, random, log, mesh, onChange, publishRoot, roots, webhookByRoots } = init;
    this.url = server.url;
    this.#client = new ApiClient(server);
    if (server.insecure)
      log.warn(
        `${server.url}: insecure-skip-tls-verify is on, so anybody on the way can play the API server, and with it the whole mesh; give certificate-authority instead`,
      );
    const call: ApiClient['call'] = (each) => this.#client.call(each);
    const after: SourceClock['after'] = (delayMs, callback) => clock.after(delayMs, callback);
    const times = { after, nowMs: () => clock.nowMs(), wallMs: () => clock.wallMs() };
    this.source = new KubernetesSource({
      client: this.#client,
      ...{ url: server.url, trustDomain, clock, random, log, dataDir: init.dataDir },
      onChange: () => {
        onChange();
        this.#writer.wake();
      },
    });
    const lease = `Lease ${server.namespace}/${leaseName}`;
    this.#election = new LeaderElection({
      call,
      namespace: server.namespace,
      name: leaseName,
      // A process that was started again is another one.
      holder: `${hostname()}_${randomBytes(4).toString('hex')}`,
      ...times,
      random,
      onChange: (leading) => {
        for (const each of [this.#writer, this.#publisher, this.#bundle]) {
          if (leading) each?.start();
          else each?.stop();
        }
        log.info(
          leading
            ? `leader (${lease}): this control plane writes ${[
                'the status of routes and policies',
                ...(this.#publisher === null ? [] : ["the mesh's roots (ConfigMap outrigger-root)"]),
                ...(this.#bundle === null ? [] : ["the webhook's caBundle"]),
              ].join(', ')}`
            : `no leader any more (${lease})`,
        );
      },
      onFault: (fault) => {
        const line = leaseFaultLine(fault, leaseName, server, {
          roots: this.#publisher !== null,
          bundle: this.#bundle !== null,
        });
        // That the API server is away the watches tell.
        if (line !== this.#leaseFault && fault instanceof ApiFault) {
          if (this.#publisher === null) log.warn(line);
          else log.error(line);
        }
        this.#leaseFault = line;
      },
    });
    this.#writer = new StatusWriter({
      call,
      documents: () => this.source.documents,
      context: () => (this.source.settled ? statusContext(mesh()) : null),
      ...times,
      tell: (line) => log.warn(line),
    });
    const publishing = {
      client: this.#client,
      roots: roots ?? (() => ''),
      ...{ after, nowMs: times.nowMs, random },
      tell: (line: string) => log.warn(line),
    };
    const publishes = publishRoot && roots !== null;
    this.#publisher = publishes
      ? new RootPublisher({ ...publishing, leftOut: server.inPod ? [server.namespace] : [] })
      : null;
    this.#bundle =
      publishes && webhookByRoots ? new WebhookBundle({ ...publishing, name: init.webhookConfiguration }) : null;
  }

  /** The mesh's roots have changed. */
  rootsChanged(): void {
    this.#publisher?.changed();
    this.#bundle?.changed();
  }

  start(): void {
    this.source.start();
    void this.source.whenReady().then(() => this.#election.start());
  }

  /** Ends in order: the next leader does not have to wait. */
  async release(): Promise<void> {
    this.#writer.stop();
    this.#publisher?.stop();
    this.#bundle?.stop();
    await this.#election.release();
  }

  close(): void {
    this.source.close();
    this.#election.close();
    this.#writer.stop();
    this.#publisher?.close();
    this.#bundle?.close();
    this.#client.close();
  }
}

function statusContext(
  mesh: { readonly model: Model; readonly proxies: Iterable<ConnectedProxy> } | null,
): StatusContext | null {
  if (mesh === null) return null;
  const { model, proxies } = mesh;
  return { warnings: warningsByResource(model.warnings), policies: model.policies, refusals: refusalsOf(proxies) };
}
