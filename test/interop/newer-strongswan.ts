/**
 * A strongSwan of a later Debian in a chroot that scripts/newer-strongswan.sh makes: it has ML-KEM and raw ESP. Where the
 * chroot is missing its tests are skipped aloud.
 */
import { existsSync } from "node:fs";
import type { TestOptions } from "node:test";
import { fileURLToPath } from "node:url";
import type { StrongswanBuild } from "#lab/strongswan";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

const SCRIPT = fileURLToPath(new URL("../../../scripts/newer-strongswan.sh", import.meta.url));
const { ESPLANADE_NEWER_STRONGSWAN: ROOT = "/tmp/esplanade-newer-strongswan" } = process.env;

const SKIP = existsSync(`${ROOT}/usr/sbin/charon-systemd`)
  ? false
  : `SKIPPED: no newer strongSwan here: scripts/newer-strongswan.sh install makes ${ROOT}`;
if (SKIP !== false) console.error(SKIP);

export const NEEDS_NEWER_STRONGSWAN: TestOptions = { ...NEEDS_STRONGSWAN, skip: NEEDS_STRONGSWAN.skip || SKIP };

const run = (program: string) => ["bash", SCRIPT, "run", program];

/** Words that start another program of the chroot; undefined where it has none of that path. */
export function inChroot(program: string): readonly string[] | undefined {
  return existsSync(`${ROOT}${program}`) ? run(program) : undefined;
}

export const NEWER_STRONGSWAN: StrongswanBuild = {
  charon: run("/usr/sbin/charon-systemd"),
  swanctl: run("/usr/sbin/swanctl"),
  plugins: "ml",
};
