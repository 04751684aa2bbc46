/**
 * Who has which network of `outrigger run --intercept` on this machine: a folder for each under /run, with the process that it belongs to, so that the next start finds what a killed one has left behind. By number: the names of
 * interfaces and tables and the addresses follow from it.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { withNamespaceLock } from '../intercept/intercept-lock.ts';
import { runTool } from '../intercept/kernel-tool.ts';
import { UserError } from '../user-error.ts';
import { isMarkedAlive, processMark } from './process-mark.ts';
import { giveBackSidecarId, takeSidecarId } from './sidecar-ids.ts';

const mostSlots = 4096;
/** The host, for whatever runs in any of the networks: each has an address of its own for it besides, which depends on its number. */
export const hostForAll = '198.19.255.254';
/** Of all of them, as nftables takes it. */
export const anyInterface = 'outrigger-r*';
const lockName = '\0outrigger-run';
/** Made, and not yet said whose it is: its maker was killed in between. */
const unownedMs = 10_000;
const forwardingFile = '/proc/sys/net/ipv4/ip_forward';

/** A network, and whom its sidecar runs as. */
export interface RunSlot extends SlotNames {
  /** User and group. */
  readonly sidecarId: number;
}

interface SlotNames {
  readonly number: number;
  /** Root's; others may pass through. */
  readonly folder: string;
  /** The host's end of the cable, and the table of rules. */
  readonly interfaceName: string;
  readonly table: string;
  readonly hostAddress: string;
  readonly ownAddress: string;
}

/** Of 198.19.0.0/16 (RFC 2544: for tests of networks, and routed nowhere), four addresses each. */
export function slotOf(number: number, base: string): SlotNames {
  const prefix = `198.19.${number >> 6}`;
  const first = (number & 63) * 4;
  return {
    number,
    folder: join(base, String(number)),
    interfaceName: `outrigger-r${number}`,
    table: `outrigger_run_${number}`,
    hostAddress: `${prefix}.${first + 1}`,
    ownAddress: `${prefix}.${first + 2}`,
  };
}

export class RunSlots {
  /** One for each network namespace that `run` is started in. */
  readonly #base: string;
  readonly #root: string;
  readonly #tell: (line: string) => void;

  constructor(tell: (line: string) => void, root = '/run/outrigger') {
    const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? '0';
    this.#root = root;
    this.#base = join(root, `run-${namespace}`);
    this.#tell = tell;
  }

  /** Takes away what others have left behind, and gives a free one. Forwarding between interfaces is on from then on. Throws a UserError. */
  take(): Promise<RunSlot> {
    return withNamespaceLock(lockName, () => {
      mkdirSync(this.#base, { recursive: true, mode: 0o755 });
      this.#clear();
      for (let number = 0; number < mostSlots; number++) {
        const slot = slotOf(number, this.#base);
        // Something of that name without a folder is not ours: it stays.
        if (existsSync(slot.folder) || existsSync(`/sys/class/net/${slot.interfaceName}`)) continue;
        mkdirSync(slot.folder, { mode: 0o711 });
        const owner = join(slot.folder, 'owner');
        writeFileSync(`${owner}.new`, processMark(process.pid));
        renameSync(`${owner}.new`, owner);
        try {
          this.#forward();
          return { ...slot, sidecarId: takeSidecarId(this.#root) };
        } catch (error) {
          clearSlot(slot);
          throw error;
        }
      }
      throw new UserError(`there are ${mostSlots} networks of outrigger run already (${this.#base})`);
    });
  }

  /** Takes away its rules, its interface, its folder. */
  giveBack(slot: RunSlot): Promise<void> {
    return withNamespaceLock(lockName, () => {
      clearSlot(slot);
      giveBackSidecarId(this.#root, slot.sidecarId);
      this.#stopForwarding();
      if (readdirSync(this.#base).length === 0) rmdirSync(this.#base);
    });
  }

  #clear(): void {
    for (const name of this.#slotNames()) {
      const slot = slotOf(Number(name), this.#base);
      // While its interface is there, so is a process in its network, which finishes what it has in hand.
      if (isOwned(slot.folder) || existsSync(`/sys/class/net/${slot.interfaceName}`)) continue;
      this.#tell(
        `an earlier outrigger run was killed: its network (${slot.interfaceName}, table ${slot.table}) is taken away`,
      );
      clearSlot(slot);
    }
    this.#stopForwarding();
  }

  #slotNames(): string[] {
    return readdirSync(this.#base).filter((name) => /^\d+$/.test(name));
  }

  #forward(): void {
    if (readFileSync(forwardingFile, 'utf8').trim() !== '0') return;
    writeFileSync(join(this.#base, 'forwarding'), '0');
    try {
      writeFileSync(forwardingFile, '1');
    } catch (error) {
      rmSync(join(this.#base, 'forwarding'));
      throw new UserError(
        `letting the command reach other machines: ${forwardingFile} cannot be written (${(error as Error).message}); write 1 into it from outside of this container, and start again`,
      );
    }
  }

  /** When nobody needs it any more, and it was us who turned it on. */
  #stopForwarding(): void {
    const file = join(this.#base, 'forwarding');
    if (!existsSync(file) || this.#slotNames().length > 0) return;
    writeFileSync(forwardingFile, '0');
    rmSync(file);
  }
}

function clearSlot({ table, interfaceName, folder }: SlotNames): void {
  // What is not there need not be taken away.
  runTool(['nft', 'delete', 'table', 'ip', table]);
  if (existsSync(`/sys/class/net/${interfaceName}`)) runTool(['ip', 'link', 'delete', interfaceName]);
  rmSync(folder, { recursive: true, force: true });
}

function isOwned(folder: string): boolean {
  const alive = isMarkedAlive(join(folder, 'owner'));
  if (alive !== null) return alive;
  try {
    return Date.now() - statSync(folder).mtimeMs < unownedMs;
  } catch {
    return true;
  }
}
