/** A file that describes a simulation → the simulation, or every fault with its line and field. Policies in it are read as the control plane reads them; what the simulator does not play is refused by name. */
import { dirname, join } from 'node:path';
import type { Document } from 'yaml';
import { durationMs } from '../../control-plane/config-kind/duration.ts';
import { parseDocument } from '../../control-plane/config-kind/kind.ts';
import { type Resource, resourceName } from '../../control-plane/config-kind/resource.ts';
import { pathText, schemaFaults } from '../../control-plane/config-kind/schema-fault.ts';
import type { Fault } from '../../control-plane/source/fault.ts';
import { fieldOffset } from '../../yaml/field-offset.ts';
import { documentFaults, documentValue, readDocuments } from '../../yaml/read-documents.ts';
import type { FailureSpec, LatencyChange } from './failure-effects.ts';
import type { LatencySpec } from './latency.ts';
import { afterTheEnd, moreThanThereAre, type NeverHappens } from './never-happens.ts';
import { notSimulated } from './not-simulated.ts';
import type { CallSpec, LoadSpec, RequestSpec, ServiceSpec, Simulation, Variant } from './simulation.ts';
import { type SimulationDocument, simulationSchema } from './simulation-schema.ts';

/** `warnings`: what `--duration` leaves out of the script. */
export type ReadSimulation =
  | { readonly simulation: Simulation; readonly warnings: readonly Fault[] }
  | { readonly faults: readonly Fault[] };

/** A document of the file, as a plain value, and where its fields stand. */
interface Read {
  readonly value: unknown;
  readonly at: (path: readonly PropertyKey[]) => {
    readonly file: string;
    readonly line: number;
    readonly column: number;
  };
}

/** `readFile` gives the text of another file, or throws an Error in words. `seed` and `durationMs` count instead of the file's, where they are given. */
export function readSimulation(
  file: string,
  text: string,
  readFile: (path: string) => string,
  instead: { readonly seed?: number; readonly durationMs?: number } = {},
): ReadSimulation {
  const faults: Fault[] = [];
  const documents = readAll(file, text, faults);
  const described = documents.filter(({ value }) => (value as { kind?: unknown } | null)?.kind === 'Simulation');
  const whole = (message: string): Fault => ({ file, line: 0, column: 0, path: '', message });
  if (described.length === 0 && faults.length === 0)
    faults.push(whole('has no document of kind Simulation (apiVersion outrigger.dev/v1); docs/simulate.md shows one'));
  for (const { at } of described.slice(1))
    faults.push({ ...at(['kind']), path: 'kind', message: 'is the second Simulation of this file; one is expected' });
  const [first] = described;
  const parsed = first === undefined ? null : parseSimulation(first, faults);
  const never = (found: readonly NeverHappens[]): Fault[] =>
    found.map(({ path, message }) => ({ ...first!.at(path), path: pathText(path), message }));
  const late = parsed === null ? [] : never(afterTheEnd(parsed, instead.durationMs));
  if (parsed !== null)
    faults.push(...never(moreThanThereAre(parsed)), ...(instead.durationMs === undefined ? late : []));
  const shared = documents.flatMap((read) => (described.includes(read) ? [] : resourceOf(read, [], faults)));
  const variants =
    first === undefined || parsed === null
      ? []
      : variantsOf(
          first,
          parsed,
          [...shared, ...fromFiles(parsed.spec.policies ?? [], first, file, readFile, faults)],
          faults,
        );
  if (parsed === null || faults.length > 0)
    return { faults: faults.toSorted((a, b) => a.line - b.line || a.column - b.column) };
  return { simulation: simulationOf(parsed, variants, instead), warnings: late };
}

function readAll(file: string, text: string, faults: Fault[]): Read[] {
  const { documents, fault, lines } = readDocuments(text);
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const read: Read[] = [];
  for (const document of documents) {
    const wrong = documentFaults(document);
    for (const { offset, message } of wrong)
      faults.push({ ...place(offset), path: '', message: `is not YAML: ${message}` });
    if (wrong.length > 0) continue;
    const value = valueOf(document, place, faults);
    if (value !== null && value !== undefined) read.push({ value, at: (path) => place(fieldOffset(document, path)) });
  }
  if (fault !== null) faults.push({ ...place(fault.offset), path: '', message: fault.message });
  return read;
}

function valueOf(
  document: Document.Parsed,
  place: (offset: number) => { readonly file: string; readonly line: number; readonly column: number },
  faults: Fault[],
): unknown {
  try {
    return documentValue(document);
  } catch (error) {
    faults.push({
      ...place(document.contents?.range[0] ?? 0),
      path: '',
      message: `cannot be read: ${(error as Error).message}`,
    });
    return null;
  }
}

function parseSimulation({ value, at }: Read, faults: Fault[]): SimulationDocument | null {
  const result = simulationSchema.safeParse(value);
  if (result.success) return result.data;
  for (const { path, message } of schemaFaults(result.error, value, 'Simulation', simulationSchema))
    faults.push({ ...at(path), path: pathText(path), message });
  return null;
}

/** A policy or route, which stands in the file itself or, at `within`, in the description. */
function resourceOf({ value, at }: Read, within: readonly PropertyKey[], faults: Fault[]): Resource[] {
  const result = parseDocument(value, at(within));
  const wrong = 'faults' in result ? result.faults : notSimulated(result.resource, value);
  for (const { path, message } of wrong)
    faults.push({ ...at([...within, ...path]), path: pathText([...within, ...path]), message });
  return 'faults' in result || wrong.length > 0 ? [] : [result.resource];
}

function variantsOf(
  read: Read,
  { metadata, spec }: SimulationDocument,
  base: readonly Resource[],
  faults: Fault[],
): Variant[] {
  const { namespace = 'default' } = metadata;
  const written = spec.variants ?? [{ name: '', documents: [] }];
  const variants = written.map(({ name, documents = [] }, which) => {
    const own = documents.flatMap((value, document) =>
      resourceOf({ value, at: read.at }, ['spec', 'variants', which, 'documents', document], faults),
    );
    const names = new Set(own.map(resourceName));
    return { name, resources: [...base.filter((each) => !names.has(resourceName(each))), ...own] };
  });
  const strangers = new Set([...base, ...variants.flatMap(({ resources }) => resources)]);
  for (const { place, kind, namespace: other, name } of strangers)
    if (other !== namespace)
      faults.push({
        ...place,
        path: 'metadata.namespace',
        message: `${kind} ${other}/${name} is for nobody: all services of the simulation are in namespace ${namespace}`,
      });
  return variants;
}

/** Services in them are passed over: the fleet is what the simulation says. */
function fromFiles(
  paths: readonly string[],
  { at }: Read,
  file: string,
  readFile: (path: string) => string,
  faults: Fault[],
): readonly Resource[] {
  return paths.flatMap((path, which) => {
    const other = join(dirname(file), path);
    try {
      return readAll(other, readFile(other), faults)
        .filter(({ value }) => (value as { kind?: unknown } | null)?.kind !== 'Service')
        .flatMap((read) => resourceOf(read, [], faults));
    } catch (error) {
      const where = ['spec', 'policies', which];
      faults.push({ ...at(where), path: pathText(where), message: `cannot be read: ${(error as Error).message}` });
      return [];
    }
  });
}

function simulationOf(
  { metadata, spec }: SimulationDocument,
  variants: readonly Variant[],
  { seed, durationMs: otherDurationMs }: { readonly seed?: number; readonly durationMs?: number },
): Simulation {
  const totalMs = otherDurationMs ?? durationMs(spec.duration ?? '60s');
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? 'default',
    seed: seed ?? spec.seed ?? 1,
    durationMs: totalMs,
    intervalMs: spec.interval === undefined ? Math.max(100, Math.ceil(totalMs / 24)) : durationMs(spec.interval),
    roundTripMs: durationMs(spec.roundTrip ?? '1ms'),
    services: spec.services.map(serviceSpec),
    loads: spec.load.map(loadSpec),
    variants,
  };
}

function serviceSpec(written: SimulationDocument['spec']['services'][number]): ServiceSpec {
  const { endpoints = 1 } = written;
  return {
    name: written.name,
    endpoints,
    sidecars: Math.min(endpoints, written.sidecars ?? 10),
    protocol: written.protocol ?? 'http',
    latency: latencySpec(written.latency),
    concurrency: written.concurrency ?? Infinity,
    queue: written.queue ?? 1000,
    cancelled: written.cancelled ?? 'finish',
    calls: (written.calls ?? []).map(
      (call): CallSpec => ({
        ...requestSpec(call),
        share: shareOf(call.share ?? '100%'),
        times: call.times ?? 1,
        optional: call.optional ?? false,
      }),
    ),
    failures: (written.failures ?? []).map((failure): FailureSpec => failureSpec(failure)),
  };
}

function failureSpec(
  written: NonNullable<SimulationDocument['spec']['services'][number]['failures']>[number],
): FailureSpec {
  const { endpoints = '100%' } = written;
  return {
    atMs: durationMs(written.at),
    forMs: written.for === undefined ? Infinity : durationMs(written.for),
    endpoints:
      typeof endpoints === 'number'
        ? { kind: 'count', count: endpoints }
        : { kind: 'share', share: shareOf(endpoints) },
    failShare: shareOf(written.fail ?? '0%'),
    status: written.status ?? 503,
    latency: written.latency === undefined ? null : latencyChange(written.latency),
    capacityShare: shareOf(written.capacity ?? '100%'),
    dead: written.dead ?? false,
    refuses: written.refuses ?? false,
  };
}

function loadSpec(written: SimulationDocument['spec']['load'][number]): LoadSpec {
  const { rate = 0, clients } = written;
  const steps = typeof rate === 'number' ? [{ at: '0s', rate }] : rate;
  return {
    ...requestSpec(written),
    from: written.from ?? 'client',
    sidecars: written.sidecars ?? 1,
    arrivals:
      clients === undefined
        ? {
            kind: 'open',
            even: written.even ?? false,
            steps: steps.map((step) => ({ atMs: durationMs(step.at), perSecond: step.rate })),
          }
        : { kind: 'closed', clients, thinkMs: durationMs(written.think ?? '0s') },
  };
}

function requestSpec(written: {
  readonly service: string;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}): RequestSpec {
  const { service, method = 'GET', path = '/', headers = {} } = written;
  return { service, method, path, headers };
}

function latencySpec(written: SimulationDocument['spec']['services'][number]['latency']): LatencySpec {
  if (written === undefined) return { kind: 'fixed', ms: 10 };
  if (typeof written === 'string') return { kind: 'fixed', ms: durationMs(written) };
  if ('p50' in written) return { kind: 'percentiles', p50Ms: durationMs(written.p50), p99Ms: durationMs(written.p99) };
  if ('mean' in written) return { kind: 'mean', ms: durationMs(written.mean) };
  return { kind: 'uniform', fromMs: durationMs(written.from), toMs: durationMs(written.to) };
}

function latencyChange(text: string): LatencyChange {
  if (text.startsWith('x')) return { kind: 'times', factor: Number(text.slice(1)) };
  if (text.startsWith('+')) return { kind: 'plus', ms: durationMs(text.slice(1)) };
  return { kind: 'fixed', ms: durationMs(text) };
}

function shareOf(text: string): number {
  return Number(text.slice(0, -1)) / 100;
}
