/**
 * The rules of clear-guard.ts as text for `nft -f`. Of the first rule that matches the verdict stands.
 *
 * Few rules stand in the base chain. Thousands stand in parts, chains of their own, so that a change of one of them replaces
 * its part and not all (measured: 5,000 rules take nft 300 ms, a part 10). Neighbours with the same verdict may stand in any order;
 * each such run has its own parts, by a hash of what a rule says.
 */
import { addressToString } from "#core/address";
import type { Policy } from "#core/policy";
import { ANY_PROTOCOL, IpProtocol, type TrafficSelector } from "#core/selector";

/** Before connection tracking (-200) and after defragmentation (-400). */
const PRIORITY = -300;
/** Rules that stand in the base chain itself, and of a part, about. */
const FEW = 256;
const PART = 32;
/** Runs of one verdict, above which there are no parts. */
const MANY_RUNS = 16;

type Verdict = "accept" | "counter drop";

interface GuardRule {
  readonly verdict: Verdict;
  readonly match: string;
}

/** Selectors stay the same objects through reloads of something else: local, then remote. */
const MATCHES = new WeakMap<TrafficSelector, WeakMap<TrafficSelector, string>>();

/** Neighbours with the same verdict, spread over parts. */
interface Run {
  readonly verdict: Verdict;
  /** A power of two of them; each the text of its rules. */
  readonly parts: readonly string[];
}

/** What stands in the table, or is to. */
export interface GuardTable {
  readonly table: string;
  /** What comes first whatever the policies are. */
  readonly head: readonly string[];
  readonly runs: readonly Run[];
}

/** `like`: what stands now, so that as much of it as possible may stay. */
export function guardTable(
  table: string,
  tun: string,
  ports: readonly number[],
  policies: readonly Policy[],
  like?: GuardTable,
): GuardTable {
  const head = [
    `iifname { "${tun}", "lo" } accept`,
    "meta l4proto { esp, ah } accept",
    `udp dport { ${ports.join(", ")} } accept`,
    // RFC 4861 §7.1: from this very link. Without it no peer on the link is found under a policy for its address.
    "icmpv6 type 133-137 ip6 hoplimit 255 accept",
  ];
  const runs = runsOf(policies.flatMap(rulesOf));
  const isFlat = runs.length > MANY_RUNS || runs.reduce((sum, { length }) => sum + length, 0) <= FEW;
  return { table, head, runs: runs.map((rules, at) => spread(rules, isFlat ? 1 : partsFor(rules, like?.runs[at]))) };
}

/** Nothing but drops, which may stand in any order: what two configurations guard can be guarded at once. */
export function isDropsAlone({ runs }: GuardTable): boolean {
  return runs.every(({ verdict }) => verdict === "counter drop");
}

/** All of it, in place of what there was. */
export function wholeTable({ table, head, runs }: GuardTable): string {
  const chains = runs.flatMap(({ parts }, run) =>
    parts.length === 1 ? [] : parts.flatMap((rules, part) => chainText(partName(run, part), rules)),
  );
  const inBase = runs.flatMap(({ parts }, run) =>
    parts.length === 1 ? parts : parts.map((_, part) => `    jump ${partName(run, part)}\n`),
  );
  return [
    `add table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    ...chains,
    "  chain clear {",
    `    type filter hook prerouting priority ${PRIORITY}; policy accept;`,
    ...head.map((line) => `    ${line}`),
    `${inBase.join("")}  }`,
    "}",
    "",
  ].join("\n");
}

/** What makes `next` of `former`: "" = nothing is to be done. */
export function tableChanges(former: GuardTable, next: GuardTable): string {
  const isAlike =
    former.table === next.table &&
    former.head.join("\n") === next.head.join("\n") &&
    former.runs.length === next.runs.length &&
    former.runs.every(({ verdict, parts }, at) => {
      const other = next.runs[at];
      if (other?.verdict !== verdict || other.parts.length !== parts.length) return false;
      // What stands in the base chain has its place there.
      return parts.length > 1 || parts[0] === other.parts[0];
    });
  if (!isAlike) return wholeTable(next);
  return next.runs
    .flatMap(({ parts }, run) =>
      parts.flatMap((rules, part) => {
        if (rules === former.runs[run]?.parts[part]) return [];
        const name = partName(run, part);
        return [
          `flush chain inet ${next.table} ${name}\n`,
          `table inet ${next.table} {\n`,
          chainText(name, rules),
          "}\n",
        ];
      }),
    )
    .join("");
}

function chainText(name: string, rules: string): string {
  return `  chain ${name} {\n${rules}  }\n`;
}

function partName(run: number, part: number): string {
  return `part_${run}_${part}`;
}

function runsOf(rules: readonly GuardRule[]): GuardRule[][] {
  const runs: GuardRule[][] = [];
  for (const rule of rules) {
    const last = runs.at(-1);
    if (last?.[0]?.verdict === rule.verdict) last.push(rule);
    else runs.push([rule]);
  }
  return runs;
}

/** As many as there are, while they are neither far too many nor far too few. */
function partsFor({ length }: readonly GuardRule[], like: Run | undefined): number {
  const wanted = length <= PART ? 1 : 2 ** Math.ceil(Math.log2(length / PART));
  const known = like?.parts.length ?? 1;
  return known > 1 && known >= wanted / 4 && known <= wanted * 4 ? known : wanted;
}

function spread(rules: readonly GuardRule[], count: number): Run {
  const parts = Array.from({ length: count }, () => new Set<string>());
  for (const { match, verdict } of rules)
    parts[count === 1 ? 0 : hashOf(match) & (count - 1)]?.add(`    ${match}${verdict}\n`);
  // Whatever the order of the policies, parts of the same rules are the same text.
  const texts = parts.map((part) => (count === 1 ? [...part] : [...part].sort()).join(""));
  return { verdict: rules[0]?.verdict ?? "accept", parts: texts };
}

/** FNV-1a, with its high bits mixed into the low ones. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function rulesOf(policy: Policy): GuardRule[] {
  const verdict = policy.action === "bypass" || policy.inClear !== undefined ? "accept" : "counter drop";
  return policy.local.flatMap((local) =>
    policy.remote
      .filter((remote) => remote.first.family === local.first.family)
      .map((remote) => ({ verdict, match: matchOf(local, remote) })),
  );
}

function matchOf(local: TrafficSelector, remote: TrafficSelector): string {
  const known = MATCHES.get(local)?.get(remote);
  if (known !== undefined) return known;
  const match = `${addresses(remote, "saddr")} ${addresses(local, "daddr")} ${layer(local, remote)}`;
  const own = MATCHES.get(local) ?? new WeakMap<TrafficSelector, string>();
  MATCHES.set(local, own.set(remote, match));
  return match;
}

function addresses({ first, last }: TrafficSelector, side: "saddr" | "daddr"): string {
  const family = first.family === 4 ? "ip" : "ip6";
  return `${family} ${side} ${addressToString(first)}-${addressToString(last)}`;
}

/** Inbound the peer's port is the source's, and ICMP's type is what the peer sends. */
function layer(local: TrafficSelector, remote: TrafficSelector): string {
  if (local.protocol === ANY_PROTOCOL) return "";
  const icmp =
    local.protocol === IpProtocol.ICMP ? "icmp" : local.protocol === IpProtocol.ICMPV6 ? "icmpv6" : undefined;
  if (icmp !== undefined && !(remote.firstPort === 0 && remote.lastPort === 65535))
    return `meta l4proto ${local.protocol} ${icmp} type ${remote.firstPort >>> 8}-${remote.lastPort >>> 8} `;
  const name = local.protocol === IpProtocol.TCP ? "tcp" : local.protocol === IpProtocol.UDP ? "udp" : undefined;
  if (name === undefined) return `meta l4proto ${local.protocol} `;
  const range = (s: TrafficSelector, port: string) =>
    s.firstPort === 0 && s.lastPort === 65535 ? "" : `${name} ${port} ${s.firstPort}-${s.lastPort} `;
  return `meta l4proto ${name} ${range(remote, "sport")}${range(local, "dport")}`;
}
