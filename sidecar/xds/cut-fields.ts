/** Names of the fields of Envoy's API that the sidecar does not take, by message: so that a fault can say which one it was. Read only when there is a fault to name. */
import cutFields from './api/cut-fields.json' with { type: 'json' };

const cut: Readonly<Record<string, Readonly<Record<string, string>>>> = cutFields;

/** The name of a field that was cut, by its number; null for a number that Envoy's API does not have either. */
export function cutFieldName(message: string, number: number): string | null {
  return cut[message]?.[number] ?? null;
}

/** Whether Envoy's API has a field of that name (or its lowerCamelCase form) that is cut here. */
export function isCutField(message: string, name: string): boolean {
  return Object.values(cut[message] ?? {}).some(
    (field) => field === name || field.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()) === name,
  );
}
