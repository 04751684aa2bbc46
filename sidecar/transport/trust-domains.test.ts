/** Each trust domain by its own roots, on both sides of real connections; and sessions, which must not outlive what they were made under. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { TlsClientConfig, TlsServerConfig } from '../config/tls-config.ts';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { SecretStore } from '../secret/secret-store.ts';
import { SecretTls } from '../secret/secret-tls.ts';
import { openTransport, type TlsSession } from './connect.ts';
import type { PeerFaultReason } from './peer-certificate.ts';
import { ServerTls } from './server-tls.ts';
import type { TestCertificate } from './test/certificates.ts';
import { authority, certificatePem, identity, otherRoot, root, validNow } from './test/identities.ts';
import { checkTrustDomain, trustDomainsFault } from './trust-domains.ts';

const domains = [
  { name: 'td', rootsPem: certificatePem(root) },
  { name: 'other', rootsPem: certificatePem(otherRoot) },
];
const union = domains.map(({ rootsPem }) => rootsPem).join('');
const storefront = identity(root, 'spiffe://td/ns/shop/sa/storefront');
const middle = authority('middle of other', { issuer: otherRoot });

const serverConfig: TlsServerConfig = {
  certificates: [identity(root, 'spiffe://td/ns/shop/sa/orders')],
  trustedCaPem: union,
  trustDomains: domains,
  subjectAltNames: [],
  alpn: ['h2'],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: true,
};
const clientConfig: TlsClientConfig = {
  certificates: [storefront],
  trustedCaPem: union,
  trustDomains: domains,
  subjectAltNames: [],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  serverName: 'orders.shop',
};

const wheel = new TimerWheel(systemClock);
const open: Array<Server | Socket> = [];
/** Added to the clocks of both sides, and not to OpenSSL's. */
let laterMs = 0;
const clock = { nowMs: () => systemClock.nowMs(), wallMs: () => systemClock.wallMs() + laterMs };

afterEach(() => {
  laterMs = 0;
  for (const item of open.splice(0)) {
    if ('listen' in item) item.close();
    else item.destroy();
  }
});

interface Verdict {
  /** `namespace/account` of the client; null: it was refused. */
  readonly peer: string | null;
  readonly reason: PeerFaultReason | null;
  readonly resumed: boolean;
}

/** A server of one configuration; each connection that it judged stands in `verdicts`. */
class Judge {
  readonly verdicts: Verdict[] = [];
  #wake: () => void = () => {};
  port = 0;

  static async start(config: TlsServerConfig, secrets: SecretStore | null = null): Promise<Judge> {
    const judge = new Judge();
    const tls = new ServerTls(new SecretTls(config, secrets), 5_000, clock, {
      onSecured: (socket, { peerService }) => {
        socket.on('error', () => {});
        socket.resume();
        judge.#add({ peer: peerService, reason: null, resumed: socket.isSessionReused() });
      },
      onHandshakeFailed: (_reason, _message, reason) => judge.#add({ peer: null, reason, resumed: false }),
    });
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      open.push(socket);
      tls.accept(socket);
    });
    open.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    judge.port = (server.address() as AddressInfo).port;
    return judge;
  }

  #add(verdict: Verdict): void {
    this.verdicts.push(verdict);
    this.#wake();
  }

  async next(): Promise<Verdict> {
    while (this.verdicts.length === 0) await new Promise<void>((resolve) => void (this.#wake = resolve));
    return this.verdicts.shift()!;
  }
}

/** Resolves when the client side is done: a socket and a way to its next session, or why there is none. */
function dial(
  port: number,
  tls: TlsClientConfig,
  session: TlsSession | null = null,
): Promise<{ socket: TLSSocket | null; reason: PeerFaultReason | null; session: Promise<TlsSession> }> {
  const kept = Promise.withResolvers<TlsSession>();
  return new Promise((resolve) => {
    openTransport(
      { host: '127.0.0.1', port, tls, alpn: ['h2'], session, timeoutMs: 5_000, clock, wheel },
      {
        onConnected: (socket) => {
          open.push(socket);
          socket.on('error', () => {});
          resolve({ socket: socket as TLSSocket, reason: null, session: kept.promise });
        },
        onConnectFailed: (_error, _failure, reason = null) => resolve({ socket: null, reason, session: kept.promise }),
        onSession: (each) => kept.resolve(each),
      },
    );
  });
}

async function asClient(certificate: TestCertificate): Promise<string> {
  const judge = await Judge.start(serverConfig);
  await dial(judge.port, { ...clientConfig, certificates: [certificate] });
  const { peer, reason } = await judge.next();
  return reason ?? peer!;
}

async function asServer(certificate: TestCertificate): Promise<string> {
  const judge = await Judge.start({ ...serverConfig, certificates: [certificate] });
  const { reason } = await dial(judge.port, clientConfig);
  return reason ?? 'connected';
}

const rows: ReadonlyArray<readonly [string, TestCertificate, PeerFaultReason | null]> = [
  ['of our own trust domain', identity(root, 'spiffe://td/ns/shop/sa/a'), null],
  ['of another, by its root', identity(otherRoot, 'spiffe://other/ns/shop/sa/a'), null],
  [
    'of another, through an authority that it sends',
    identity(middle, 'spiffe://other/ns/shop/sa/a', {}, [middle]),
    null,
  ],
  ['of ours, by the root of another', identity(otherRoot, 'spiffe://td/ns/shop/sa/a'), 'untrusted'],
  ['of ours, through an authority of another', identity(middle, 'spiffe://td/ns/shop/sa/a', {}, [middle]), 'untrusted'],
  ['of another, by our root', identity(root, 'spiffe://other/ns/shop/sa/a'), 'untrusted'],
  ['of a third', identity(root, 'spiffe://third/ns/shop/sa/a'), 'wrong-trust-domain'],
  ['without identity', identity(root, '', { uris: [] }), 'no-identity'],
];

describe('with several trust domains, a peer', () => {
  it.each(rows)('%s, as a client', async (_what, certificate, reason) => {
    expect(await asClient(certificate)).toBe(reason ?? 'shop/a');
  });

  it.each(rows)('%s, as a server', async (_what, certificate, reason) => {
    expect(await asServer(certificate)).toBe(reason ?? 'connected');
  });

  it('that shows its leaf alone is let in only when its own root signed it', () => {
    const judge = ({ chainPem }: TestCertificate): string => {
      const leaf = new X509Certificate(chainPem);
      const id = parseSpiffeId(leaf.subjectAltName!.slice('URI:'.length));
      try {
        checkTrustDomain(domains, leaf, id, 'client', clock.wallMs());
        return 'let in';
      } catch (error) {
        return (error as { readonly reason: string }).reason;
      }
    };
    expect(judge(identity(otherRoot, 'spiffe://other/ns/shop/sa/a'))).toBe('let in');
    expect(judge(identity(otherRoot, 'spiffe://td/ns/shop/sa/a'))).toBe('untrusted');
    expect(judge(identity(middle, 'spiffe://other/ns/shop/sa/a'))).toBe('untrusted');
  });

  it('shows its chain each time, as a session would not have it: sessions are not resumed where there are several domains', async () => {
    const judge = await Judge.start(serverConfig);
    const config = {
      ...clientConfig,
      certificates: [identity(middle, 'spiffe://other/ns/shop/sa/a', {}, [middle])],
    };
    const first = await dial(judge.port, config);
    expect(await judge.next()).toMatchObject({ peer: 'shop/a', resumed: false });
    await dial(judge.port, config, await first.session);
    expect(await judge.next()).toEqual({ peer: 'shop/a', reason: null, resumed: false });
  });
});

describe('with one trust domain named', () => {
  it('its root vouches for itself only', async () => {
    const judge = await Judge.start({
      ...serverConfig,
      trustedCaPem: domains[0]!.rootsPem,
      trustDomains: domains.slice(0, 1),
    });
    await dial(judge.port, clientConfig);
    expect(await judge.next()).toMatchObject({ peer: 'shop/storefront' });
    await dial(judge.port, { ...clientConfig, certificates: [identity(root, 'spiffe://other/ns/shop/sa/a')] });
    expect(await judge.next()).toMatchObject({ reason: 'wrong-trust-domain' });
  });
});

describe('what cannot be used as trust domains', () => {
  it.each<readonly [string, Parameters<typeof trustDomainsFault>[0], string]>([
    ['none', [], 'there is none'],
    ['a name twice', [domains[0]!, domains[0]!], '"td" is there twice'],
    ['no name', [{ name: '', rootsPem: union }], 'the trust domain is empty'],
    ['a name with its scheme', [{ name: 'spiffe://td', rootsPem: union }], 'is no trust domain'],
    ['no certificate', [{ name: 'td', rootsPem: '' }], '"td": '],
    ['a leaf', [{ name: 'td', rootsPem: storefront.chainPem }], 'holds a certificate that is not an authority'],
  ])('%s', (_what, given, why) => {
    expect(trustDomainsFault(given)).toContain(why);
  });
});

describe('a session', () => {
  const ads = (name: string) => ({ name, key: name, source: { kind: 'ads' } }) as const;
  const bySecrets: TlsServerConfig = {
    ...serverConfig,
    certificates: [],
    trustedCaPem: null,
    trustDomains: null,
    certificateSecret: ads('default'),
    trustSecret: ads('ROOTCA'),
  };
  const own = { kind: 'certificate', ...serverConfig.certificates[0]! } as const;
  const plain = { ...clientConfig, trustDomains: null };

  async function resumable(): Promise<{ judge: Judge; secrets: SecretStore; session: TlsSession }> {
    const secrets = new SecretStore(clock);
    secrets.set('default', 'default', '1', own);
    secrets.set('ROOTCA', 'ROOTCA', '1', { kind: 'validation', trustedCaPem: union, subjectAltNames: [] });
    const judge = await Judge.start(bySecrets, secrets);
    const first = await dial(judge.port, plain);
    expect(await judge.next()).toMatchObject({ peer: 'shop/storefront', resumed: false });
    return { judge, secrets, session: await first.session };
  }

  it('goes on while nothing changes', async () => {
    const { judge, session } = await resumable();
    await dial(judge.port, plain, session);
    expect(await judge.next()).toEqual({ peer: 'shop/storefront', reason: null, resumed: true });
  });

  it('does not survive a change of what the server trusts', async () => {
    const { judge, secrets, session } = await resumable();
    secrets.set('ROOTCA', 'ROOTCA', '2', {
      kind: 'validation',
      trustedCaPem: certificatePem(otherRoot),
      subjectAltNames: [],
    });
    await dial(judge.port, plain, session);
    expect(await judge.next()).toMatchObject({ peer: null, reason: 'untrusted' });
  });

  it('does not survive a change of the certificate of the server: the next handshake is a whole one', async () => {
    const { judge, secrets, session } = await resumable();
    secrets.set('default', 'default', '2', { kind: 'certificate', ...identity(root, 'spiffe://td/ns/shop/sa/orders') });
    const { socket } = await dial(judge.port, plain, session);
    expect(await judge.next()).toMatchObject({ peer: 'shop/storefront', resumed: false });
    expect(socket!.isSessionReused()).toBe(false);
  });

  it('is not offered under another identity of the client', async () => {
    const { judge, session } = await resumable();
    await dial(judge.port, { ...plain, certificates: [identity(root, 'spiffe://td/ns/shop/sa/payments')] }, session);
    expect(await judge.next()).toEqual({ peer: 'shop/payments', reason: null, resumed: false });
  });

  it('ends with the certificate of the client: the server refuses it', async () => {
    const judge = await Judge.start({ ...serverConfig, trustDomains: null });
    const certificates = [
      identity(root, 'spiffe://td/ns/shop/sa/a', { notAfterMs: validNow.notBeforeMs + 2 * 3_600_000 }),
    ];
    const config = { ...plain, certificates };
    const first = await dial(judge.port, config);
    await judge.next();
    laterMs = 2 * 3_600_000;
    await dial(judge.port, config, await first.session);
    expect(await judge.next()).toEqual({ peer: null, reason: 'expired', resumed: false });
  });

  it('ends with the certificate of the server: the client does not offer it', async () => {
    const certificates = [
      identity(root, 'spiffe://td/ns/shop/sa/a', { notAfterMs: validNow.notBeforeMs + 2 * 3_600_000 }),
    ];
    const judge = await Judge.start({ ...serverConfig, certificates, trustDomains: null });
    const first = await dial(judge.port, plain);
    await judge.next();
    laterMs = 2 * 3_600_000;
    // Who resumes is shown no certificate, and would be connected.
    expect(await dial(judge.port, plain, await first.session)).toMatchObject({ socket: null, reason: 'expired' });
  });
});
