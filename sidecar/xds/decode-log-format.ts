/** SubstitutionFormatString and its older forms → LogFormatConfig. Formats are compiled here once to check them. */
import { compileTextFormat } from '../access-log/log-format.ts';
import type { JsonFormatConfig, LogFormatConfig } from '../config/access-log-config.ts';
import type { SubstitutionFormatString } from './api/envoy/config/core/v3/substitution_format_string_pb.js';
import type { FileAccessLog } from './api/envoy/extensions/access_loggers/file/v3/file_pb.js';
import type { AnyValue, KeyValueList } from './api/opentelemetry/proto/common/v1/common_pb.js';
import { dataSourceText } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const mostDepth = 16;

export function fileFormat(file: FileAccessLog, path: string, faults: Faults): LogFormatConfig {
  const format = file.accessLogFormat;
  switch (format.case) {
    case 'logFormat':
      return substitution(format.value, at(path, 'log_format'), faults);
    case 'format':
      return textFormat(format.value, false, at(path, 'format'), faults);
    case 'jsonFormat':
      return jsonFormat(format.value, false, false, at(path, 'json_format'), faults);
    case 'typedJsonFormat':
      return jsonFormat(format.value, false, false, at(path, 'typed_json_format'), faults);
    default:
      return { kind: 'default' };
  }
}

export function substitution(message: SubstitutionFormatString, path: string, faults: Faults): LogFormatConfig {
  const { format, omitEmptyValues, jsonFormatOptions } = message;
  const sorted = jsonFormatOptions?.sortProperties ?? false;
  switch (format.case) {
    case 'textFormat':
      return textFormat(format.value, omitEmptyValues, at(path, 'text_format'), faults);
    case 'textFormatSource': {
      const here = at(path, 'text_format_source');
      const text = dataSourceText(format.value, here, faults);
      const inline = format.value.specifier.case === 'inlineString';
      return textFormat(text, omitEmptyValues, inline ? at(here, 'inline_string') : here, faults);
    }
    case 'jsonFormat':
      return jsonFormat(format.value, omitEmptyValues, sorted, at(path, 'json_format'), faults);
    default:
      return { kind: 'default' };
  }
}

function textFormat(text: string, omitEmpty: boolean, path: string, faults: Faults): LogFormatConfig {
  checkFormat(text, path, faults);
  return text === '' ? { kind: 'default' } : { kind: 'text', text, omitEmpty };
}

function jsonFormat(
  fields: Readonly<Record<string, unknown>>,
  omitEmpty: boolean,
  sorted: boolean,
  path: string,
  faults: Faults,
): LogFormatConfig {
  return { kind: 'json', value: jsonValue(fields, sorted, 0, path, faults), omitEmpty };
}

/** `value`: of a Struct, as JSON has it. */
function jsonValue(value: unknown, sorted: boolean, depth: number, path: string, faults: Faults): JsonFormatConfig {
  if (depth > mostDepth) {
    faults.add(path, `is nested deeper than ${mostDepth}`);
    return null;
  }
  if (typeof value === 'string') {
    checkFormat(value, path, faults);
    return value;
  }
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined)
    return value ?? null;
  if (Array.isArray(value))
    return { list: value.map((item, i) => jsonValue(item, sorted, depth + 1, at(path, i), faults)) };
  const entries = Object.entries(value);
  if (sorted) entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return {
    fields: entries.map(([name, item]) => [name, jsonValue(item, sorted, depth + 1, at(path, name), faults)] as const),
  };
}

/** OpenTelemetry's values, whose strings may have operators too. */
export function anyValue(message: AnyValue | undefined, path: string, faults: Faults, depth = 0): JsonFormatConfig {
  const value = message?.value;
  if (depth > mostDepth) {
    faults.add(path, `is nested deeper than ${mostDepth}`);
    return null;
  }
  switch (value?.case) {
    case 'stringValue':
      checkFormat(value.value, at(path, 'string_value'), faults);
      return value.value;
    case 'boolValue':
    case 'doubleValue':
      return value.value;
    case 'intValue':
      return Number(value.value);
    case 'arrayValue': {
      const here = at(path, 'array_value.values');
      return { list: value.value.values.map((each, i) => anyValue(each, at(here, i), faults, depth + 1)) };
    }
    case 'kvlistValue':
      return { fields: keyValues(value.value, at(path, 'kvlist_value'), faults, depth + 1) };
    default:
      return null;
  }
}

export function keyValues(
  message: KeyValueList | undefined,
  path: string,
  faults: Faults,
  depth = 0,
): ReadonlyArray<readonly [string, JsonFormatConfig]> {
  return (message?.values ?? []).map(({ key, value }, i) => {
    const here = at(at(path, 'values'), i);
    if (key === '') faults.add(at(here, 'key'), 'must not be empty');
    return [key, anyValue(value, at(here, 'value'), faults, depth)] as const;
  });
}

function checkFormat(text: string, path: string, faults: Faults): void {
  try {
    compileTextFormat(text);
  } catch (error) {
    faults.add(path, (error as Error).message);
  }
}
