/** Figures of an edge as the protocol has them. */
import { create } from '@bufbuild/protobuf';
import { type EdgeFigures, EdgeFiguresSchema } from '../xds/api/outrigger/observe/v1/observe_pb.js';
import type { EdgeFigure } from './edge-reader.ts';
import { duration } from './encode-record.ts';

export function encodeEdge(edge: EdgeFigure, elapsedMs: number): EdgeFigures {
  const { direction, source, destination, route, durationSumSeconds, active, breaker } = edge;
  return create(EdgeFiguresSchema, {
    ...{ direction, source, destination, route, durationSumSeconds, active, breaker },
    requests: BigInt(edge.requests),
    failures: BigInt(edge.failures),
    retries: BigInt(edge.retries),
    flags: bigInts(edge.flags),
    classes: bigInts(edge.classes),
    durations: edge.durations.map(BigInt),
    secured: BigInt(edge.secured),
    interval: duration(elapsedMs),
  });
}

function bigInts(counts: Readonly<Record<string, number>>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, BigInt(count)]));
}
