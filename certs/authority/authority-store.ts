/**
 * Where authorities and the state of their rotation live: one owner-only file for each authority (`authority-ID.json`: chain, roots and key together, so that none is ever there without the others), and
 * `rotation.json`, which says which of them count. An authority is written before the state that names it, and removed after the state that no longer does: a crash leaves at most a file too many.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { IdentityFault } from '../identity-fault.ts';
import { type LeafLife, readLeafLife } from '../rotation/leaf-life.ts';
import { type RotationState, readRotationState, trustedAuthorities } from '../rotation/root-rotation.ts';
import { ensureOwnerOnlyFolder, readOwnerOnly, syncFolder, writeOwnerOnly } from '../storage/owner-only.ts';
import { writePem } from '../x509/pem.ts';
import { readAuthorityPem } from './operator-authority.ts';
import type { SigningAuthority } from './signing-authority.ts';

export interface StoredAuthorities {
  readonly state: RotationState;
  /** Rises with each change of what is trusted. */
  readonly sequence: number;
  /** Which of the authorities are the operator's; the others were made here. */
  readonly operators: readonly string[];
  /** Null: not known. */
  readonly leafLife: LeafLife | null;
  /** All that the state names. */
  readonly authorities: ReadonlyMap<string, SigningAuthority>;
}

const fileName = /^authority-([0-9a-f]{16})\.json$/;

export class AuthorityStore {
  readonly #folder: string;
  readonly #trustDomain: string;

  /** Makes the folder. Throws IdentityFault `unsafe-file`, and the system's errors. */
  constructor(folder: string, trustDomain: string) {
    ensureOwnerOnlyFolder(folder);
    this.#folder = folder;
    this.#trustDomain = trustDomain;
  }

  /** What is stored; null: nothing yet. Throws IdentityFault when something is there that can't be used. */
  load(): StoredAuthorities | null {
    const ids = readdirSync(this.#folder).flatMap((name) => fileName.exec(name)?.[1] ?? []);
    const text = readOwnerOnly(join(this.#folder, 'rotation.json'));
    let sequence = 1;
    let state: RotationState;
    let leafLife: LeafLife | null = null;
    let operators: readonly string[] = [];
    if (text === null) {
      // A first start that was cut short, or a state that was lost: one authority alone can be meant, of several nobody knows which signs.
      if (ids.length === 0) return null;
      if (ids.length > 1)
        throw new IdentityFault(
          'malformed',
          `${this.#folder} holds ${ids.length} authorities and no rotation.json that says which one signs; restore it, or leave the one that signs`,
        );
      state = { phase: 'steady', signing: ids[0]! };
    } else ({ state, sequence, leafLife, operators } = this.#readState(text));
    const authorities = new Map(trustedAuthorities(state).map((id) => [id, this.#readAuthority(id)]));
    this.#removeAllBut(ids, authorities);
    return { state, sequence, operators, leafLife, authorities };
  }

  save(stored: StoredAuthorities): void {
    const ids = readdirSync(this.#folder).flatMap((name) => fileName.exec(name)?.[1] ?? []);
    for (const [id, authority] of stored.authorities) {
      if (ids.includes(id)) continue;
      const pem = {
        trustDomain: authority.trustDomain,
        chain: writePem('CERTIFICATE', ...authority.chain.map((certificate) => certificate.der)),
        roots: writePem('CERTIFICATE', ...authority.roots.map((certificate) => certificate.der)),
        key: authority.key.export({ format: 'pem', type: 'pkcs8' }),
      };
      writeOwnerOnly(this.#path(id), `${JSON.stringify(pem, null, 2)}\n`);
    }
    const { state, sequence, operators, leafLife } = stored;
    writeOwnerOnly(
      join(this.#folder, 'rotation.json'),
      `${JSON.stringify({ trustDomain: this.#trustDomain, sequence, leafLife, operators, state }, null, 2)}\n`,
    );
    this.#removeAllBut(ids, stored.authorities);
  }

  #readState(text: string): Pick<StoredAuthorities, 'state' | 'sequence' | 'leafLife' | 'operators'> {
    const { trustDomain, sequence, leafLife, operators, state } = parseObject(
      text,
      join(this.#folder, 'rotation.json'),
    );
    this.#checkTrustDomain(trustDomain);
    return {
      state: readRotationState(state),
      sequence: typeof sequence === 'number' && Number.isSafeInteger(sequence) ? sequence : 1,
      leafLife: readLeafLife(leafLife),
      operators: Array.isArray(operators) ? operators.filter((id) => typeof id === 'string') : [],
    };
  }

  /** Validity in time is not asked: that it has ended is no reason not to start, but one not to sign. */
  #readAuthority(id: string): SigningAuthority {
    const text = readOwnerOnly(this.#path(id));
    if (text === null)
      throw new IdentityFault(
        'malformed',
        `${this.#path(id)} is missing, and rotation.json beside it names it; restore it from a backup`,
      );
    const { trustDomain, chain, roots, key } = parseObject(text, this.#path(id));
    this.#checkTrustDomain(trustDomain);
    if (typeof chain !== 'string' || typeof roots !== 'string' || typeof key !== 'string')
      throw new IdentityFault('malformed', `${this.#path(id)} is damaged; restore it from a backup`);
    let authority: SigningAuthority;
    try {
      authority = readAuthorityPem({ chain, roots, key }, this.#trustDomain, null);
    } catch (error) {
      if (error instanceof IdentityFault) throw new IdentityFault(error.reason, `${this.#path(id)}: ${error.message}`);
      throw error;
    }
    if (authority.id !== id)
      throw new IdentityFault('malformed', `${this.#path(id)} holds the authority ${authority.id}; was it renamed?`);
    return authority;
  }

  #checkTrustDomain(stored: unknown): void {
    if (stored !== this.#trustDomain)
      throw new IdentityFault(
        'wrong-trust-domain',
        `${this.#folder} belongs to the trust domain ${JSON.stringify(stored)}, and this is ${this.#trustDomain}; use another folder, or the old trust domain`,
      );
  }

  #removeAllBut(ids: readonly string[], authorities: ReadonlyMap<string, SigningAuthority>): void {
    const surplus = ids.filter((id) => !authorities.has(id));
    try {
      for (const id of surplus) rmSync(this.#path(id), { force: true });
      if (surplus.length > 0) syncFolder(this.#folder);
    } catch {
      // What is left is not named by the state and does nothing; the next start or change tries again.
    }
  }

  #path(id: string): string {
    return join(this.#folder, `authority-${id}.json`);
  }
}

function parseObject(text: string, path: string): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new IdentityFault('malformed', `${path} is damaged: it is no JSON object; restore it from a backup`);
}
