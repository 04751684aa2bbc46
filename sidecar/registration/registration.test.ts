import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import { GrpcPeer, type PeerCall } from '../grpc/test/grpc-peer.ts';
import { Log } from '../runtime/log.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import {
  DeregisterRequestSchema,
  DeregisterResponseSchema,
  HeartbeatRequestSchema,
  HeartbeatResponseSchema,
  InstanceSchema,
  RegisterRequestSchema,
  RegisterResponseSchema,
} from '../xds/api/outrigger/registry/v1/registry_pb.js';
import { Registration } from './registration.ts';

let peer: GrpcPeer | null = null;

afterEach(async () => {
  await peer?.close();
  peer = null;
});

/** A registry that answers as told, on a clock that the test moves; every answered call is an event to wait for. */
class Fixture {
  readonly calls: string[] = [];
  readonly log: string[] = [];
  readonly warnings: string[] = [];
  readonly registration: Registration;
  /** Next answers by method: a status code; 0 is the default. */
  readonly failures: Array<readonly [method: string, code: number]> = [];
  /** Next answers to Register, byte by byte; null: none at all. */
  readonly answers: Array<Uint8Array | null> = [];
  /** Calls that were not answered. */
  readonly held: PeerCall[] = [];
  nowMs = 0;
  leases = 0;
  readonly #wheel: TimerWheel;
  #waiting: (() => void) | null = null;

  constructor(to: GrpcPeer) {
    const clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    this.#wheel = new TimerWheel(clock, () => () => {});
    const instance = create(InstanceSchema, {
      namespace: 'shop',
      service: 'orders',
      instanceId: 'a',
      address: '127.0.0.1',
      port: 15006,
    });
    this.registration = new Registration(instance, {
      clusters: to.clusters,
      clusterName: 'xds',
      wheel: this.#wheel,
      random: () => 0.5,
      log: new Log(clock, 'info', false, (line) => this.log.push(line)),
      onWarning: (warning) => this.warnings.push(warning),
    });
  }

  onMessage(call: PeerCall, message: Buffer): void {
    const method = call.path.slice(call.path.lastIndexOf('/') + 1);
    const failure = this.failures.findIndex(([name]) => name === method);
    this.calls.push(`${method} ${describeRequest(method, message)}`.trim());
    if (failure >= 0) call.end(this.failures.splice(failure, 1)[0]![1], 'told to fail');
    else if (method === 'Register' && this.answers.length > 0) {
      const answer = this.answers.shift()!;
      if (answer === null) this.held.push(call);
      else {
        call.send(answer);
        call.end(0);
      }
    } else {
      if (method === 'Register')
        call.send(
          toBinary(
            RegisterResponseSchema,
            create(RegisterResponseSchema, { leaseId: `lease-${++this.leases}`, ttlSeconds: 15 }),
          ),
        );
      if (method === 'Heartbeat')
        call.send(toBinary(HeartbeatResponseSchema, create(HeartbeatResponseSchema, { ttlSeconds: 15 })));
      if (method === 'Deregister') call.send(toBinary(DeregisterResponseSchema, create(DeregisterResponseSchema)));
      call.end(0);
    }
    this.#waiting?.();
  }

  /** Until the registry has had `count` calls and this side has its timer for the next. */
  async until(count: number): Promise<void> {
    while (this.calls.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    // The answer is on its way through real sockets: let the event loop turn until it is in.
    for (let turn = 0; turn < 1_000 && this.#wheel.armedCount !== 1; turn++)
      await new Promise((resolve) => setImmediate(resolve));
    while (this.#callUnderWay()) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Until the registry has had `count` calls, answered or not. */
  async reached(count: number): Promise<void> {
    while (this.calls.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  #callUnderWay(): boolean {
    return peer!.gauge('upstream_rq_active') > 0;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.#wheel.advance();
  }
}

function describeRequest(method: string, bytes: Buffer): string {
  if (method === 'Register') {
    const { instance, ttlSeconds } = fromBinary(RegisterRequestSchema, bytes);
    return `${instance!.namespace}/${instance!.service} ${instance!.address}:${instance!.port} for ${ttlSeconds} s`;
  }
  return fromBinary(method === 'Heartbeat' ? HeartbeatRequestSchema : DeregisterRequestSchema, bytes).leaseId;
}

async function start(): Promise<Fixture> {
  let fixture: Fixture | null = null;
  peer = await GrpcPeer.start({ onMessage: (call, message) => fixture!.onMessage(call, message) });
  fixture = new Fixture(peer);
  return fixture;
}

describe('the registration of an instance', () => {
  it('registers, then renews the lease at a third of its life', async () => {
    const fixture = await start();
    fixture.registration.start();
    await fixture.until(1);
    expect(fixture.registration.registered).toBe(true);
    fixture.pass(4_900);
    expect(fixture.calls).toHaveLength(1);
    fixture.pass(200);
    await fixture.until(2);
    expect(fixture.calls).toEqual(['Register shop/orders 127.0.0.1:15006 for 15 s', 'Heartbeat lease-1']);
  });

  it('registers again when the control plane no longer knows the lease', async () => {
    const fixture = await start();
    fixture.registration.start();
    await fixture.until(1);
    fixture.failures.push(['Heartbeat', 5]);
    fixture.pass(5_100);
    await fixture.until(3);
    fixture.pass(5_100);
    await fixture.until(4);
    expect(fixture.calls.slice(1).map((call) => call.replace(/ shop.*/, ''))).toEqual([
      'Heartbeat lease-1',
      'Register',
      'Heartbeat lease-2',
    ]);
  });

  it('does not fight for its name with another process: says so once, and is back when the other is gone', async () => {
    const fixture = await start();
    fixture.registration.start();
    await fixture.until(1);
    fixture.failures.push(['Heartbeat', 6], ['Heartbeat', 6]);
    fixture.pass(5_100);
    await fixture.until(2);
    fixture.pass(5_100);
    await fixture.until(3);
    fixture.failures.push(['Heartbeat', 5]);
    fixture.pass(5_100);
    await fixture.until(5);
    expect(fixture.calls.slice(1).map((call) => call.replace(/ shop.*/, ''))).toEqual([
      'Heartbeat lease-1',
      'Heartbeat lease-1',
      'Heartbeat lease-1',
      'Register',
    ]);
    expect(fixture.log.filter((line) => line.includes('gets no calls: told to fail'))).toHaveLength(1);
  });

  it('tries again with growing pauses, and tells the first failure only', async () => {
    const fixture = await start();
    for (let i = 0; i < 3; i++) fixture.failures.push(['Register', 14]);
    fixture.registration.start();
    for (let calls = 1; calls <= 3; calls++) {
      await fixture.until(calls);
      expect(fixture.registration.registered).toBe(false);
      fixture.pass(10_000);
    }
    await fixture.until(4);
    expect(fixture.registration.registered).toBe(true);
    expect(fixture.log.filter((line) => line.includes('could not register'))).toHaveLength(1);
  });

  it('keeps the lease through failures that are not about it', async () => {
    const fixture = await start();
    fixture.registration.start();
    await fixture.until(1);
    fixture.failures.push(['Heartbeat', 14]);
    fixture.pass(5_100);
    await fixture.until(2);
    fixture.pass(2_000);
    await fixture.until(3);
    expect(fixture.calls.slice(1)).toEqual(['Heartbeat lease-1', 'Heartbeat lease-1']);
  });

  it('takes the instance out when it is closed', async () => {
    const fixture = await start();
    fixture.registration.start();
    await fixture.until(1);
    await fixture.registration.close();
    expect(fixture.calls.at(-1)).toBe('Deregister lease-1');
    fixture.pass(60_000);
    expect(fixture.calls).toHaveLength(2);
  });

  it('closes at once when it never was registered', async () => {
    const fixture = await start();
    fixture.failures.push(['Register', 14]);
    fixture.registration.start();
    await fixture.until(1);
    await fixture.registration.close();
    expect(fixture.calls).toHaveLength(1);
  });

  it('does not hold up a shutdown when the control plane does not answer', async () => {
    const fixture = await start();
    fixture.registration.start();
    await fixture.until(1);
    peer!.clusters.destroyAll();
    await fixture.registration.close();
    expect(fixture.registration.registered).toBe(true);
  });

  it.each([
    ['is no message', Buffer.from([0xff, 0xff, 0xff]), 'cannot be read'],
    ['has no lease', Buffer.alloc(0), 'has no lease'],
  ])('takes an answer that %s for a failure, and tries again', async (_what, answer, said) => {
    const fixture = await start();
    fixture.answers.push(answer);
    fixture.registration.start();
    await fixture.until(1);
    expect(fixture.registration.registered).toBe(false);
    expect(fixture.log.join('')).toContain(said);
    fixture.pass(10_000);
    await fixture.until(2);
    expect(fixture.registration.registered).toBe(true);
  });

  it('hands on why nobody is sent to the instance, as a line without control characters', async () => {
    const fixture = await start();
    const warning = `there is no service shop/orders\u001b[2J${'!'.repeat(1_000)}`;
    const answer = create(RegisterResponseSchema, { leaseId: 'lease-x', ttlSeconds: 15, warning });
    fixture.answers.push(toBinary(RegisterResponseSchema, answer));
    fixture.registration.start();
    await fixture.until(1);
    expect(fixture.registration.registered).toBe(true);
    expect(fixture.warnings).toHaveLength(1);
    expect(fixture.warnings[0]).toMatch(/^there is no service shop\/orders \[2J!+$/);
    expect(fixture.warnings[0]).toHaveLength(500);
  });

  it('renews within the hour, whatever life the answer gives a lease', async () => {
    const fixture = await start();
    const answer = create(RegisterResponseSchema, { leaseId: 'lease-x', ttlSeconds: 0xffff_ffff });
    fixture.answers.push(toBinary(RegisterResponseSchema, answer));
    fixture.registration.start();
    await fixture.until(1);
    fixture.pass(1_201_000);
    await fixture.until(2);
    expect(fixture.calls[1]).toBe('Heartbeat lease-x');
  });

  it('gives back the lease of a registration that was under way when it was closed', async () => {
    const fixture = await start();
    fixture.answers.push(null);
    fixture.registration.start();
    await fixture.reached(1);
    const closed = fixture.registration.close();
    const [register] = fixture.held;
    register!.send(
      toBinary(RegisterResponseSchema, create(RegisterResponseSchema, { leaseId: 'late', ttlSeconds: 15 })),
    );
    register!.end(0);
    await closed;
    expect(fixture.calls.slice(1)).toEqual(['Deregister late']);
    fixture.pass(60_000);
    expect(fixture.calls).toHaveLength(2);
  });

  it('does not wait for long for the answer to a registration when it is closed, and registers no more', async () => {
    const fixture = await start();
    fixture.answers.push(null);
    fixture.registration.start();
    await fixture.reached(1);
    const closed = fixture.registration.close();
    fixture.pass(2_100);
    await closed;
    for (let i = 0; i < 5; i++) fixture.pass(10_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(fixture.calls).toHaveLength(1);
  });

  it('closes at once while its first call has no connection yet', async () => {
    const fixture = await start();
    fixture.registration.start();
    await fixture.registration.close();
    fixture.pass(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(fixture.calls).toEqual([]);
  });
});
