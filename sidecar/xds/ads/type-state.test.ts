import { describe, expect, it } from 'vitest';
import type { AdsResponse } from './ads-message.ts';
import { clusterType, endpointsType } from './resource-type.ts';
import {
  clusterBytes,
  endpointsBytes,
  invalidClusterBytes,
  invalidEndpointsBytes,
  typeUrls,
} from './test/mesh-resources.ts';
import { TypeState } from './type-state.ts';

function delta(
  typeUrl: string,
  resources: ReadonlyArray<readonly [name: string, version: string, bytes: Uint8Array]>,
  removed: readonly string[] = [],
): AdsResponse {
  return {
    typeUrl,
    nonce: 'n',
    version: '',
    resources: resources.map(([name, version, bytes]) => ({ name, version, bytes, typeUrl, ttl: false })),
    removed,
  };
}

function endpoints(...wanted: string[]): TypeState {
  const state = new TypeState(endpointsType);
  state.want(new Set(wanted), 0);
  return state;
}

describe('what the client holds of a type', () => {
  it('is not touched by resources that were not asked for, valid or not (xds.md C1.10)', () => {
    const state = endpoints('a');
    const response = delta(typeUrls.endpoints, [
      ['a', '1', endpointsBytes('a', 1)],
      ['b', '1', endpointsBytes('b', 1)],
      ['c', '1', invalidEndpointsBytes('c', 1)],
    ]);
    expect(state.take(response, false, 0)).toBe('');
    expect([...state.resources.keys()]).toEqual(['a']);
    expect(state.refused.size).toBe(0);
  });

  it('keeps its objects when the same bytes come under another version', () => {
    const state = endpoints('a');
    state.take(delta(typeUrls.endpoints, [['a', '1', endpointsBytes('a', 1)]]), false, 1);
    const { value } = state.resources.get('a')!;
    state.take(delta(typeUrls.endpoints, [['a', '2', endpointsBytes('a', 1)]]), false, 2);
    expect(state.resources.get('a')).toMatchObject({ version: '2', updatedWallMs: 1 });
    expect(state.resources.get('a')!.value).toBe(value);
  });

  it('remembers why an update was refused until a good one comes', () => {
    const state = new TypeState(clusterType);
    state.take(delta(typeUrls.cluster, [['a', '1', clusterBytes('a', 1)]]), false, 1);
    const nack = state.take(delta(typeUrls.cluster, [['a', '2', invalidClusterBytes('a', 1)]]), false, 2);
    expect(nack).toBe('cluster "a": lb_policy: a cluster of type ORIGINAL_DST takes CLUSTER_PROVIDED');
    expect(state.refused.get('a')).toEqual({
      version: '2',
      details: 'lb_policy: a cluster of type ORIGINAL_DST takes CLUSTER_PROVIDED',
      atWallMs: 2,
    });
    expect(state.resources.get('a')).toMatchObject({ version: '1' });
    state.take(delta(typeUrls.cluster, [['a', '3', clusterBytes('a', 3)]]), false, 3);
    expect(state.refused.size).toBe(0);
    expect(state.resources.get('a')).toMatchObject({ version: '3' });
  });

  it('refuses a resource that is filed under a name that is not its own', () => {
    const state = endpoints('a', 'b');
    expect(state.take(delta(typeUrls.endpoints, [['a', '1', endpointsBytes('b', 1)]]), false, 0)).toContain(
      'resource "a" holds endpoints "b"',
    );
    expect(state.resources.size).toBe(0);
  });

  it('refuses a resource of another type', () => {
    const state = endpoints('a');
    const response = {
      ...delta(typeUrls.endpoints, []),
      resources: [{ name: 'a', version: '1', bytes: clusterBytes('a', 1), typeUrl: typeUrls.cluster, ttl: false }],
    };
    expect(state.take(response, false, 0)).toContain('stands among');
  });

  it('ends the wait for a name when it is there, or said not to exist', () => {
    const state = endpoints('a', 'b', 'c');
    state.take(delta(typeUrls.endpoints, [['a', '1', endpointsBytes('a', 1)]], ['b']), false, 0);
    expect(['a', 'b', 'c'].map((name) => state.settled(name))).toEqual([true, true, false]);
    state.want(new Set(['b']), 0);
    expect(state.settled('a')).toBe(false);
    expect(state.settled('b')).toBe(true);
  });

  it('keeps endpoints and routes whose removal is told while their parent still refers to them (gRFC A88; Envoy ignores it too)', () => {
    const state = endpoints('a', 'b');
    state.take(delta(typeUrls.endpoints, [['a', '1', endpointsBytes('a', 1)]]), false, 0);
    const held = state.resources.get('a');
    expect(state.take(delta(typeUrls.endpoints, [], ['a', 'b', 'c']), false, 1)).toBe('');
    expect([...state.resources]).toEqual([['a', held]]);
    expect([...state.absent]).toEqual(['b']);
    // They come back in another form: taken as any change.
    state.take(delta(typeUrls.endpoints, [['a', '2', endpointsBytes('a', 2)]]), false, 2);
    expect(state.resources.get('a')).toMatchObject({ version: '2' });
    // The parent goes: so do they.
    state.want(new Set(['b']), 0);
    expect(state.resources.size).toBe(0);
  });

  it('does not grow by names of clusters that are gone', () => {
    const state = new TypeState(clusterType);
    for (let i = 0; i < 10; i++) {
      state.take(delta(typeUrls.cluster, [[`c${i}`, '1', clusterBytes(`c${i}`, 1)]]), false, 0);
      state.take(delta(typeUrls.cluster, [], [`c${i}`]), false, 0);
    }
    expect([state.resources.size, state.refused.size, state.absent.size]).toEqual([0, 0, 0]);
  });

  it('takes neither of two resources of one name, whatever stands first, and keeps what was before (xds.md C1.10)', () => {
    const state = new TypeState(clusterType);
    state.take(delta(typeUrls.cluster, [['a', '1', clusterBytes('a', 1)]]), false, 0);
    const nack = state.take(
      delta(typeUrls.cluster, [
        ['a', '2', clusterBytes('a', 2)],
        ['b', '2', clusterBytes('b', 2)],
        ['a', '3', clusterBytes('a', 3)],
      ]),
      false,
      0,
    );
    expect(nack).toBe('cluster "a" is there twice; names are unique in a response');
    expect([...state.resources].map(([name, { version }]) => `${name}@${version}`)).toEqual(['a@1', 'b@2']);
    expect(state.refused.get('a')?.details).toContain('is there twice');
  });

  it('refuses a name that is changed and removed at once', () => {
    const state = new TypeState(clusterType);
    state.take(delta(typeUrls.cluster, [['a', '1', clusterBytes('a', 1)]]), false, 0);
    expect(state.take(delta(typeUrls.cluster, [['a', '2', clusterBytes('a', 2)]], ['a']), false, 0)).toContain(
      '"a" is there twice',
    );
    expect(state.resources.get('a')?.version).toBe('1');
  });

  it('refuses a resource with a time to live, and one that only prolongs it (docs/xds-support.md)', () => {
    const state = endpoints('a');
    const [resource] = delta(typeUrls.endpoints, [['a', '1', endpointsBytes('a', 1)]]).resources;
    const withTtl = { ...delta(typeUrls.endpoints, []), resources: [{ ...resource!, ttl: true }] };
    expect(state.take(withTtl, false, 0)).toBe(
      'endpoints "a": ttl (a resource that ends by itself) is not supported, and this client does not say that it is; see docs/xds-support.md',
    );
    const heartbeat = {
      ...withTtl,
      resources: [{ name: 'a', version: '1', bytes: new Uint8Array(), typeUrl: '', ttl: true }],
    };
    expect(state.take(heartbeat, false, 0)).toContain('"a": ttl');
    const wrapped = {
      ...withTtl,
      resources: [
        {
          name: '',
          version: '1',
          bytes: new Uint8Array(),
          typeUrl: 'type.googleapis.com/envoy.service.discovery.v3.Resource',
          ttl: false,
        },
      ],
    };
    expect(state.take(wrapped, false, 0)).toContain('ttl');
    expect(state.resources.size).toBe(0);
  });

  it('does not grow by refused names that full states no longer have', () => {
    const state = new TypeState(clusterType);
    for (let i = 0; i < 10; i++)
      state.take(delta(typeUrls.cluster, [[`c${i}`, '1', invalidClusterBytes(`c${i}`, 1)]]), true, 0);
    expect([...state.refused.keys()]).toEqual(['c9']);
  });
});

describe('a name that is given up and wanted again, in state of the world', () => {
  const sotw = (...wanted: string[]): TypeState => {
    const state = new TypeState(endpointsType, true);
    state.want(new Set(wanted), 0);
    return state;
  };
  const take = (state: TypeState, number: number): string =>
    state.take(delta(typeUrls.endpoints, [['a', `v${number}`, endpointsBytes('a', number)]]), false, 0);

  it('has what it had, for the server may not have heeded that it was given up', () => {
    const state = sotw('a');
    take(state, 1);
    const before = state.resources.get('a');
    state.want(new Set(['b']), 1_000);
    expect([...state.resources.keys()]).toEqual([]);
    state.want(new Set(['a']), 60_000);
    expect(state.resources.get('a')).toBe(before);
  });

  it('has what came meanwhile, also when it is the first that came', () => {
    const state = sotw('a');
    state.want(new Set(), 0);
    take(state, 1);
    expect(state.resources.size).toBe(0);
    state.want(new Set(['a']), 0);
    expect(state.resources.get('a')?.version).toBe('v1');
  });

  it('begins with nothing after 2 minutes, and on a new stream', () => {
    const state = sotw('a');
    take(state, 1);
    state.want(new Set(), 0);
    state.want(new Set(['a']), 120_000);
    expect(state.resources.size).toBe(0);
    take(state, 2);
    state.want(new Set(), 120_000);
    state.streamOpened();
    state.want(new Set(['a']), 120_000);
    expect(state.resources.size).toBe(0);
  });
});
