/**
 * strongSwan 6.0.1 of Debian 13 in a chroot, made by the lab's script beside the repository: it has ML-KEM and raw ESP.
 * Where script or chroot is missing its tests are skipped aloud.
 */
import { existsSync } from "node:fs";
import type { TestOptions } from "node:test";
import { fileURLToPath } from "node:url";
import type { StrongswanBuild } from "#lab/strongswan";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

const SCRIPT = fileURLToPath(new URL("../../../../shared/lab/trixie.sh", import.meta.url));
/** strongSwan of Debian 13 has no ML-KEM; a chroot of a later Debian has. */
const ROOTS = ["/tmp/lab-forky", "/tmp/lab-trixie"];
const ROOT =
  process.env["TRIXIE"] ?? ROOTS.find((root) => existsSync(`${root}/usr/sbin/charon-systemd`)) ?? "/tmp/lab-trixie";

const SKIP =
  existsSync(SCRIPT) && existsSync(`${ROOT}/usr/sbin/charon-systemd`)
    ? false
    : `SKIPPED: no strongSwan 6 here: ../shared/lab/trixie.sh install makes ${ROOT}`;
if (SKIP !== false) console.error(SKIP);

export const NEEDS_NEWER_STRONGSWAN: TestOptions = { ...NEEDS_STRONGSWAN, skip: NEEDS_STRONGSWAN.skip || SKIP };

const run = (program: string) => ["env", `TRIXIE=${ROOT}`, "bash", SCRIPT, "run", program];

/** Words that start another program of the chroot; undefined where it has none of that path. */
export function inChroot(program: string): readonly string[] | undefined {
  return existsSync(SCRIPT) && existsSync(`${ROOT}${program}`) ? run(program) : undefined;
}

export const NEWER_STRONGSWAN: StrongswanBuild = {
  charon: run("/usr/sbin/charon-systemd"),
  swanctl: run("/usr/sbin/swanctl"),
  plugins: "ml",
};
