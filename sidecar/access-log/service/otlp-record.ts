/** A record as opentelemetry.proto.logs.v1.LogRecord, and many of them as an ExportLogsServiceRequest. The numbers of fields are OpenTelemetry's. */
import { WireType } from '@bufbuild/protobuf/wire';
import type { JsonFormatConfig, OtlpLogConfig } from '../../config/access-log-config.ts';
import type { NodeConfig } from '../../config/bootstrap-config.ts';
import { defaultLine, traceIdOf } from '../default-line.ts';
import { compileValueFormat } from '../log-format.ts';
import type { LogRecord } from '../log-record.ts';
import { textOf } from '../log-value.ts';
import { BinaryWriter, bytes, double, fixed64, nested, text } from './wire.ts';

/** Writes an AnyValue's fields. */
type ValueWriter = (writer: BinaryWriter, record: LogRecord | null) => void;

export function otlpRecord(config: OtlpLogConfig): (record: LogRecord) => Uint8Array {
  const { attributes } = config;
  const body =
    config.body === null && attributes.length === 0 ? ourLine : config.body === null ? null : anyValue(config.body);
  const named = attributes.map(([name, value]) => [name, anyValue(value)] as const);
  return (record) => {
    const writer = new BinaryWriter();
    fixed64(writer, 1, BigInt(Math.round(record.startWallMs * 1000)) * 1000n);
    if (body !== null) nested(writer, 5, () => body(writer, record));
    for (const [name, value] of named) keyValue(writer, 6, name, value, record);
    idBytes(writer, 9, traceIdOf(record), 32);
    idBytes(writer, 10, record.spanId, 16);
    return writer.finish();
  };
}

/** `trace_id` and `span_id`. Another length is none of OpenTelemetry's ids: left out. */
function idBytes(writer: BinaryWriter, field: number, hex: string, digits: number): void {
  if (hex.length === digits) bytes(writer, field, Buffer.from(hex, 'hex'));
}

const ourLine: ValueWriter = (writer, record) => {
  writer.tag(1, WireType.LengthDelimited).string(defaultLine(record!));
};

/** Gives a function that puts records (otlpRecord) together with what is known of who sends them. */
export function otlpRequest(config: OtlpLogConfig, node: NodeConfig): (records: readonly Uint8Array[]) => Uint8Array {
  const builtin: ReadonlyArray<readonly [string, string]> = [
    ['log_name', config.logName],
    ['zone_name', node.zone],
    ['cluster_name', node.cluster],
    ['node_name', node.id],
  ];
  const resource = new BinaryWriter();
  if (config.builtinLabels)
    for (const [name, value] of builtin) keyValue(resource, 1, name, anyValueOfText(value), null);
  for (const [name, value] of config.resourceAttributes) keyValue(resource, 1, name, constant(value), null);
  const resourceBytes = resource.finish();
  return (records) => {
    const writer = new BinaryWriter();
    nested(writer, 1, () => {
      bytes(writer, 1, resourceBytes);
      nested(writer, 2, () => {
        for (const record of records) bytes(writer, 2, record);
      });
    });
    return writer.finish();
  };
}

function keyValue(
  writer: BinaryWriter,
  field: number,
  name: string,
  value: ValueWriter,
  record: LogRecord | null,
): void {
  nested(writer, field, () => {
    text(writer, 1, name);
    nested(writer, 2, () => value(writer, record));
  });
}

function anyValueOfText(value: string): ValueWriter {
  return (writer) => {
    writer.tag(1, WireType.LengthDelimited).string(value);
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
    return (writer, record) => writer.tag(1, WireType.LengthDelimited).string(textOf(format(record!), '-'));
  }
  if (typeof config === 'boolean') return (writer) => writer.tag(2, WireType.Varint).bool(config);
  if (typeof config === 'number')
    return Number.isSafeInteger(config)
      ? (writer) => writer.tag(3, WireType.Varint).int64(config)
      : (writer) => double(writer, 4, config);
  if (config === null) return () => {};
  if ('list' in config) {
    const items = config.list.map(anyValue);
    return (writer, record) =>
      nested(writer, 5, () => {
        for (const item of items) nested(writer, 1, () => item(writer, record));
      });
  }
  const fields = config.fields.map(([name, value]) => [name, anyValue(value)] as const);
  return (writer, record) =>
    nested(writer, 6, () => {
      for (const [name, value] of fields) keyValue(writer, 1, name, value, record);
    });
}
