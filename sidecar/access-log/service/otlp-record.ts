/** A record as opentelemetry.proto.logs.v1.LogRecord, and many of them as an ExportLogsServiceRequest. The numbers of fields are OpenTelemetry's. */
import { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import type { JsonFormatConfig, OtlpLogConfig } from '../../config/access-log-config.ts';
import type { NodeConfig } from '../../config/bootstrap-config.ts';
import type { WriteMessage } from '../../export/message-memory.ts';
import { defaultLine, traceIdOf } from '../default-line.ts';
import { compileValueFormat } from '../log-format.ts';
import type { LogRecord } from '../log-record.ts';
import { textOf } from '../log-value.ts';
import type { WriteEntry } from './log-service.ts';

/** Writes an AnyValue's fields. */
type ValueWriter = (writer: ProtobufWriter, record: LogRecord | null) => void;

export function otlpRecord(config: OtlpLogConfig): WriteEntry {
  const { attributes } = config;
  const body =
    config.body === null && attributes.length === 0 ? ourLine : config.body === null ? null : anyValue(config.body);
  const named = attributes.map(([name, value]) => [name, anyValue(value)] as const);
  return (writer, record) => {
    writer.unixNanos(1, record.startWallMs);
    if (body !== null) {
      const begun = writer.begin(5);
      body(writer, record);
      writer.end(begun);
    }
    for (const [name, value] of named) keyValue(writer, 6, name, value, record);
    idBytes(writer, 9, traceIdOf(record), 32);
    idBytes(writer, 10, record.spanId, 16);
  };
}

/** `trace_id` and `span_id`. Another length is none of OpenTelemetry's ids: left out. */
function idBytes(writer: ProtobufWriter, field: number, hex: string, digits: number): void {
  if (hex.length === digits) writer.hex(field, hex);
}

const ourLine: ValueWriter = (writer, record) => {
  writer.stringAlways(1, defaultLine(record!));
};

/** Puts records (otlpRecord, each as field 2) together with what is known of who sends them. */
export function otlpRequest(config: OtlpLogConfig, node: NodeConfig): WriteMessage {
  const builtin: ReadonlyArray<readonly [string, string]> = [
    ['log_name', config.logName],
    ['zone_name', node.zone],
    ['cluster_name', node.cluster],
    ['node_name', node.id],
  ];
  const resource = new ProtobufWriter();
  if (config.builtinLabels)
    for (const [name, value] of builtin) keyValue(resource, 1, name, anyValueOfText(value), null);
  for (const [name, value] of config.resourceAttributes) keyValue(resource, 1, name, constant(value), null);
  const resourceBytes = Buffer.from(resource.finish());
  return (out, records) => {
    const resourceLogs = out.begin(1);
    out.bytes(1, resourceBytes);
    const scopeLogs = out.begin(2);
    for (const each of records) out.encoded(each);
    out.end(scopeLogs);
    out.end(resourceLogs);
  };
}

function keyValue(
  writer: ProtobufWriter,
  field: number,
  name: string,
  value: ValueWriter,
  record: LogRecord | null,
): void {
  const pair = writer.begin(field);
  writer.string(1, name);
  const any = writer.begin(2);
  value(writer, record);
  writer.end(any);
  writer.end(pair);
}

function anyValueOfText(value: string): ValueWriter {
  return (writer) => {
    writer.stringAlways(1, value);
  };
}

/** Of a resource: without operators, as there is no request. */
function constant(config: JsonFormatConfig): ValueWriter {
  return typeof config === 'string' ? anyValueOfText(config) : anyValue(config);
}

/** Texts are texts, whatever an operator found, as Envoy has it. */
function anyValue(config: JsonFormatConfig): ValueWriter {
  if (typeof config === 'string') {
    const format = compileValueFormat(config);
    return (writer, record) => writer.stringAlways(1, textOf(format(record!), '-'));
  }
  if (typeof config === 'boolean') return (writer) => writer.bool(2, config);
  if (typeof config === 'number')
    return Number.isSafeInteger(config) ? (writer) => writer.int(3, config) : (writer) => writer.double(4, config);
  if (config === null) return () => {};
  if ('list' in config) {
    const items = config.list.map(anyValue);
    return (writer, record) =>
      writer.message(5, () => {
        for (const item of items) writer.message(1, () => item(writer, record));
      });
  }
  const fields = config.fields.map(([name, value]) => [name, anyValue(value)] as const);
  return (writer, record) =>
    writer.message(6, () => {
      for (const [name, value] of fields) keyValue(writer, 1, name, value, record);
    });
}
