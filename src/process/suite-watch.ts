/** Tells once a suite which implementation serves it: what a lane's cipher chose for the keys it was given. */
import { encryptionTransform, integrityTransform } from "#crypto/transforms";
import type { LaneCommand, LaneKey } from "#gateway/lane-command";

export class SuiteWatch {
  readonly #seen = new Set<string>();
  readonly #implementation: (slot: number) => string | undefined;
  readonly #tell: (suite: string, impl: string) => void;

  constructor(implementation: (slot: number) => string | undefined, tell: (suite: string, impl: string) => void) {
    this.#implementation = implementation;
    this.#tell = tell;
  }

  /** After the lane has carried it out. */
  command(command: LaneCommand): void {
    if (command.kind !== "install" && command.kind !== "adopt") return;
    for (const key of command.keys) {
      const suite = suiteOf(key);
      if (this.#seen.has(suite)) continue;
      this.#seen.add(suite);
      const impl = this.#implementation(key.slot);
      if (impl !== undefined) this.#tell(suite, impl);
    }
  }
}

/** "aes256gcm16", "aes128-sha256", as in swanctl.conf. The key's octets are wiped already, not its length. */
function suiteOf({ encryption, integrity, encryptionKey }: LaneKey): string {
  const names = [
    encryptionTransform(encryption, encryptionKey.length)?.name ?? (encryption === 0 ? undefined : `${encryption}`),
    integrityTransform(integrity)?.name,
  ];
  return names.filter((name) => name !== undefined && name !== "none").join("-");
}
