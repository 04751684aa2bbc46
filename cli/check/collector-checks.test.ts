import { expect, test } from 'vitest';
import { collectorFindings } from './collector-checks.ts';

type Facts = Parameters<typeof collectorFindings>[0];

const row = {
  place: 'otel.example:4317',
  service: '',
  host: 'otel.example',
  port: 4317,
  namedBy: ['shop/t'],
  problem: '',
};

async function found(facts: Partial<Facts>, up: readonly string[] = []): Promise<string[]> {
  const findings = await collectorFindings({ collectors: [], endpoints: [], ...facts }, ({ host, port }) =>
    Promise.resolve(up.includes(`${host}:${port}`) ? '' : 'connection refused'),
  );
  return findings.map(({ level, text }) => `${level}: ${text}`);
}

test('a collector by address is reached, or not, from here', async () => {
  expect(await found({})).toEqual(['ok: no Telemetry document names one']);
  expect((await found({ collectors: [row] }, ['otel.example:4317']))[0]).toBe(
    'ok: otel.example:4317 (of Telemetry shop/t) can be reached',
  );
  expect((await found({ collectors: [row] }))[0]).toBe(
    "warning: otel.example:4317 (of Telemetry shop/t) can't be reached from here: connection refused",
  );
  expect((await found({ collectors: [{ ...row, host: '127.0.0.1' }] }))[0]).toMatch(
    /^skipped: .* is beside each proxy/,
  );
});

test('of a Service it is enough that one instance is reached; none, or no Service, is a problem', async () => {
  const service = { ...row, place: 'otel.shop:4317', host: 'otel.shop', service: 'shop/otel' };
  const at = (address: string) => ({ service: 'shop/otel', port: 4317, address });
  const endpoints = [at('10.0.0.1:4317'), at('10.0.0.2:4317'), { ...at('10.0.0.3:1'), port: 1 }];
  expect((await found({ collectors: [service], endpoints }, ['10.0.0.2:4317']))[0]).toMatch(/^ok: otel\.shop:4317/);
  expect((await found({ collectors: [service], endpoints }, ['10.0.0.3:1']))[0]).toMatch(/^warning: /);
  expect((await found({ collectors: [service] }))[0]).toMatch(/^problem: .* no instance of the Service is there/);
  expect((await found({ collectors: [{ ...service, problem: 'there is no Service shop/otel' }] }))[0]).toMatch(
    /^problem: .*: there is no Service shop\/otel/,
  );
});
