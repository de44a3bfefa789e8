/** `ike=`, `esp=`, `ah=`, `phase2alg=` of libreswan and of old strongSwan in swanctl.conf's words. */
import type { Block, Draft, Origin } from "./draft.ts";

const WORDS: Readonly<Record<string, string>> = {
  sha2: "sha256",
  sha2_256: "sha256",
  sha2_384: "sha384",
  sha2_512: "sha512",
  sha: "sha1",
  aes: "aes128",
  aes_gcm: "aes256gcm16-aes128gcm16",
  aes_gcm_a: "aes256gcm8-aes128gcm8",
  aes_gcm_b: "aes256gcm12-aes128gcm12",
  aes_gcm_c: "aes256gcm16-aes128gcm16",
  aes_ccm: "aes256ccm16-aes128ccm16",
  chacha20_poly1305: "chacha20poly1305",
  curve25519: "x25519",
  dh1: "modp768",
  dh2: "modp1024",
  dh5: "modp1536",
  dh14: "modp2048",
  dh15: "modp3072",
  dh16: "modp4096",
  dh17: "modp6144",
  dh18: "modp8192",
  dh19: "ecp256",
  dh20: "ecp384",
  dh21: "ecp521",
  dh31: "x25519",
};
const TAGS: Readonly<Record<string, string>> = { a: "8", b: "12", c: "16", "": "16" };
const AEAD = /(gcm\d|ccm\d|chacha20poly1305|gmac)/;
const HASH = /^(md5|sha1|sha256|sha384|sha512|aesxcbc|aescmac)$/;
const GROUP = /^(modp\d+|ecp\d+(bp)?|x25519|x448|none|curve\d+|ke\d_.*)$/;

/** `kind`: what the proposals are for. */
export function ipsecOffers(
  text: string,
  kind: "ike" | "esp" | "ah",
  at: Block,
  origin: Origin,
  draft: Draft,
): string | undefined {
  const offers = text
    .replaceAll(/[!\s]/g, "")
    .split(",")
    .filter((one) => one !== "" && one !== "default")
    .map((one) => offerOf(one, kind, at, origin, draft));
  return offers.length === 0 ? undefined : offers.join(", ");
}

function offerOf(text: string, kind: "ike" | "esp" | "ah", at: Block, origin: Origin, draft: Draft): string {
  const names = text
    .toLowerCase()
    .split(/[-;+]/)
    .flatMap((word) => wordOf(word).split("-"));
  const combined = names.some((name) => AEAD.test(name)) && kind !== "ah";
  const kept = names.flatMap((name) => {
    // Libreswan's mark for an AEAD without a hash of its own.
    if (name === "null" && combined) return [];
    if (combined && HASH.test(name)) return kind === "ike" ? [`prf${name}`] : [];
    return [name];
  });
  const add = (what: string) => {
    kept.push(what);
    draft.remark(at, origin, `'${text}' leaves out what ${what} stands for: it is added`);
  };
  const isOf = (form: RegExp) => kept.some((name) => form.test(name));
  if (!combined && !isOf(HASH)) add("sha256");
  if (kind === "ike" && combined && !isOf(/^prf/)) add("prfsha256");
  if (kind === "ike" && !isOf(GROUP)) add("modp2048");
  return kept.join("-");
}

function wordOf(word: string): string {
  const known = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
  if (known !== undefined) return known;
  // "aes_gcm_c_256", "aes_gcm256", "aes_ccm-128": the key's length at the end.
  const [, mode, tag = "", bits] = /^aes_([gc]cm)(?:_([abc]))?_?(128|192|256)$/.exec(word) ?? [];
  if (mode !== undefined && bits !== undefined) return `aes${bits}${mode}${TAGS[tag] ?? "16"}`;
  const [, length] = /^aes_?(?:cbc_?)?(128|192|256)$/.exec(word) ?? [];
  return length === undefined ? word : `aes${length}`;
}
