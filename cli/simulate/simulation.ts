/** What is simulated: a file as validated, with every default filled in. Made by simulation-file.ts only. */
import type { Resource } from '../../control-plane/config-kind/resource.ts';
import type { FailureSpec } from './failure-effects.ts';
import type { LatencySpec } from './latency.ts';

export interface Simulation {
  readonly name: string;
  /** Of all services. */
  readonly namespace: string;
  readonly seed: number;
  readonly durationMs: number;
  /** Between two rows of the table. */
  readonly intervalMs: number;
  /** There and back between two endpoints. */
  readonly roundTripMs: number;
  readonly services: readonly ServiceSpec[];
  readonly loads: readonly LoadSpec[];
  /** At least one. Each meets the same load and the same failures. */
  readonly variants: readonly Variant[];
}

export interface Variant {
  /** '' : the only one. */
  readonly name: string;
  /** Policies and routes; Services are made of `services`. */
  readonly resources: readonly Resource[];
}

export interface ServiceSpec {
  readonly name: string;
  readonly endpoints: number;
  /** Sidecars that stand for those of all its endpoints when these call others. */
  readonly sidecars: number;
  readonly protocol: 'http' | 'http2';
  readonly latency: LatencySpec;
  /** Requests that one endpoint works on at a time; Infinity: any number. */
  readonly concurrency: number;
  /** Requests that wait at one endpoint; one more is answered 503. */
  readonly queue: number;
  /** What becomes of a request whose caller gave it up. */
  readonly cancelled: 'finish' | 'stop';
  /** What it asks of others for each request, one after the other, behind its own work. */
  readonly calls: readonly CallSpec[];
  readonly failures: readonly FailureSpec[];
}

export interface RequestSpec {
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface CallSpec extends RequestSpec {
  /** Of requests that need it. */
  readonly share: number;
  /** How often. */
  readonly times: number;
  /** Its failure does not fail the request. */
  readonly optional: boolean;
}

export interface LoadSpec extends RequestSpec {
  /** Who calls, as the tables name it. */
  readonly from: string;
  readonly sidecars: number;
  readonly arrivals: /** Requests come whatever becomes of them. `steps`: at least one, by time; the first at 0. */
    | { readonly kind: 'open'; readonly even: boolean; readonly steps: readonly RateStep[] }
    /** So many clients, each with one request at a time. */
    | { readonly kind: 'closed'; readonly clients: number; readonly thinkMs: number };
}

export interface RateStep {
  readonly atMs: number;
  readonly perSecond: number;
}

/** Where a service's callers find it. */
export const servicePort = 80;
/** Where its instances listen. */
export const instancePort = 8080;
