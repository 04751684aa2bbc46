/** Which proof a sidecar has, by its flags, its environment and what a control plane on this machine left; every mistake is told in one line. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRoot } from '../certs/authority/create-root.ts';
import { issuingClock } from '../certs/authority/issuing-clock.ts';
import { writePem } from '../certs/x509/pem.ts';
import { decodeBootstrap } from '../sidecar/xds/bootstrap-file.ts';
import { serviceBootstrap } from './service-bootstrap.ts';
import { parseSidecarFlags } from './sidecar-flags.ts';
import { awaitedProof, chooseIdentity, type IdentityChoice, shownDataDirVariable } from './sidecar-identity.ts';
import { UserError } from './user-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-proof-'));
const state = join(folder, 'state');
const local = join(state, 'outrigger');
const empty = { XDG_STATE_HOME: join(folder, 'none') };
const at = (name: string): string => join(folder, name);
const service = ['--service', 'shop/orders', '--app-port', '8080'];

beforeAll(() => {
  mkdirSync(local, { recursive: true });
  const root = createRoot('cluster.local', issuingClock(Date.now)).roots[0]!;
  for (const path of [at('bundle.pem'), join(local, 'trust-bundle.pem')])
    writeFileSync(path, writePem('CERTIFICATE', root.der));
  writeFileSync(join(local, 'local-token'), 'local\n');
  writeFileSync(at('token'), '  from-file \n');
  writeFileSync(at('empty'), '\n');
  writeFileSync(at('large'), 'x'.repeat(70_000));
});
afterAll(() => rmSync(folder, { recursive: true }));

function choose(words: readonly string[], environment: NodeJS.ProcessEnv = empty): IdentityChoice {
  return chooseIdentity(parseSidecarFlags([...service, ...words], environment), environment);
}

function chosen(words: readonly string[], environment: NodeJS.ProcessEnv = empty) {
  const choice = choose(words, environment);
  if (choice.kind !== 'identity') throw new Error(choice.why);
  return choice;
}

test('a join token in a file is read anew each time', () => {
  const { config, controlPlaneTls, controlPlaneId } = chosen([
    ...['--join-token-file', at('token'), '--trust-bundle', at('bundle.pem'), '--control-plane', '10.0.0.1:15010'],
  ]);
  expect(controlPlaneTls).toEqual({ host: '10.0.0.1', port: 15012 });
  expect(controlPlaneId).toBe('spiffe://cluster.local/ns/outrigger/sa/control-plane');
  expect(config.wantedId).toBe('spiffe://cluster.local/ns/shop/sa/orders');
  expect(config.proof.read()).toBe('from-file');
  writeFileSync(at('token'), 'another');
  expect(config.proof.read()).toBe('another');
  expect(config.proof.what).toBe(`the join token in ${at('token')}`);
});

test('a Kubernetes token says whose it is; an account that is named is asked for', () => {
  const words = ['--kubernetes-token-file', at('token'), '--trust-bundle', at('bundle.pem')];
  expect(chosen(words).config).toMatchObject({ wantedId: '', proof: { kind: 'kubernetes-token' } });
  expect(chosen([...words, '--service-account', 'orders-v2']).config.wantedId).toBe(
    'spiffe://cluster.local/ns/shop/sa/orders-v2',
  );
});

test('a flag wins over every proof of the environment', () => {
  const environment = {
    ...empty,
    OUTRIGGER_JOIN_TOKEN: 'of the environment',
    OUTRIGGER_TRUST_BUNDLE: at('bundle.pem'),
  };
  expect(chosen([], environment).config.proof.read()).toBe('of the environment');
  expect(chosen(['--join-token-file', at('token')], environment).config.proof.what).toContain(at('token'));
});

test('without a proof, the one of a control plane of the same user on this machine counts, and only there', () => {
  const { config, controlPlaneTls } = chosen([], { XDG_STATE_HOME: state });
  expect([config.proof.read(), controlPlaneTls]).toEqual(['local', { host: '127.0.0.1', port: 15012 }]);
  expect(chosen(['--data-dir', local]).config.proof.read()).toBe('local');
  expect(choose(['--control-plane', '10.0.0.1:15010'], { XDG_STATE_HOME: state })).toEqual({
    kind: 'none',
    why: '10.0.0.1 is not this machine',
  });
});

test('none is none, when it is not wanted', () => {
  const nothing = { kind: 'none', why: '' };
  expect(choose(['--no-identity'], { XDG_STATE_HOME: state })).toEqual(nothing);
  expect(choose([], { XDG_STATE_HOME: state, OUTRIGGER_NO_IDENTITY: 'true' })).toEqual(nothing);
});

test('without any proof there is no identity, and it says which file there was not', () => {
  expect(choose([])).toEqual({ kind: 'none', why: `there is no ${at('none/outrigger/local-token')}` });
});

test('of a copy of the data directory for a sidecar with a user of its own, the names of the original are told', () => {
  const copy = at('state');
  const environment = { ...empty, [shownDataDirVariable]: '/theirs' };
  expect(choose(['--data-dir', copy], environment)).toEqual({ kind: 'none', why: 'there is no /theirs/local-token' });
  expect(awaitedProof(parseSidecarFlags([...service, '--data-dir', copy], environment), environment)).toMatchObject({
    why: 'there is no /theirs/local-token',
  });
});

test('a data directory that is named has to be there, unless it says nothing here', () => {
  const missing = ['--data-dir', '/nonesuch'];
  expect(() => choose(missing)).toThrow(
    new UserError(
      '--data-dir: there is no /nonesuch; name the data directory of the control plane of this machine, or say --no-identity (and no mTLS)',
      2,
    ),
  );
  expect(choose([...missing, '--no-identity']).kind).toBe('none');
  expect(choose([...missing, '--join-token', 'a', '--trust-bundle', at('bundle.pem')]).kind).toBe('identity');
});

test.each<readonly [readonly string[], string, 1 | 2]>([
  [['--join-token', 'a', '--join-token-file', 'b'], 'are proofs of the same: give one', 2],
  [['--trust-bundle', 'x'], '--trust-bundle says whom to believe, but there is no proof of who this is', 2],
  [['--join-token-file', '/nonexistent/token'], 'there is no /nonexistent/token', 1],
  [['--join-token-file', at('empty')], `${at('empty')} is empty`, 1],
  [['--join-token-file', at('large')], 'is longer than 65536 bytes', 1],
  [['--join-token', ''], '--join-token is empty; give it a value, or leave the flag out', 2],
  [['--join-token', ' '], '--join-token is empty', 1],
  [['--join-token', 'a'], 'trust-bundle.pem; name another with --trust-bundle FILE', 1],
  [['--join-token', 'a', '--trust-bundle', at('large')], 'is not valid PEM', 1],
  [['--trust-domain', 'Cluster.Local'], '--trust-domain: the trust domain has characters other than', 2],
  [['--control-plane-tls', 'x'], '--control-plane-tls: "x" is not HOST:PORT', 2],
  [
    ['--join-token', 'a', '--trust-bundle', at('bundle.pem'), '--service-account', 'a/b'],
    '--service-account: "shop" and "a/b": a namespace and a service account have no slash',
    2,
  ],
])('%j is refused', (words, message, exitCode) => {
  let fault: unknown;
  try {
    choose(words);
  } catch (error) {
    fault = error;
  }
  expect(fault).toBeInstanceOf(UserError);
  expect(fault).toMatchObject({ message: expect.stringContaining(message), exitCode });
  expect((fault as UserError).message).not.toContain('\n');
});

test('flags of an identity do not go with --bootstrap', () => {
  expect(() => parseSidecarFlags(['--bootstrap', 'a.yaml', '--join-token-file', 'b'], {})).toThrow(
    '--join-token-file needs --service',
  );
  expect(parseSidecarFlags(['--bootstrap', 'a.yaml'], { OUTRIGGER_TRUST_BUNDLE: 'b' }).values.bootstrap).toBe('a.yaml');
});

test('the bootstrap with an identity: TLS 1.3 to exactly the control plane, by local secrets, and another way for first contact', () => {
  const flags = parseSidecarFlags(service, {});
  const secure = {
    controlPlaneTls: { host: '127.0.0.1', port: 15012 },
    controlPlaneId: 'spiffe://td/ns/outrigger/sa/control-plane',
  };
  const decoded = decodeBootstrap(serviceBootstrap(flags, 'id', secure), 0);
  if (!decoded.ok) throw new Error(decoded.faults.join('\n'));
  const tls = decoded.bootstrap.config.clusters.map(({ name, tls }) => [
    name,
    tls!.minVersion,
    tls!.alpn,
    tls!.subjectAltNames,
    tls!.certificateSecret?.key ?? null,
    tls!.trustSecret!.key,
  ]);
  const exact = [{ type: 'uri', exact: secure.controlPlaneId }];
  expect(tls).toEqual([
    ['outrigger-control-plane', 'TLSv1.3', ['h2'], exact, 'default', 'ROOTCA'],
    ['outrigger-first-contact', 'TLSv1.3', ['h2'], exact, null, 'outrigger-trust-bundle'],
  ]);
});
