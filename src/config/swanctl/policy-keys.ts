/** Keys of a connection that the documents ask for and swanctl.conf does not have: limits, retries, and IKEv1's own. */
import { type Connection, DEFAULT_CONNECTION_POLICY, type Version1Config } from "#core/connection";
import { millis, octets } from "#core/units";
import type { OfferPolicy } from "./offers.ts";
import type { SectionReader } from "./section-reader.ts";

type Method = "psk" | "signature" | "any";

const NEVER = Number.POSITIVE_INFINITY;
const REFRESH = { minimum: 0, maximum: 2 ** 31 - 1 };
/** Each takes two of the 2^20 rows that there may be. */
const PAIRS = { minimum: 1, maximum: 2 ** 19 };
const TRIES = { minimum: 1, maximum: 20 };
const { v1: V1, retransmission: RETRANSMISSION } = DEFAULT_CONNECTION_POLICY;
/** Keys that IKEv2 has no use for. */
const VERSION_1_ONLY = [
  "aggressive",
  "aggressive_psk",
  "life_bytes",
  "commit_bit",
  "idle_time",
  "microsoft",
  "export_downgrade",
] as const;

export function readPolicy(
  reader: SectionReader,
  policy: OfferPolicy,
  local: Method | undefined,
  remote: Method,
): Pick<Connection, "v1" | "refreshLimit" | "masterPfs" | "pairsLimit" | "retransmission" | "alternatives"> {
  if (policy.version === 2)
    for (const key of VERSION_1_ONLY)
      if (reader.has(key)) reader.warn(key, `'${key}' is for IKEv1, and this connection says version = 2`, "remove it");
  return {
    v1: readVersion1(reader, policy, local === "psk" || remote !== "signature"),
    ...readRefreshLimit(reader),
    pairsLimit: reader.integer("pairs_limit", PAIRS, DEFAULT_CONNECTION_POLICY.pairsLimit),
    retransmission: readRetransmission(reader),
    alternatives: reader.boolean("alternatives", false),
  };
}

/** S21: master key PFS is a refresh limit of 1, whichever of them is said. */
function readRefreshLimit(reader: SectionReader): Pick<Connection, "refreshLimit" | "masterPfs"> {
  const limit = reader.integer("refresh_limit", REFRESH, 0);
  const masterPfs = reader.boolean("master_pfs", limit === 1);
  if (!masterPfs && limit === 1)
    reader.wrong("master_pfs", "refresh_limit = 1 is master key PFS", "say master_pfs = yes, or raise refresh_limit");
  if (masterPfs && limit > 1)
    reader.warn("refresh_limit", "'refresh_limit' is not used with master_pfs = yes", "remove one of them");
  return { masterPfs, refreshLimit: masterPfs ? 1 : limit };
}

function readRetransmission(reader: SectionReader): Connection["retransmission"] {
  const time = (key: string, otherwise: number) => {
    const value = reader.time(key);
    if (value === 0) reader.wrong(key, "0 would repeat without end", `for example ${key} = 1s`);
    return value || otherwise;
  };
  const tries = reader.integer("retransmit_tries", TRIES, RETRANSMISSION.tries);
  const first = time("retransmit_timeout", RETRANSMISSION.first);
  const longest = time("retransmit_limit", Math.max(first, RETRANSMISSION.longest));
  if (longest < first)
    reader.wrong("retransmit_limit", "retransmit_limit is shorter than the first wait", "raise it, or remove it");
  return { tries, first: millis(first), longest: millis(Math.max(first, longest)) };
}

function readVersion1(reader: SectionReader, { version, level }: OfferPolicy, usesSecret: boolean): Version1Config {
  const aggressive = reader.boolean("aggressive", V1.aggressive);
  const aggressivePsk = reader.boolean("aggressive_psk", V1.aggressivePsk);
  if (version !== 2) tellAggressive(reader, aggressive, aggressivePsk, usesSecret);
  const bit = reader.choice("commit_bit", ["never", "ifasked", "always"], "ifasked");
  const exportDowngrade = reader.boolean("export_downgrade", V1.exportDowngrade);
  if (exportDowngrade)
    reader.warn(
      "export_downgrade",
      "whoever answers in the peer's place can have 3des given up for des, whose keys are searched in a day",
      "remove it: only Windows 2000 without the High Encryption Pack needs it",
    );
  return {
    aggressive,
    aggressivePsk,
    lifeOctets: octets(reader.count("life_bytes") || V1.lifeOctets),
    commitBit: bit === "ifasked" ? "when-asked" : bit,
    idleTime: millis(reader.time("idle_time") || NEVER),
    microsoft: reader.boolean("microsoft", level.microsoft),
    exportDowngrade,
  };
}

/** RFC 2409 §5.4: HASH_R goes to whoever asks. */
function tellAggressive(reader: SectionReader, aggressive: boolean, allowed: boolean, usesSecret: boolean): void {
  if (allowed && !aggressive)
    reader.warn("aggressive_psk", "'aggressive_psk' has no effect without aggressive = yes", "remove it");
  if (!aggressive) return;
  if (!usesSecret)
    reader.warn(
      "aggressive",
      "aggressive mode shows both identities to everybody on the way",
      "remove it: take main mode",
    );
  else if (allowed)
    reader.warn(
      "aggressive_psk",
      "anybody who sends one message gets what he needs to try out pre-shared keys at home, and both identities are shown",
      "take certificates, main mode or IKEv2; at least a key of 32 random octets",
    );
  else
    reader.wrong(
      "aggressive",
      "aggressive mode with a pre-shared key lets anybody try out keys at home",
      "remove it, take certificates, or say aggressive_psk = yes as well",
    );
}
