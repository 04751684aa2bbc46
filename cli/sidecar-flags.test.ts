import { expect, test } from 'vitest';
import { ipFamilies, serviceBootstrap } from './service-bootstrap.ts';
import { flightRecorderBytes, parseSidecarFlags, variablesOfFlags } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

const service = ['--service', 'shop/orders', '--app-port', '8080'];

function refusal(words: readonly string[], environment: NodeJS.ProcessEnv = {}): string {
  try {
    const flags = parseSidecarFlags(words, environment);
    serviceBootstrap(flags, 'id');
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).exitCode).toBe(2);
    expect((error as UserError).message).not.toContain('\n');
    return (error as UserError).message;
  }
  throw new Error('it was not refused');
}

interface Bootstrap {
  readonly node: { readonly id: string; readonly cluster: string; readonly metadata: Record<string, unknown> };
  readonly dynamic_resources: { readonly ads_config: { readonly api_type: string } };
}

function bootstrap(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Bootstrap {
  return serviceBootstrap(parseSidecarFlags(words, environment), 'id') as Bootstrap;
}

test.each([
  [[], 'sidecar needs --bootstrap FILE, or --service NS/NAME with --app-port N'],
  [['--bootstrap', 'a.yaml', '--service', 'shop/orders'], 'sidecar takes --bootstrap or --service, not both'],
  [['--service', 'shop/orders'], 'sidecar --service needs --app-port N: the port that the application listens on'],
  [[...service, '--concurrency', '2'], '--concurrency above 1 is not built yet; run it with 1'],
  [[...service, '--concurrency', '0'], '--concurrency: "0" is not a whole number from 1 to 256'],
  [[...service, '--xds', 'both'], '--xds: "both" is not sotw or delta'],
  [[...service, '--flight-recorder', '-1'], '--flight-recorder: "-1" is not a whole number from 0 to 1024'],
  [['--service', 'orders', '--app-port', '1'], '--service: "orders" is not NAMESPACE/NAME; write it as shop/orders'],
  [['--service', 'a/b', '--app-port', '0'], '--app-port: "0" is not a whole number from 1 to 65535'],
  [
    [...service, '--inbound-listen', '15006'],
    '--inbound-listen: "15006" is not HOST:PORT; write it as 127.0.0.1:8080 or [::1]:8080',
  ],
  [
    [...service, '--inbound-listen', '0.0.0.0:8080'],
    '--app-port and --inbound-listen both have the port 8080; give each its own',
  ],
  [['--service', 'a/b', '--app-port', '15000'], '--app-port and --admin both have the port 15000; give each its own'],
  [[...service, '--node-id', ''], '--node-id is empty; give it a value, or leave the flag out'],
  [['--bootstrap='], '--bootstrap is empty; give it a value, or leave the flag out'],
  [[...service, '--upstream', 'a:1', '--upstream='], '--upstream is empty; give it a value, or leave the flag out'],
  [['--service'], 'sidecar: --service needs a value; outrigger sidecar --help lists the flags'],
  [
    [...service, '--zone', '--xds'],
    'sidecar: --zone needs a value; one that begins with a dash is written --zone=VALUE; outrigger sidecar --help lists the flags',
  ],
  [[...service, '--no-register=1'], 'sidecar: --no-register takes no value; outrigger sidecar --help lists the flags'],
  [[...service, '--labels', 'v2'], '--labels: "v2" is not a label; write it as version=v2'],
  [[...service, '--upstream', 'payments:x'], '--upstream payments:x: port: "x" is not a whole number from 1 to 65535'],
] as const)('%j is refused in one line', (words, message) => {
  expect(refusal(words)).toBe(message);
});

test('an unknown flag, a flag without its value, and a stray word are refused with where to look', () => {
  for (const words of [['--nonsense'], ['--service'], ['stray'], ['--zone', '--xds']])
    expect(refusal(words)).toMatch(/^sidecar: .*; outrigger sidecar --help lists the flags$/);
});

test('a number below zero is a value (--drain-time -1): what is wrong with it is said of it', () => {
  expect(parseSidecarFlags([...service, '--drain-time', '-1'], {}).values['drain-time']).toBe('-1');
  expect(refusal([...service, '--app-port', '-1'])).toBe('--app-port: "-1" is not a whole number from 1 to 65535');
});

test('which flags a variable says, and no word: a fault names that', () => {
  const environment = {
    OUTRIGGER_APP_PORT: '1',
    OUTRIGGER_ZONE: 'a',
    OUTRIGGER_ADMIN: 'x',
    OUTRIGGER_NO_IDENTITY: '1',
  };
  expect([...variablesOfFlags(['--zone', 'b', '--admin=y'], environment)]).toEqual([
    ['app-port', 'OUTRIGGER_APP_PORT'],
    ['no-identity', 'OUTRIGGER_NO_IDENTITY'],
  ]);
});

test('every flag has an environment variable, and the flag wins', () => {
  const environment = { OUTRIGGER_SERVICE: 'shop/orders', OUTRIGGER_APP_PORT: '1', OUTRIGGER_UPSTREAM: 'a:1,b:2=3' };
  const { node } = bootstrap(['--app-port', '2'], environment);
  expect(node).toMatchObject({
    cluster: 'shop/orders',
    metadata: {
      app_port: 2,
      upstreams: [
        { service: 'shop/a', port: 1, listen: '127.0.0.1:0' },
        { service: 'shop/b', port: 2, listen: '127.0.0.1:3' },
      ],
    },
  });
});

test.each([
  ['app-port', '80', 'its clusters say where the application is'],
  ['control-plane', 'a:1', 'dynamic_resources says it'],
  ['control-plane-tls', 'a:1', 'dynamic_resources says it'],
  ['join-token-file', 'a', 'certificates come by SDS or from files'],
  ['data-dir', 'a', 'certificates come by SDS or from files'],
  ['no-identity', null, 'certificates come by SDS or from files'],
  ['wait-for-proof', null, 'certificates come by SDS or from files'],
  ['outbound-listen', 'a:1', 'its listeners say it'],
  ['inbound-listen', 'a:1', 'its listeners say it'],
  ['upstream', 'orders:80', 'node.metadata.upstreams says it'],
  ['address', 'a', 'nothing is registered'],
  ['no-register', null, 'nothing is registered'],
  ['labels', 'a=b', 'node.metadata.labels says it'],
  ['zone', 'a', 'node.locality.zone says it'],
  ['node-id', 'a', 'node.id says it'],
  ['xds', 'sotw', 'dynamic_resources.ads_config.api_type says it'],
] as const)('--%s is refused beside --bootstrap, also when the environment names that', (name, value, why) => {
  const words = [`--${name}`, ...(value === null ? [] : [value])];
  const message = `--${name} needs --service; with --bootstrap, ${why}`;
  expect(refusal(['--bootstrap', 'a.yaml', ...words])).toBe(message);
  expect(refusal(words, { OUTRIGGER_BOOTSTRAP: 'a.yaml' })).toBe(message);
});

test('every flag that needs --service is named at once', () => {
  const words = ['--bootstrap', 'a.yaml', '--zone', 'a', '--node-id', 'b'];
  expect(() => parseSidecarFlags(words, {})).toThrow(/^--zone needs --service.*\n--node-id needs --service/);
});

test('variables that need --service are not refused beside --bootstrap: they count for nothing, and are named', () => {
  const environment = {
    OUTRIGGER_APP_PORT: '80',
    OUTRIGGER_ZONE: 'a',
    OUTRIGGER_JOIN_TOKEN: 'b',
    OUTRIGGER_NO_REGISTER: '1',
    OUTRIGGER_NO_IDENTITY: '0',
    OUTRIGGER_LABELS: '',
    OUTRIGGER_ADMIN: '127.0.0.1:1',
  };
  const flags = parseSidecarFlags(['--bootstrap', 'a.yaml'], environment);
  expect(flags.values).toEqual({ bootstrap: 'a.yaml', admin: '127.0.0.1:1' });
  expect(flags.withoutEffect).toEqual([
    'OUTRIGGER_APP_PORT',
    'OUTRIGGER_JOIN_TOKEN',
    'OUTRIGGER_ZONE',
    'OUTRIGGER_NO_REGISTER',
  ]);
  expect(parseSidecarFlags(service, environment).withoutEffect).toEqual([]);
});

test('--bootstrap wins over OUTRIGGER_SERVICE, and --service over OUTRIGGER_BOOTSTRAP', () => {
  const environment = { OUTRIGGER_SERVICE: 'shop/a', OUTRIGGER_BOOTSTRAP: 'b.yaml' };
  const bootstrapped = parseSidecarFlags(['--bootstrap', 'x.yaml'], environment);
  expect(bootstrapped.values).toEqual({ bootstrap: 'x.yaml' });
  expect(bootstrapped.withoutEffect).toEqual(['OUTRIGGER_SERVICE']);
  const served = parseSidecarFlags(service, environment);
  expect(served.values).toEqual({ service: 'shop/orders', 'app-port': '8080' });
  expect(served.withoutEffect).toEqual(['OUTRIGGER_BOOTSTRAP']);
  expect(parseSidecarFlags(service, { OUTRIGGER_BOOTSTRAP: '' }).withoutEffect).toEqual([]);
  expect(refusal([], environment)).toBe(
    'sidecar takes OUTRIGGER_BOOTSTRAP or OUTRIGGER_SERVICE, not both; a flag wins over both',
  );
});

test('switches are read from the environment (1, true, yes, on), and refused when they are neither on nor off', () => {
  expect(parseSidecarFlags(service, { OUTRIGGER_NO_REGISTER: '1' }).noRegister).toBe(true);
  expect(parseSidecarFlags(service, { OUTRIGGER_NO_REGISTER: '0', OUTRIGGER_NO_IDENTITY: 'yes' })).toMatchObject({
    noRegister: false,
    noIdentity: true,
  });
  expect(refusal(service, { OUTRIGGER_NO_IDENTITY: 'maybe' })).toContain('OUTRIGGER_NO_IDENTITY: "maybe" is neither');
});

test('a proof given as a flag wins over OUTRIGGER_NO_IDENTITY; --no-identity wins over both', () => {
  const environment = { OUTRIGGER_NO_IDENTITY: '1' };
  expect(parseSidecarFlags([...service, '--join-token-file', 'a'], environment).noIdentity).toBe(false);
  expect(parseSidecarFlags([...service, '--join-token-file', 'a', '--no-identity'], {}).noIdentity).toBe(true);
});

test('--upstream may be given again', () => {
  const { node } = bootstrap([...service, '--upstream', 'a:1', '--upstream', 'office/b:2=3']);
  expect(node.metadata['upstreams']).toEqual([
    { service: 'shop/a', port: 1, listen: '127.0.0.1:0' },
    { service: 'office/b', port: 2, listen: '127.0.0.1:3' },
  ]);
});

test('the bootstrap that --service stands for has the documented defaults', () => {
  const { node, dynamic_resources } = bootstrap(service);
  expect(node).toEqual({
    id: 'id',
    cluster: 'shop/orders',
    metadata: {
      app_port: 8080,
      outbound_listen: '127.0.0.1:15001',
      inbound_listen: '0.0.0.0:15006',
      control_plane_cluster: 'outrigger-control-plane',
      interception: 'NONE',
    },
  });
  expect(dynamic_resources.ads_config.api_type).toBe('DELTA_GRPC');
  expect(bootstrap([...service, '--xds', 'sotw']).dynamic_resources.ads_config.api_type).toBe('GRPC');
});

test('--help is taken without anything else', () => {
  expect(parseSidecarFlags(['--help'], {}).help).toBe(true);
});

test('with interception the bootstrap says so, and the application may have several ports or none', () => {
  const intercepted = ['--service', 'shop/orders', '--interception', 'redirect'];
  const several = bootstrap([
    ...intercepted,
    '--app-port',
    '8080,9090',
    '--opaque-ports',
    '5432,6000-6010',
    '--egress',
    'registry-only',
    '--dns-listen',
    '127.0.0.1:15053',
  ]);
  expect(several.node.metadata).toMatchObject({
    interception: 'REDIRECT',
    opaque_ports: ['5432', '6000-6010'],
    egress: 'registry-only',
    dns_listen: '127.0.0.1:15053',
  });
  expect(several.node.metadata['ip_families']).toContain('IPv4');
  expect(several.node.metadata).not.toHaveProperty('app_port');
  expect(bootstrap(intercepted).node.metadata).not.toHaveProperty('app_port');
  expect(bootstrap([...intercepted, '--app-port', '8080']).node.metadata).toMatchObject({ app_port: 8080 });
  expect(bootstrap(service).node.metadata).toMatchObject({ interception: 'NONE', app_port: 8080 });
  expect(refusal([...intercepted, '--app-port', '8080,15006'])).toContain('both have the port 15006');
  expect(refusal(['--service', 'shop/orders', '--app-port', '80,81'])).toContain('is not a whole number');
});

test('the families of a host are those by which others can call it', () => {
  const address = (family: 'IPv4' | 'IPv6', text: string, internal: boolean) =>
    ({ family, address: text, internal }) as never;
  expect(
    ipFamilies({
      lo: [address('IPv4', '127.0.0.1', true), address('IPv6', '::1', true)],
      eth0: [address('IPv6', 'fe80::1', false)],
    }),
  ).toEqual(['IPv4']);
  expect(ipFamilies({ eth0: [address('IPv6', 'fd00::1', false)] })).toEqual(['IPv4', 'IPv6']);
});

test('the flight recorder has 4 MiB, what is said in words or environment, or nothing', () => {
  const bytes = (words: readonly string[], environment: NodeJS.ProcessEnv = {}): number =>
    flightRecorderBytes(parseSidecarFlags([...service, ...words], environment).values);
  expect([bytes([]), bytes(['--flight-recorder', '1']), bytes(['--flight-recorder', 'off'])]).toEqual([
    4 * 1024 * 1024,
    1024 * 1024,
    0,
  ]);
  expect(bytes([], { OUTRIGGER_FLIGHT_RECORDER: '0' })).toBe(0);
});
