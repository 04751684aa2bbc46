import { create, createFileRegistry, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { compileDescriptors } from './compile-descriptors.ts';
import { ClusterSchema } from './generated/envoy/config/cluster/v3/cluster_pb.js';
import { includePaths } from './proto-sources.ts';
import { pruneDescriptors } from './prune-descriptors.ts';

const name = 'envoy.config.cluster.v3.Cluster';
const files = compileDescriptors(includePaths, ['envoy/config/cluster/v3/cluster.proto']);

describe('cut descriptors', () => {
  it('hold the kept fields and what these reach, and say what was cut', () => {
    const keep = new Set(['name', 'connect_timeout', 'eds_cluster_config']);
    const pruned = pruneDescriptors(files, {
      roots: [name],
      keep: (message, field) => (message === name ? keep.has(field) : field === 'service_name'),
    });
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [...pruned.files] }));
    const cluster = registry.getMessage(name) as DescMessage;
    expect(cluster.fields.map((field) => field.name).sort()).toEqual([...keep].sort());
    expect(registry.getMessage(`${name}.EdsClusterConfig`)!.fields.map((field) => field.name)).toEqual([
      'service_name',
    ]);
    expect(registry.getMessage('envoy.config.route.v3.RouteAction')).toBeUndefined();
    expect(pruned.cut[name]![6]).toBe('lb_policy');
    expect(pruned.cut[name]![1]).toBeUndefined();
  });

  it('read what the whole ones wrote, and keep what was cut as unknown fields', () => {
    const { files: kept } = pruneDescriptors(files, { roots: [name], keep: (_message, field) => field === 'name' });
    const cluster = createFileRegistry(create(FileDescriptorSetSchema, { file: [...kept] })).getMessage(name)!;
    const bytes = toBinary(
      ClusterSchema,
      create(ClusterSchema, { name: 'orders', altStatName: 'o', respectDnsTtl: true }),
    );
    const read = fromBinary(cluster, bytes);
    expect(read).toMatchObject({ name: 'orders' });
    expect(read.$unknown!.map((field) => field.no).sort((a, b) => a - b)).toEqual([28, 39]);
    expect(fromBinary(ClusterSchema, toBinary(cluster, read))).toMatchObject({
      name: 'orders',
      altStatName: 'o',
      respectDnsTtl: true,
    });
  });

  it('leave the ones that they were made from as they were', () => {
    const before = files.map((file) => file.messageType.length).join();
    pruneDescriptors(files, { roots: [name], keep: () => false });
    expect(files.map((file) => file.messageType.length).join()).toBe(before);
  });
});
