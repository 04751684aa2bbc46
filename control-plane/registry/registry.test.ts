/** Leases of registered instances: how they last, expire, and survive a restart. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { type Instance, InstanceSchema } from '../../proto/generated/outrigger/registry/v1/registry_pb.js';
import { InstanceStore } from './instance-store.ts';
import { instanceFault } from './registration-check.ts';
import { Registry, type RegistryOptions } from './registry.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Time that a test moves, with the timers that hang on it. */
class ManualTime {
  nowMs = 0;
  readonly #timers: Array<{ readonly at: number; readonly callback: () => void }> = [];

  readonly after = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { at: this.nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  };

  /** The process does not run meanwhile: what is due comes late. */
  stand(ms: number): void {
    this.nowMs += ms;
  }

  pass(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > until) break;
      this.nowMs = Math.max(this.nowMs, next.at);
      this.#timers.splice(this.#timers.indexOf(next), 1);
      next.callback();
    }
    this.nowMs = until;
  }
}

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-registry-'));
  folders.push(folder);
  return folder;
}

function rig(dataDir: string | null, mayBe: RegistryOptions['mayBe'] = () => true) {
  const time = new ManualTime();
  const log = pino({ level: 'silent' });
  const store = new InstanceStore(dataDir, log, time.after);
  let changes = 0;
  const held: boolean[] = [];
  const registry = new Registry({
    store,
    nowMs: () => time.nowMs,
    after: time.after,
    mayBe,
    onChange: () => changes++,
    onHeld: (begins) => held.push(begins),
  });
  return { time, registry, changes: () => changes, held };
}

const instance = (init: MessageInitShape<typeof InstanceSchema> = {}): Instance =>
  create(InstanceSchema, {
    namespace: 'shop',
    service: 'orders',
    instanceId: 'one',
    address: '127.0.0.1',
    port: 9000,
    ...init,
  });

describe('the registry', () => {
  test('drops an instance whose lease is not renewed, and keeps one whose lease is', () => {
    const { time, registry } = rig(null);
    const kept = registry.register(instance({ instanceId: 'kept' }), 10)!;
    registry.register(instance({ instanceId: 'lost' }), 10);
    time.pass(6_000);
    expect(registry.heartbeat(kept.leaseId)).toBe(10);
    time.pass(6_000);
    expect(registry.instances.map(({ instanceId }) => instanceId)).toEqual(['kept']);
    time.pass(11_000);
    expect(registry.heartbeat(kept.leaseId)).toBeNull();
  });

  test('takes nobody out while nothing is heard of anybody: it is cut off itself; who is still not heard of a lease after that is dropped', () => {
    const { time, registry, held } = rig(null);
    const [one] = ['one', 'two', 'three'].map((instanceId) => registry.register(instance({ instanceId }), 15)!);
    time.pass(60_000);
    expect(registry.instances).toHaveLength(3);
    expect(held).toEqual([true]);
    expect(registry.heartbeat(one!.leaseId)).toBe(15);
    expect(held).toEqual([true, false]);
    time.pass(14_000);
    expect(registry.instances).toHaveLength(3);
    registry.heartbeat(one!.leaseId);
    time.pass(2_000);
    expect(registry.instances.map(({ instanceId }) => instanceId)).toEqual(['one']);
  });

  test('one that was kept is not kept again when it is silent still', () => {
    const { time, registry } = rig(null);
    for (const instanceId of ['one', 'two']) registry.register(instance({ instanceId }), 15);
    time.pass(60_000);
    registry.register(instance({ instanceId: 'three' }), 15);
    time.pass(17_000);
    expect(registry.instances.map(({ instanceId }) => instanceId)).toEqual(['three']);
  });

  test('the only instance is dropped: of one alone nobody can tell who is cut off', () => {
    const { time, registry, held } = rig(null);
    registry.register(instance(), 15);
    registry.register(instance({ instanceId: 'seldom' }), 300);
    time.pass(16_000);
    expect(registry.instances.map(({ instanceId }) => instanceId)).toEqual(['seldom']);
    expect(held).toEqual([]);
  });

  test('time in which the process stood still does not count', () => {
    const { time, registry } = rig(null);
    const { leaseId } = registry.register(instance(), 15)!;
    time.pass(5_000);
    time.stand(60_000);
    time.pass(8_000);
    expect(registry.heartbeat(leaseId)).toBe(15);
    time.stand(60_000);
    registry.heartbeat(leaseId);
    time.pass(17_000);
    expect(registry.instances).toEqual([]);
  });

  test('drops an instance whose identity is no more one of its service, at the next sweep', () => {
    let accounts = ['a', 'b'];
    const { time, registry } = rig(null, (_, identity) => accounts.includes(identity));
    for (const identity of ['', 'a', 'b']) registry.register(instance({ instanceId: `of-${identity}` }), 10, identity);
    time.pass(1_000);
    expect(registry.instances).toHaveLength(3);
    accounts = ['a'];
    time.pass(1_000);
    expect(registry.instances.map(({ instanceId }) => instanceId)).toEqual(['of-', 'of-a']);
  });

  test('replaces the instance of the same id, whose old lease is void', () => {
    const { registry } = rig(null);
    const first = registry.register(instance(), 0)!;
    registry.register(instance({ port: 9001 }), 0);
    expect(registry.instances.map(({ port }) => port)).toEqual([9001]);
    expect(registry.heartbeat(first.leaseId)).toBeNull();
    registry.deregister(first.leaseId);
    expect(registry.instances).toHaveLength(1);
  });

  test('knows who has taken an instance over from another address, until that one is gone', () => {
    const { registry, time } = rig(null);
    const first = registry.register(instance(), 0)!;
    expect(registry.successor(first.leaseId)).toBeNull();
    const second = registry.register(instance({ port: 9001 }), 0)!;
    expect(registry.successor(first.leaseId)).toMatchObject({ port: 9001 });
    registry.deregister(second.leaseId);
    expect(registry.successor(first.leaseId)).toBeNull();
    // Nobody asks for the lease of who is gone: it is forgotten.
    const third = registry.register(instance({ port: 9002 }), 300)!;
    registry.register(instance({ port: 9003 }), 300);
    time.pass(301_000);
    expect(registry.successor(third.leaseId)).toBeNull();
  });

  test('the same place that registers again has taken over from nobody', () => {
    const { registry } = rig(null);
    const first = registry.register(instance(), 0)!;
    registry.register(instance(), 0);
    expect(registry.successor(first.leaseId)).toBeNull();
  });

  test('keeps the list as one object until something changes, and says when', () => {
    const { registry, changes } = rig(null);
    const { leaseId } = registry.register(instance(), 0)!;
    const list = registry.instances;
    registry.heartbeat(leaseId);
    expect(registry.instances).toBe(list);
    expect(changes()).toBe(1);
    registry.deregister(leaseId);
    expect(registry.instances).toEqual([]);
    expect(changes()).toBe(2);
  });

  test('gives instances of before a restart the whole of their time to renew', () => {
    const folder = dataFolder();
    const before = rig(folder);
    const { leaseId } = before.registry.register(instance({ labels: { version: 'v1' } }), 10)!;
    before.registry.close();
    const after = rig(folder);
    expect(after.registry.instances).toMatchObject([{ instanceId: 'one', labels: { version: 'v1' } }]);
    after.time.pass(9_000);
    expect(after.registry.heartbeat(leaseId)).toBe(10);
    after.time.pass(9_000);
    expect(after.registry.instances).toHaveLength(1);
  });

  test('puts a damaged store aside and starts empty', () => {
    const folder = dataFolder();
    writeFileSync(join(folder, 'instances.json'), '[{"leaseId":');
    expect(rig(folder).registry.instances).toEqual([]);
    expect(readFileSync(join(folder, 'instances.json.broken'), 'utf8')).toBe('[{"leaseId":');
  });

  test('tells watchers what came and went', () => {
    const { registry } = rig(null);
    const told: string[] = [];
    const stop = registry.watch({
      onChange: (added, removed) =>
        told.push(`+${added.map((each) => each.instanceId).join()} -${removed.map((each) => each.instanceId).join()}`),
    });
    const { leaseId } = registry.register(instance(), 0)!;
    registry.deregister(leaseId);
    stop();
    registry.register(instance(), 0);
    expect(told).toEqual(['+one -', '+ -one']);
  });
});

describe('a registration', () => {
  test.each([
    ['namespace', { namespace: 'No' }],
    ['service', { service: '' }],
    ['instance_id', { instanceId: '' }],
    ['address', { address: 'nowhere' }],
    ['address', { address: '0.0.0.0' }],
    ['port', { port: 0 }],
    ['port', { port: 70_000 }],
    ['weight', { weight: 200 }],
    ['labels', { labels: { a: 'x'.repeat(64) } }],
  ])('is refused with the name of its field: %s', (field, init) => {
    expect(instanceFault(instance(init))).toContain(`instance.${field}`);
  });

  test('that is good has no fault', () => {
    expect(instanceFault(instance())).toBe('');
    expect(instanceFault(undefined)).toContain('missing');
    // Found at the ports of the Service: it has none of its own.
    expect(instanceFault(instance({ port: 0, byTargetPort: true }))).toBe('');
    expect(instanceFault(instance({ port: 70_000, byTargetPort: true }))).toContain('instance.port');
  });
});
