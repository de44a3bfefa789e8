/** Offers in netsh's words, of both of its vocabularies, in swanctl.conf's. */
import type { Block, Draft, Origin } from "./draft.ts";

/** Of quick mode; undefined where netsh says nothing. */
interface QuickOffer {
  readonly esp: string | undefined;
  readonly ah: string | undefined;
  readonly seconds: number | undefined;
  readonly kilobytes: number | undefined;
}

const HASHES: Readonly<Record<string, string>> = { md5: "md5", sha1: "sha1", sha256: "sha256", sha384: "sha384" };
const CIPHERS: Readonly<Record<string, string>> = {
  des: "des",
  "3des": "3des",
  aes128: "aes128",
  aes192: "aes192",
  aes256: "aes256",
};
const COMBINED: Readonly<Record<string, string>> = {
  aesgcm128: "aes128gcm16",
  aesgcm192: "aes192gcm16",
  aesgcm256: "aes256gcm16",
};
const GMACS: Readonly<Record<string, string>> = {
  aesgmac128: "aes128gmac",
  aesgmac192: "aes192gmac",
  aesgmac256: "aes256gmac",
};
/** The legacy 3 is 2048 bits, IANA's 14; dhgroup24 (RFC 5114) is nowhere in swanctl.conf's words here. */
const LEGACY_GROUPS: Readonly<Record<string, string>> = { "1": "modp768", "2": "modp1024", "3": "modp2048" };
const GROUPS: Readonly<Record<string, string>> = {
  dhgroup1: "modp768",
  dhgroup2: "modp1024",
  dhgroup14: "modp2048",
  ecdhp256: "ecp256",
  ecdhp384: "ecp384",
};

/** What both need `allow_weak` for: group 1, and DES that is not behind 3DES. */
export function needsAllowWeak(proposals: string): boolean {
  const names = proposals.split(/[-,]/);
  return names.includes("modp768") || names.includes("des");
}

export function pfsGroup(word: string): string | undefined {
  return own(GROUPS, word.toLowerCase());
}

/** "3DES-SHA1-2 DES-MD5-1". */
export function legacyMainOffers(text: string, at: Block, origin: Origin, draft: Draft): string {
  const made = text.split(/\s+/).flatMap((word) => {
    const [cipher = "", hash = "", group = "", ...rest] = word.toLowerCase().split("-");
    const names = [own(CIPHERS, cipher), own(HASHES, hash), own(LEGACY_GROUPS, group)];
    if (rest.length === 0 && names.every((name) => name !== undefined)) return [names.join("-")];
    if (word !== "") draft.remark(at, origin, `'${word}' is no ConfAlg-HashAlg-GroupNum, and is left out`);
    return [];
  });
  return made.join(", ");
}

/** "dhgroup14:aes256-sha256,dhgroup2:3des-sha1". */
export function mainOffers(text: string, at: Block, origin: Origin, draft: Draft): string {
  const made = text.split(",").flatMap((part) => {
    const [group = "", suite = ""] = part.trim().toLowerCase().split(":");
    const [cipher = "", hash = ""] = suite.split("-");
    const names = [own(CIPHERS, cipher), own(HASHES, hash), own(GROUPS, group)];
    if (names.every((name) => name !== undefined)) return [names.join("-")];
    const why = group === "dhgroup24" ? "group 24 (RFC 5114) is not there" : "it is no DHGROUP:ENCRYPTION-INTEGRITY";
    draft.remark(at, origin, `'${part.trim()}' is left out: ${why}`);
    return [];
  });
  return made.join(", ");
}

/** "ESP[3DES,SHA1]:100000k/3600s AH[SHA1]+ESP[DES,MD5]". */
export function setLegacyQuickOffers(text: string, child: Block, origin: Origin, draft: Draft): void {
  const offers = text.split(/\s+(?=ESP|AH)/i).map((word): [string, QuickOffer | undefined] => {
    const [, ah, cipher, hash, kilobytes, seconds] =
      /^(?:AH\[(\w+)\])?\+?(?:ESP\[(\w+),(\w+)\])?(?::(?:(\d+)k)?\/?(?:(\d+)s)?)?$/i.exec(word.replaceAll(/\s/g, "")) ??
      [];
    const esp = cipher === undefined ? undefined : espOf(cipher, hash ?? "none");
    const auth = ah === undefined ? undefined : own(HASHES, ah.toLowerCase());
    if ((cipher !== undefined && esp === undefined) || (ah !== undefined && auth === undefined))
      return [word, undefined];
    if (esp === undefined && auth === undefined) return [word, undefined];
    return [word, { esp, ah: auth, seconds: numberOf(seconds), kilobytes: numberOf(kilobytes) }];
  });
  setOffers(offers, child, origin, draft);
}

/** "esp:sha256-aes128+60min+100000kb,ah:sha1+esp:sha1-3des". */
export function setQuickOffers(text: string, child: Block, origin: Origin, draft: Draft): void {
  const offers = text.split(",").map((whole): [string, QuickOffer | undefined] => {
    let esp: string | undefined;
    let ah: string | undefined;
    let seconds: number | undefined;
    let kilobytes: number | undefined;
    for (const part of whole.trim().toLowerCase().split("+")) {
      const [, protocol, integrity = "", cipher = "none"] = /^(esp|ah):(\w+)(?:-(\w+))?$/.exec(part) ?? [];
      const [, amount, unit] = /^(\d+)(min|kb)$/.exec(part) ?? [];
      if (protocol === "esp") esp = espOf(cipher, integrity);
      else if (protocol === "ah") ah = own(HASHES, integrity) ?? own(GMACS, integrity);
      else if (unit === "min") seconds = 60 * Number(amount);
      else if (unit === "kb") kilobytes = Number(amount);
      else return [whole, undefined];
      if (protocol !== undefined && (protocol === "esp" ? esp : ah) === undefined) return [whole, undefined];
    }
    return [whole, esp === undefined && ah === undefined ? undefined : { esp, ah, seconds, kilobytes }];
  });
  setOffers(offers, child, origin, draft);
}

function espOf(cipher: string, integrity: string): string | undefined {
  const [named, hash] = [cipher.toLowerCase(), integrity.toLowerCase()];
  const combined = own(COMBINED, named);
  if (combined !== undefined) return combined;
  const gmac = own(GMACS, hash);
  if (gmac !== undefined) return named === "none" ? gmac : undefined;
  const first = named === "none" ? "null" : own(CIPHERS, named);
  const second = own(HASHES, hash);
  // Without integrity ciphertext can be changed: nobody offers that here.
  return first === undefined || second === undefined ? undefined : `${first}-${second}`;
}

/** A child is AH, ESP or both one over the other: what the first offer is. */
function setOffers(
  offers: readonly (readonly [string, QuickOffer | undefined])[],
  child: Block,
  origin: Origin,
  draft: Draft,
): void {
  const first = offers.find(([, offer]) => offer !== undefined)?.[1];
  const same = (one: QuickOffer) =>
    (one.esp === undefined) === (first?.esp === undefined) && (one.ah === undefined) === (first?.ah === undefined);
  const taken: QuickOffer[] = [];
  for (const [word, offer] of offers) {
    if (offer === undefined)
      draft.remark(child, origin, `'${word.trim()}' is left out: it is no offer that can be made here`);
    else if (same(offer)) taken.push(offer);
    else
      draft.remark(
        child,
        origin,
        `'${word.trim()}' is left out: a child is ESP, AH or AH over ESP, as its first offer`,
      );
  }
  if (first === undefined) return;
  const list = (kind: "esp" | "ah") => [...new Set(taken.flatMap((one) => one[kind] ?? []))].join(", ");
  if (first.esp !== undefined) child.set("esp_proposals", list("esp"));
  if (first.ah !== undefined) child.set("ah_proposals", list("ah"));
  if (first.esp !== undefined && first.ah !== undefined) child.set("bundle", "yes");
  const shortest = (kind: "seconds" | "kilobytes") => {
    const all = taken.flatMap((one) => one[kind] ?? []).filter((value) => value > 0);
    return all.length === 0 ? undefined : Math.min(...all);
  };
  const [seconds, kilobytes] = [shortest("seconds"), shortest("kilobytes")];
  if (seconds !== undefined) child.set("life_time", `${seconds}s`);
  // Of kilobytes of 1,000 octets: the promise that is never broken, however the peer counts (docs/requirements.md S18).
  if (kilobytes !== undefined) child.set("life_bytes", `${kilobytes}k`);
}

function numberOf(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
