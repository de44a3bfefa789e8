/** Ends of netsh's filters and rules in swanctl.conf's words: addresses, selectors, the sections that are made of both. */
import { parseAddress, parsePrefix } from "#core/address";
import type { Block, Draft, Origin } from "./draft.ts";

/** `me`: this computer; `any`: every address; `net`: an address, prefix or range. */
export type End =
  | { readonly kind: "me" | "any" }
  | { readonly kind: "net"; readonly text: string; readonly host: boolean }
  | { readonly kind: "unknown"; readonly text: string };

const SERVERS = /^(wins|dns|dhcp|gateway|defaultgateway|localsubnet)$/i;

/** `mask`: 255.255.255.0 or 24. */
export function endOf(text: string, mask: string | undefined): End {
  const word = text.trim().toLowerCase();
  if (word === "me") return { kind: "me" };
  if (word === "any" || word === "0.0.0.0" || word === "0.0.0.0/0") return { kind: "any" };
  if (SERVERS.test(word)) return { kind: "unknown", text: word };
  const range = word.split("-");
  if (range.length === 2 && range.every((one) => parseAddress(one) !== undefined))
    return range[0] === range[1]
      ? { kind: "net", text: range[0] ?? word, host: true }
      : { kind: "net", text: word, host: false };
  const [base = "", written] = word.split("/");
  const address = parseAddress(base);
  if (address === undefined)
    return /^[a-z0-9_.-]+$/.test(word) ? { kind: "unknown", text: word } : { kind: "unknown", text: "?" };
  const bits = 8 * address.octets.length;
  const length = prefixLength(written ?? mask, bits);
  if (length === undefined || parsePrefix(`${base}/${length}`) === undefined) return { kind: "unknown", text: word };
  if (length === 0) return { kind: "any" };
  return length === bits
    ? { kind: "net", text: base, host: true }
    : { kind: "net", text: `${base}/${length}`, host: false };
}

function prefixLength(mask: string | undefined, bits: number): number | undefined {
  if (mask === undefined || mask === "") return bits;
  if (/^\d{1,3}$/.test(mask)) return Number(mask) <= bits ? Number(mask) : undefined;
  const address = parseAddress(mask);
  if (address === undefined) return undefined;
  const ones = [...address.octets].map((octet) => octet.toString(2).padStart(8, "0")).join("");
  return /^1*0*$/.test(ones) ? ones.replaceAll("0", "").length : undefined;
}

/** "[tcp/445]"; empty: everything. */
export function upperOf(
  protocol: string | undefined,
  port: string | undefined,
  at: Block,
  origin: Origin,
  draft: Draft,
): string {
  const word = (protocol ?? "any").toLowerCase();
  const named: Readonly<Record<string, string>> = { any: "", raw: "255", icmpv4: "icmp", "0": "" };
  const name = Object.hasOwn(named, word) ? (named[word] ?? "") : word;
  const wanted = port === undefined || /^(0|any)$/i.test(port) ? "" : (port.split(",")[0]?.trim() ?? "");
  if (port?.includes(",") === true)
    draft.remark(at, origin, `of the ports ${port} only the first is taken: add a child for each other`);
  if (name === "") return "";
  return wanted === "" ? `[${name}]` : `[${name}/${wanted}]`;
}

/** For `local_ts` and `remote_ts` between networks; `me` and `any` are every address of the other end's family. */
export function networkOf(end: End, other: End, upper: string): string {
  if (end.kind === "net") return `${end.text}${upper}`;
  return `${other.kind === "net" && other.text.includes(":") ? "::/0" : "0.0.0.0/0"}${upper}`;
}
