/** Every secret here has `planted` in it, and nothing of it may be left. What is no secret has to stay. */
import { describe, expect, test } from 'vitest';
import { maskFile, type TextKind } from './mask-secrets.ts';

const pem = '-----BEGIN EC PRIVATE KEY-----\nplanted\nMHcCplanted\n-----END EC PRIVATE KEY-----';
const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.plantedplanted';

/** Of a Secret of Kubernetes nothing tells it but its kind. */
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' } };
const base64Pem = Buffer.from(pem.replaceAll('planted', 'plantedplanted')).toString('base64');

const planted: ReadonlyArray<readonly [TextKind, string]> = [
  ['json', JSON.stringify({ private_key: { inline_string: 'planted' }, password: 'planted', apiKey: 'planted' })],
  [
    'json',
    JSON.stringify({
      a: [
        { key: 'authorization', value: 'planted' },
        { name: 'DB_PASSWORD', value: 'planted' },
      ],
    }),
  ],
  ['json', JSON.stringify({ a: { note: pem, other: `${pem.slice(0, 60)}` } })],
  [
    'json',
    JSON.stringify({
      headers: [
        ['cookie', 'a=planted'],
        ['x-api-key', 'planted'],
      ],
    }),
  ],
  ['json', JSON.stringify({ command: ['outrigger', '--join-token', 'planted', '--client-secret=planted'] })],
  ['json', JSON.stringify({ annotation: JSON.stringify({ data: { password: 'planted' } }) })],
  ['json', JSON.stringify({ path: '/a?x=1&access_token=planted&y=2', url: 'https://me:planted@host/' })],
  [
    'json',
    JSON.stringify({ headers: { Authorization: 'Basic planted', 'Set-Cookie': ['planted'] }, pin_password: 12345 }),
  ],
  ['json', JSON.stringify({ name: 'x-session-id', string_match: { exact: 'planted' } })],
  ['json', JSON.stringify({ text: `got ${jwt} from ojt_0123456789abcdef_plantedplanted` })],
  ['json', `{"cut": true, "password": "planted", "private_key": "${pem.replaceAll('\n', '\\n').slice(0, 50)}`],
  [
    'yaml',
    `a: 1 # password is planted\nspec: { password: planted, list: [ { key: authorization, value: planted } ] }\n`,
  ],
  [
    'yaml',
    `tls:\n  key: |\n    ${pem.replaceAll('\n', '\n    ')}\n  clientSecret: planted\n---\nenv:\n- name: API_TOKEN\n  value: planted\n`,
  ],
  ['yaml', 'a: [planted\nb: }'],
  [
    'lines',
    `{"message":"token=planted","authorization":"Bearer planted"}\nplain authorization: Bearer plantedplanted\n${pem}\n`,
  ],
  [
    'text',
    `GET / HTTP/1.1\r\nCookie: a=planted; b=planted\r\nAuthorization: Digest username="planted", x\r\nHost: a\r\n`,
  ],
  ['text', 'metric{token="planted"} 1\n--admin-token planted --passphrase=planted\nSECRET_KEY=planted\n'],
  ['text', `bearer plantedplanted, ghp_plantedplantedplanted, sk_live_plantedplanted, ${pem.slice(0, 70)}`],
  ['yaml', `kind: Secret\ndata: { ca.crt: planted }\nstringData:\n  other: planted\n  more: "planted:\\n 12345"\n`],
  ['json', JSON.stringify({ kind: 'List', items: [{ ...secret, data: { user: 'planted' } }] })],
  ['json', JSON.stringify({ kind: 'SecretList', items: [{ metadata: { name: 'a' }, data: { user: 'planted' } }] })],
  ['json', JSON.stringify({ annotation: JSON.stringify({ ...secret, stringData: { user: 'planted' } }) })],
  ['json', JSON.stringify({ files: { 'tls.key': 'planted', 'Client.PEM': 'planted' } })],
  ['lines', 'GET /a?x=1&sig=planted&pwd=planted&CODE=planted&key=planted&id%5ftoken=planted HTTP/1.1 200\n'],
  ['lines', JSON.stringify({ msg: 'request', path: '/a?key=planted&y=2', referer: 'https://a/cb#code=planted' })],
  ['json', JSON.stringify({ url: 'https://a/b?X-Amz-Credential=planted&AWSAccessKeyId=planted' })],
];

test('a PEM in base64 goes, whatever it stands under', () => {
  for (const [kind, text] of [
    ['yaml', `tls: ${base64Pem}\n`],
    ['lines', `wrote ${base64Pem} to a`],
    ['lines', `a:\n${base64Pem.replaceAll(/.{64}/g, '$&\n')}\nb: 1`],
  ] as const) {
    const shown = maskFile(text, kind);
    expect(shown).toContain('[masked]');
    expect(shown).not.toContain(base64Pem.slice(20, 60));
    expect(shown).not.toContain(base64Pem.slice(-12));
  }
});

test('names of what a Secret holds stay, and its metadata', () => {
  const shown = maskFile(JSON.stringify({ ...secret, type: 'Opaque', data: { user: 'YQ==', none: '' } }), 'json');
  expect(JSON.parse(shown)).toEqual({ ...secret, type: 'Opaque', data: { user: '[masked]', none: '' } });
});

test.each(planted)('%s: %s', (kind, text) => {
  expect(maskFile(text, kind)).not.toMatch(/planted|12345/);
});

describe('what is no secret stays', () => {
  test.each<readonly [TextKind, string, RegExp]>([
    [
      'json',
      '{"max_tokens":100,"tokens_per_fill":5,"name":"orders","authority":"orders.shop"}',
      /100[\s\S]*5[\s\S]*orders\.shop/,
    ],
    ['json', '{"stats":[{"name":"cluster.token.upstream_rq_total","value":7}]}', /upstream_rq_total[\s\S]*7/],
    ['json', '{"sds_secret_config":{"name":"default"},"status":503,"flags":"UF"}', /default[\s\S]*503[\s\S]*UF/],
    ['yaml', 'kind: TrafficPolicy\nspec: { retries: 1 }\n', /retries: 1/],
    ['text', 'outrigger_requests_total{source="shop/a",code="200"} 12\n', /shop\/a",code="200"} 12/],
    ['json', '{"kind":"ConfigMap","data":{"mesh":"on"}}', /mesh": "on"/],
    ['lines', 'GET /a?page=2&coded=x&keys=3 code=200\n', /page=2&coded=x&keys=3 code=200/],
    ['text', 'cannot read /etc/tls.key: no such file\n', /tls\.key: no such file/],
    ['text', 'the token was refused: it expired\n', /refused: it expired/],
    ['text', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----', /MIIB/],
  ])('%s: %s', (kind, text, kept) => {
    expect(maskFile(text, kind)).toMatch(kept);
  });
});
