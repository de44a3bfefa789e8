/**
 * The files of ../shared/lab/strongswan-pair.sh, written by the script's own functions: what strongSwan ran there before us.
 * Only its last lines, which choose what to do, are left away; they would make named namespaces and start both charons.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestOptions } from "node:test";
import { fileURLToPath } from "node:url";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

const LAB = fileURLToPath(new URL("../../../../shared/lab/", import.meta.url));
const SCRIPT = join(LAB, "strongswan-pair.sh");
const DISPATCH = "\ncase ${" + "1:-} in\n";

function missing(): string | false {
  if (!existsSync(SCRIPT)) return `SKIPPED: no ${SCRIPT} here`;
  return existsSync("/usr/bin/pki") ? false : "SKIPPED: no pki here: Debian's package strongswan-pki has it";
}

const SKIP = missing();
if (SKIP !== false) console.error(SKIP);

export const NEEDS_LAB_SCRIPT: TestOptions = { ...NEEDS_STRONGSWAN, skip: NEEDS_STRONGSWAN.skip || SKIP };

export type LabMode = "ikev2-psk" | "ikev2-cert" | "ikev1-psk" | "ikev1-cert" | "ikev1-aggr-psk";

export class LabScript implements Disposable {
  readonly #functions: string;
  readonly #home: string = mkdtempSync(join(tmpdir(), "esplanade-lab-"));

  constructor() {
    const text = readFileSync(SCRIPT, "utf8");
    const end = text.indexOf(DISPATCH);
    if (end < 0) throw new Error(`${SCRIPT} does not end as it did`);
    this.#functions = text.slice(0, end);
  }

  /** Where a gateway's strongswan.conf and directory swanctl are. */
  home(gateway: "a" | "b"): string {
    return join(this.#home, gateway);
  }

  swanctlConf(gateway: "a" | "b"): string {
    return readFileSync(join(this.home(gateway), "swanctl/swanctl.conf"), "utf8");
  }

  /** Writes both gateways' files anew; `environment` as the script's head explains. */
  write(mode: LabMode, environment: Readonly<Record<string, string>> = {}): void {
    const run = `${this.#functions}\nset -e\npki_make\nconf a ${mode}\nconf b ${mode}\n`;
    const env = { ...process.env, ...environment, P: this.#home };
    const { status, stderr } = spawnSync("bash", ["-c", run], { env, encoding: "utf8" });
    if (status !== 0) throw new Error(`strongswan-pair.sh ${mode}: ${status}\n${stderr}`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}
