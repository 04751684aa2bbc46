/** The fields of one header block as the decoder gives them, before anybody judged them. One object per connection, used again and again. */
import type { FieldName } from './field-name.ts';

export class FieldBlock {
  readonly names: FieldName[] = [];
  readonly values: string[] = [];
  /** Sum of the lengths of names and values, also of those left out. */
  decodedBytes = 0;
  fieldCount = 0;
  /** A value has bytes that no field value may have (RFC 9113 8.2.1). */
  hasInvalidValue = false;
  /** More than the limits allow: `names` and `values` are incomplete. */
  tooLarge = false;

  clear(): void {
    this.names.length = 0;
    this.values.length = 0;
    this.decodedBytes = 0;
    this.fieldCount = 0;
    this.hasInvalidValue = false;
    this.tooLarge = false;
  }
}
