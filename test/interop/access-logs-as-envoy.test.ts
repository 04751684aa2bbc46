/** The same access logs from one bootstrap file: text, JSON, what filters let pass, and entries of Envoy's access log service, of the same requests through a real Envoy and through our sidecar. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTPAccessLogEntrySchema } from '../../proto/generated/envoy/data/accesslog/v3/accesslog_pb.js';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { AccessLogServer } from './access-log-server.ts';
import { type Json, listener, staticBootstrap, staticCluster } from './envoy-resources.ts';
import { ask, type Question } from './exchange.ts';
import { Stage } from './programs.ts';

const grpc = { 'content-type': 'application/grpc', te: 'trailers' };
const id = (digits: string): Json => ({ 'x-request-id': `${digits}-0000-4000-8000-000000000000` });

const requests: Readonly<Record<string, Question>> = {
  plain: { path: '/a/b?x=1&y=%20z', headers: { 'user-agent': 'curl', referer: 'r', 'x-forwarded-for': '10.1.2.3' } },
  body: { path: '/', method: 'POST', body: 'hello' },
  rewritten: { path: '/rewritten/old?q=1' },
  'not found': { path: '/', headers: { 'x-status': '404' } },
  'failed by the application': { path: '/', headers: { 'x-status': '500' } },
  'no route': { host: 'nowhere.test' },
  'no host': { path: '/empty/' },
  'nobody listens': { path: '/refused/' },
  'too late': { path: '/late/' },
  'made up': { path: '/direct/' },
  'a gRPC call': { path: '/', method: 'POST', headers: grpc },
  'a gRPC call that fails': { path: '/', method: 'POST', headers: { ...grpc, 'x-grpc': '5' } },
  'a gRPC call to nobody': { path: '/empty/', method: 'POST', headers: grpc },
  'asked to be logged': { path: '/', headers: { 'x-log': 'please' } },
  'in the share': { path: '/', headers: id('00000004') as Record<string, string> },
  'not in the share': { path: '/', headers: id('00000063') as Record<string, string> },
};

/** Operators whose text must be the same, each in a column of its own. */
const operators: readonly string[] = [
  ...['REQ(:METHOD)', 'REQ(X-ENVOY-ORIGINAL-PATH?:PATH)', 'REQ(:PATH):5', 'REQ(:AUTHORITY)', 'REQ(:SCHEME)'],
  ...['REQ(USER-AGENT)', 'REQUEST_HEADER(REFERER)', 'REQ(X-NONE?USER-AGENT)', 'REQ(X-FORWARDED-FOR)', 'PROTOCOL'],
  ...['RESP(X-APP)', 'RESPONSE_HEADER(X-APP?SERVER)', 'RESP(:STATUS)', 'TRAILER(GRPC-MESSAGE)', 'RESPONSE_CODE'],
  ...['RESPONSE_FLAGS', 'RESPONSE_FLAGS_LONG', 'GRPC_STATUS', 'GRPC_STATUS(SNAKE_STRING)', 'GRPC_STATUS(NUMBER)'],
  ...['GRPC_STATUS_NUMBER', 'BYTES_RECEIVED', 'BYTES_SENT', 'UPSTREAM_CLUSTER', 'ROUTE_NAME', 'UPSTREAM_HOST'],
  ...['UPSTREAM_REQUEST_ATTEMPT_COUNT', 'VIRTUAL_CLUSTER_NAME', 'REQUESTED_SERVER_NAME', 'ACCESS_LOG_TYPE'],
  ...['REQUESTED_SERVER_NAME(SNI_FIRST:HOST)', 'PATH(NQ)', 'PATH(WQ:PATH)', 'PATH(WQ:ORIG)', 'QUERY_PARAM(x)'],
  ...['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', 'DOWNSTREAM_LOCAL_ADDRESS', 'DOWNSTREAM_LOCAL_PORT', 'HOSTNAME'],
  ...['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', 'DOWNSTREAM_TLS_VERSION', 'DOWNSTREAM_PEER_URI_SAN'],
  ...['UPSTREAM_REMOTE_PORT', 'ENVIRONMENT(NO_SUCH_VARIABLE)', 'DYNAMIC_METADATA(nobody:x)', 'ROUNDTRIP_DURATION'],
  ...['BYTES_RETRANSMITTED', 'PACKETS_RETRANSMITTED', 'CONNECTION_TERMINATION_DETAILS', 'RESPONSE_CODE_DETAILS'],
  ...['UPSTREAM_PROTOCOL', 'UPSTREAM_LOCAL_ADDRESS', 'UPSTREAM_TRANSPORT_FAILURE_REASON'],
];

const filters: Readonly<Record<string, Json>> = {
  'status 500 and above': comparison('status_code_filter', 'GE', 500),
  'status 404': comparison('status_code_filter', 'EQ', 404),
  'status up to 200': comparison('status_code_filter', 'LE', 200),
  'a quarter of a second or longer': comparison('duration_filter', 'GE', 250),
  'any flag': { response_flag_filter: {} },
  'flag UH or NR': { response_flag_filter: { flags: ['UH', 'NR'] } },
  'a header': { header_filter: { header: { name: 'x-log', string_match: { exact: 'please' } } } },
  'not that header': { header_filter: { header: { name: 'x-log', present_match: true, invert_match: true } } },
  'gRPC status NOT_FOUND or UNAVAILABLE': { grpc_status_filter: { statuses: ['NOT_FOUND', 'UNAVAILABLE'] } },
  'gRPC status other than UNKNOWN': { grpc_status_filter: { statuses: ['UNKNOWN'], exclude: true } },
  'a share by request id': {
    and_filter: {
      filters: [
        { header_filter: { header: { name: 'x-request-id', string_match: { suffix: '-8000-000000000000' } } } },
        { runtime_filter: { runtime_key: 'none', percent_sampled: { numerator: 5 } } },
      ],
    },
  },
  none: { runtime_filter: { runtime_key: 'none', percent_sampled: { numerator: 0 } } },
  'either of two': {
    or_filter: { filters: [comparison('status_code_filter', 'EQ', 404), { response_flag_filter: { flags: ['UF'] } }] },
  },
  'both of two': {
    and_filter: { filters: [comparison('status_code_filter', 'EQ', 503), { response_flag_filter: { flags: ['UF'] } }] },
  },
  'no health check': { not_health_check_filter: {} },
  'metadata that is not there': {
    metadata_filter: {
      matcher: { filter: 'nobody', path: [{ key: 'x' }], value: { bool_match: true } },
      match_if_key_not_found: false,
    },
  },
  'ends of requests': { log_type_filter: { types: ['DownstreamEnd'] } },
  'all but those': { log_type_filter: { types: ['DownstreamEnd'], exclude: true } },
  'an expression': {
    extension_filter: {
      name: 'cel',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
        expression: "response.code >= 500 || request.headers['x-log'] == 'please'",
      },
    },
  },
};

function comparison(kind: string, op: string, value: number): Json {
  return { [kind]: { comparison: { op, value: { default_value: value, runtime_key: 'none' } } } };
}

interface Ports {
  readonly admin: number;
  readonly main: number;
  readonly app: number;
  readonly closed: number;
  readonly als: number;
}

function bootstrap(ports: Ports, folder: string): Json {
  const file = (name: string, format: Json, filter?: Json): Json => ({
    name: 'envoy.access_loggers.file',
    ...(filter === undefined ? {} : { filter }),
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
      path: join(folder, name),
      log_format: format,
    },
  });
  const text = (columns: readonly string[]): Json => ({
    text_format_source: { inline_string: `${columns.map((each) => `%${each}%`).join('|')}\n` },
  });
  const question = 'REQ(X-QUESTION)';
  const logs = [
    file('text', text([question, ...operators])),
    file('omitted', { ...text([question, ...operators]), omit_empty_values: true }),
    file('json', { json_format: jsonFormat }),
    file('json-omitted', { json_format: jsonFormat, omit_empty_values: true }),
    file('times', text([question, ...times])),
    ...Object.entries(filters).map(([name, filter]) => file(`filter ${name}`, text([question]), filter)),
    file('end', text([question])),
    {
      name: 'envoy.access_loggers.http_grpc',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
        common_config: {
          log_name: 'the-log',
          transport_api_version: 'V3',
          grpc_service: { envoy_grpc: { cluster_name: 'als' } },
          buffer_flush_interval: '0.1s',
        },
        additional_request_headers_to_log: ['x-question', 'x-log'],
        additional_response_headers_to_log: ['x-app'],
        additional_response_trailers_to_log: ['grpc-status'],
      },
    },
  ];
  const routes: Json = {
    name: 'r',
    virtual_hosts: [
      {
        name: 'v',
        domains: ['service.test'],
        routes: [
          { name: 'rewrite', match: { prefix: '/rewritten/' }, route: { cluster: 'app', prefix_rewrite: '/new/' } },
          { name: 'empty', match: { prefix: '/empty/' }, route: { cluster: 'empty' } },
          { name: 'refused', match: { prefix: '/refused/' }, route: { cluster: 'refused' } },
          { name: 'late', match: { prefix: '/late/' }, route: { cluster: 'app', timeout: '0.3s' } },
          {
            name: 'direct',
            match: { prefix: '/direct/' },
            direct_response: { status: 418, body: { inline_string: 'tea' } },
          },
          { name: 'all', match: { prefix: '/' }, route: { cluster: 'app' } },
        ],
      },
    ],
  };
  return {
    ...staticBootstrap({
      adminPort: ports.admin,
      listeners: [listener({ name: 'main', port: ports.main, codec: 'HTTP1', manager: { access_log: logs } }, routes)],
      clusters: [
        staticCluster({ name: 'app' }, [ports.app]),
        staticCluster({ name: 'empty' }, []),
        staticCluster({ name: 'refused' }, [ports.closed]),
        staticCluster({ name: 'als', http2: true }, [ports.als]),
      ],
    }),
  };
}

const jsonFormat: Json = {
  question: '%REQ(X-QUESTION)%',
  code: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  both: 'code %RESPONSE_CODE% flags %RESPONSE_FLAGS%',
  nested: { method: '%REQ(:METHOD)%', deeper: { bytes: '%BYTES_SENT%', none: '%REQ(X-NONE)%' } },
  list: ['%ROUTE_NAME%', 'text', '%REQ(X-NONE)%'],
  grpc: '%GRPC_STATUS%',
  number: '%GRPC_STATUS_NUMBER%',
  fixed: 'text "quoted"',
};

/** Whose values differ from run to run: of these the form is compared, digit for digit. */
const times: readonly string[] = [
  ...['START_TIME', 'START_TIME(%Y/%m/%dT%H:%M:%S%z)', 'START_TIME(%s)', 'START_TIME(%s.%3f)', 'START_TIME(%s.%6f)'],
  ...['START_TIME(%s.%9f)', 'START_TIME(%F %T %j %y %I %p)', 'EMIT_TIME', 'DURATION', 'REQUEST_DURATION'],
  ...['RESPONSE_DURATION', 'RESPONSE_TX_DURATION', 'REQUEST_TX_DURATION', 'COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)'],
  ...['COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)', 'STREAM_ID', 'UNIQUE_ID', 'CONNECTION_ID'],
];

interface Outcome {
  readonly files: Readonly<Record<string, readonly string[]>>;
  readonly entries: readonly Json[];
  readonly names: ReadonlyArray<readonly [string | undefined, string | undefined]>;
}

const stage = new Stage();
const app = createServer((request, response) => {
  request.resume();
  if (request.url!.startsWith('/late/')) return;
  const type = request.headers['content-type'];
  response.statusCode = Number(request.headers['x-status'] ?? 200);
  response.setHeader('x-app', 'yes');
  if (type === 'application/grpc') {
    response.setHeader('content-type', type);
    response.setHeader('grpc-status', String(request.headers['x-grpc'] ?? 0));
  }
  request.on('end', () => response.end('hello'));
});
let outcomes: { readonly envoy: Outcome; readonly sidecar: Outcome };

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    app.listen(0, '127.0.0.1', resolve);
  });
  const [admin, main, closed] = await freePorts(3);
  const run = async (name: 'envoy' | 'sidecar'): Promise<Outcome> => {
    const als = new AccessLogServer();
    const folder = join(stage.folder, name);
    mkdirSync(folder);
    const ports = {
      admin: admin!,
      main: main!,
      closed: closed!,
      app: (app.address() as AddressInfo).port,
      als: await als.start(),
    };
    const proxy = await stage[name](bootstrap(ports, folder));
    for (const [question, request] of Object.entries(requests))
      await ask(main!, { ...request, headers: { ...request.headers, 'x-question': question } });
    const count = Object.keys(requests).length;
    await waitFor('the last line', 30_000, async () => lines(folder, 'end').length === count);
    await waitFor('all entries', 30_000, async () => als.entries.length === count);
    // Each file is written in its own time: at its end a proxy writes what is left for any of them.
    await proxy.program.stop();
    const names = [
      'text',
      'omitted',
      'json',
      'json-omitted',
      'times',
      ...Object.keys(filters).map((each) => `filter ${each}`),
    ];
    const outcome = {
      files: Object.fromEntries(names.map((each) => [each, lines(folder, each)])),
      entries: als.entries.map((entry) => toJson(HTTPAccessLogEntrySchema, entry) as Json),
      names: als.messages.map(({ identifier }) => [identifier?.logName, identifier?.node?.id] as const),
    };
    als.stop();
    return outcome;
  };
  const envoy = await run('envoy');
  outcomes = { envoy, sidecar: await run('sidecar') };
}, 180_000);

afterAll(async () => {
  await stage.stop();
  app.closeAllConnections();
  app.close();
});

function lines(folder: string, name: string): readonly string[] {
  const text = readFileSync(join(folder, name), 'utf8').trim();
  return text === '' ? [] : text.split('\n');
}

const columns = ['X-QUESTION', ...operators];

/** Where ours says something else on purpose, or knows less. */
const own = ['BYTES_SENT', 'RESPONSE_HEADER(X-APP?SERVER)'];
const differs: Readonly<Record<string, ReadonlySet<string>>> = {
  // Our own answers have another body, and say `server: outrigger`.
  'no route': new Set(own),
  'no host': new Set(own),
  'made up': new Set(own),
  'a gRPC call to nobody': new Set(own),
  // We try again at no charge where a connection could not be made, and say less of why it could not.
  'nobody listens': new Set([
    ...[...own, 'UPSTREAM_REQUEST_ATTEMPT_COUNT', 'RESPONSE_CODE_DETAILS', 'UPSTREAM_PROTOCOL'],
    'UPSTREAM_TRANSPORT_FAILURE_REASON',
  ]),
  // What protocol it would have been answered in is not kept; and the connection is closed by then, whose end is not either.
  'too late': new Set([...own, 'UPSTREAM_PROTOCOL', 'UPSTREAM_LOCAL_ADDRESS']),
};

function byColumn(file: string, outcome: Outcome): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    outcome.files[file]!.map((line) => {
      const values = line.split('|');
      // The system chose the port.
      const row = columns.map(
        (column, i) =>
          [column, column === 'UPSTREAM_LOCAL_ADDRESS' ? values[i]!.replace(/:\d+$/, '') : values[i]] as const,
      );
      const question = values[0]!;
      return [question, Object.fromEntries(row.filter(([column]) => differs[question]?.has(column) !== true))] as const;
    }),
  );
}

describe('the same text', () => {
  it.each(Object.keys(requests))('%s', (question) => {
    expect(byColumn('text', outcomes.sidecar)[question]).toEqual(byColumn('text', outcomes.envoy)[question]);
  });

  it('with omit_empty_values', () => {
    expect(byColumn('omitted', outcomes.sidecar)).toEqual(byColumn('omitted', outcomes.envoy));
  });

  it('of times, digit for digit', () => {
    const table = ({ files }: Outcome): unknown => files['times']!.map(columnsOf);
    expect(table(outcomes.sidecar)).toEqual(table(outcomes.envoy));
  });
});

/** Times as a table, so that a difference says whose. Of numbers that are no times of day: that they are there. */
function columnsOf(line: string): Readonly<Record<string, string>> {
  const values = line.split('|');
  const shapes = ['X-QUESTION', ...times].map((name, i) => {
    const value = values[i] ?? '';
    const counted = !name.includes('_TIME') && /^\d+$/.test(value);
    return [name, counted ? 'a number' : value.replace(/[0-9a-f]/g, 'x')] as const;
  });
  return Object.fromEntries(shapes);
}

it.each(['json', 'json-omitted'])('the same JSON (%s)', (file) => {
  const parsed = ({ files }: Outcome): unknown =>
    files[file]!.map((line) => {
      const value = JSON.parse(line) as { question: string; nested: { deeper: { bytes: unknown } } };
      if (differs[value.question]?.has('BYTES_SENT') === true) value.nested.deeper.bytes = null;
      return value;
    });
  expect(parsed(outcomes.sidecar)).toEqual(parsed(outcomes.envoy));
});

describe('the same requests pass the filter', () => {
  it.each(Object.keys(filters))('%s', (name) => {
    expect(outcomes.sidecar.files[`filter ${name}`]).toEqual(outcomes.envoy.files[`filter ${name}`]);
  });

  it('each lets something pass, and something not', () => {
    const counts = Object.keys(filters).map((name) => outcomes.envoy.files[`filter ${name}`]!.length);
    expect(counts.filter((count) => count > 0 && count < Object.keys(requests).length).length).toBeGreaterThan(10);
  });
});

describe("entries of Envoy's access log service", () => {
  it('say who sends them once', () => {
    expect(outcomes.sidecar.names[0]).toEqual(outcomes.envoy.names[0]);
    expect(outcomes.envoy.names[0]).toEqual(['the-log', 'interop']);
  });

  it.each(Object.keys(requests).map((question, i) => [question, i] as const))('%s', (question, i) => {
    expect(comparable(question, outcomes.sidecar.entries[i]!)).toEqual(
      comparable(question, outcomes.envoy.entries[i]!),
    );
  });
});

type Entry = Record<string, Record<string, unknown>>;

/** Without what differs from run to run (times, ports of clients, ids that were made up), and what we do not know: bytes on the wire, our own address on the way to the upstream. */
function comparable(question: string, entry: Json): unknown {
  const { commonProperties, request, response, ...rest } = structuredClone(entry) as unknown as Entry;
  const told = (name: string): boolean => commonProperties![name] !== undefined;
  const times = Object.keys(commonProperties!).filter((name) => /^timeTo|^duration$|^startTime$/.test(name));
  for (const name of times) commonProperties![name] = told(name);
  for (const name of Object.keys(commonProperties!))
    if (
      /WireBytes/.test(name) ||
      ['upstreamLocalAddress', 'streamId', 'downstreamTransportFailureReason'].includes(name)
    )
      delete commonProperties![name];
  for (const name of ['downstreamRemoteAddress', 'downstreamDirectRemoteAddress'])
    delete (commonProperties![name] as { socketAddress?: { portValue?: number } } | undefined)?.socketAddress
      ?.portValue;
  for (const name of Object.keys(request ?? {}))
    if (/HeaderBytes|HeadersBytes|requestId/.test(name)) delete request![name];
  for (const name of Object.keys(response ?? {})) if (/HeaderBytes|HeadersBytes/.test(name)) delete response![name];
  const differing = differs[question] ?? new Set();
  if (differing.has('BYTES_SENT')) delete response!['responseBodyBytes'];
  if (differing.has('RESPONSE_CODE_DETAILS')) delete response!['responseCodeDetails'];
  if (differing.has('UPSTREAM_REQUEST_ATTEMPT_COUNT')) delete commonProperties!['upstreamRequestAttemptCount'];
  delete commonProperties!['upstreamTransportFailureReason'];
  return { commonProperties, request, response, ...rest };
}
