/** Options of a test with a live strongSwan; without one it is skipped aloud. */
import type { TestOptions } from "node:test";
import { missingStrongswan } from "#lab/strongswan";
import { NEEDS_ROOT } from "#test/netns/root";

const MISSING = missingStrongswan();
const SKIP = MISSING === undefined ? false : `SKIPPED: ${MISSING}`;
if (SKIP !== false) console.error(SKIP);

export const NEEDS_STRONGSWAN: TestOptions = { ...NEEDS_ROOT, skip: NEEDS_ROOT.skip || SKIP, timeout: 120_000 };

/** Many tunnels one after the other. */
export const NEEDS_STRONGSWAN_LONG: TestOptions = { ...NEEDS_STRONGSWAN, timeout: 300_000 };
