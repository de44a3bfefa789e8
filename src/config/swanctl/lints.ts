/** What is allowed and unwise, by the documents (S18, S71, S75) and by what a level offers. */
import type { ChildConfig, Connection } from "#core/connection";
import { type Proposal, TransformType } from "#core/proposal";
import { octets } from "#core/units";
import { ENCRYPTION_TRANSFORMS } from "#crypto/transforms";
import type { PlacedChild } from "./child.ts";
import type { OfferPolicy } from "./offers.ts";
import type { SectionReader } from "./section-reader.ts";

/** Both documents: what one key should process at most. */
const OCTETS_OF_A_KEY = 100_000_000;
const SMALL_BLOCK = 8;
/** Session keys from one master key. */
const MANY = 1000;
/** A pair of the standard level ends before that. */
const LONG_LIFE = 70 * 60_000;
const SECOND = 1000;
const MINUTE = 60_000;

export function lintConnection(
  config: Connection,
  children: readonly PlacedChild[],
  reader: SectionReader,
  policy: OfferPolicy,
): void {
  tellWeakLevel(reader, policy);
  for (const child of children) {
    if (child.config.mode === "pass" || child.config.mode === "drop") continue;
    lintOctets(child);
    lintKeys(config, child, policy);
    if (config.version === 1) {
      lintLives(child, policy);
      lintSelectors(child);
    }
  }
}

function tellWeakLevel(reader: SectionReader, { level, weakAllowed }: OfferPolicy): void {
  if (!level.microsoft || weakAllowed) return;
  reader.warn(
    "level",
    `${level.name} offers 3des, md5 and modp1024, which are weak: it is for peers that have nothing better`,
    "remove it where the peer takes another, or say allow_weak = yes in the connection",
  );
}

/** S18: blocks of 64 bits collide (Sweet32). */
function lintOctets({ config, reader }: PlacedChild): void {
  const small = smallBlockCipher(config.proposals);
  const { lifeOctets } = config.lifetime;
  if (small === undefined || lifeOctets <= OCTETS_OF_A_KEY) return;
  const what = Number.isFinite(lifeOctets) ? `${lifeOctets} octets` : "any number of octets";
  reader.warn(
    ["life_bytes", "rekey_bytes", "esp_proposals"].find((key) => reader.has(key)) ?? "esp_proposals",
    `${small} has blocks of 64 bits, and one key may process ${what}`,
    "say life_bytes = 100M",
  );
}

function smallBlockCipher(proposals: readonly Proposal[]): string | undefined {
  const ids = new Set(
    proposals.flatMap(({ transforms }) =>
      transforms.flatMap(({ type, id }) => (type === TransformType.ENCR ? [id] : [])),
    ),
  );
  return ENCRYPTION_TRANSFORMS.find(({ id, blockOctets }) => ids.has(id) && blockOctets === SMALL_BLOCK)?.name;
}

/**
 * Session keys that one master key makes for a child by the octets that a key may carry, at the rate that is expected; 0 where
 * nothing is known.
 */
function keysByOctets({ lifetime, expectedRate = octets(0) }: ChildConfig, ikeLife: number): number {
  const most = Math.min(lifetime.rekeyOctets, lifetime.lifeOctets);
  return expectedRate > 0 && Number.isFinite(most) ? Math.ceil(((ikeLife / SECOND) * expectedRate) / most) : 0;
}

/** Session keys that one master key makes for a child, as far as lifetimes in seconds say it. */
function keysOfOneMaster({ lifetime }: Pick<ChildConfig, "lifetime">, ikeLife: number): number {
  const life = Math.min(lifetime.rekeyTime, lifetime.lifeTime);
  return Number.isFinite(life) && life > 0 ? Math.ceil(ikeLife / life) : 1;
}

/** S71: known plaintext under many keys of one origin. */
function lintKeys({ refreshLimit }: Connection, { config, reader }: PlacedChild, { ikeLife }: OfferPolicy): void {
  const byTime = keysOfOneMaster(config, ikeLife);
  const byOctets = keysByOctets(config, ikeLife);
  const keys = Math.max(byTime, byOctets);
  if (keys <= MANY || (refreshLimit > 0 && refreshLimit <= MANY)) return;
  const many = Number.isFinite(keys) ? `about ${keys}` : "any number of";
  const [by, at] = byOctets > byTime ? (["_bytes", " at expected_rate"] as const) : (["_time", ""] as const);
  reader.warn(
    [`rekey${by}`, `life${by}`, "expected_rate"].find((key) => reader.has(key)) ?? "rekey_time",
    `one master key makes ${many} session keys of this child${at}`,
    `lengthen its rekey${by}, shorten the connection's rekey_time, or say refresh_limit = ${MANY} in the connection`,
  );
}

/** RFC 2409 §5.5: a quick mode has one identity each. strongSwan takes the first as well. */
function lintSelectors({ config, reader }: PlacedChild): void {
  for (const [key, all] of [
    ["local_ts", config.local],
    ["remote_ts", config.remote],
  ] as const)
    if (all.length > 1)
      reader.warn(
        key,
        `IKEv1 negotiates one selector a side, so ${all.length} in '${key}' never share a pair of SAs`,
        "make a child of each, or say version = 2; otherwise each pair is for those of the packet that asked, or the first",
      );
}

/** S75: without its main mode SA a pair goes on until its own end. */
function lintLives({ config, reader }: PlacedChild, { ikeLife }: OfferPolicy): void {
  const { lifeTime } = config.lifetime;
  if (lifeTime <= LONG_LIFE) return;
  const long = Number.isFinite(lifeTime) ? `for ${Math.round(lifeTime / MINUTE)} minutes` : "for ever";
  const master = Number.isFinite(ikeLife) ? `${Math.round(ikeLife / MINUTE)} minutes` : "no end";
  reader.warn(
    ["life_time", "rekey_time"].find((key) => reader.has(key)) ?? "life_time",
    `a pair may carry traffic ${long} after its main mode SA, of ${master}, has ended`,
    "shorten it to an hour, as a quick mode costs little",
  );
}
