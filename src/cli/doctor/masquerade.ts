/**
 * The commonest "up but no traffic": a rule that gives forwarded packets this gateway's own address before they enter the
 * tunnel, so that they fit no selector any more.
 */
import { type Finding, fail, ok, skipped } from "./finding.ts";
import type { Machine } from "./machine.ts";

const CHECK = "masquerade";

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type: string | undefined;
  readonly hook: string | undefined;
}

interface Rule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly handle: number;
  readonly expr: readonly unknown[];
}

/** `tun`: the device that packets enter the tunnel by. */
export function masqueradeFinding(machine: Machine, tun: string): Finding {
  const text = machine.run("nft", ["--json", "list", "ruleset"]);
  if (text === undefined) return skipped(CHECK, "nft is not there, or may not list its rules: run it as root");
  const { chains, rules } = rulesetOf(text);
  for (const chain of chains) {
    if (chain.type !== "nat" || chain.hook !== "postrouting") continue;
    for (const rule of rules) {
      if (rule.table !== chain.table || rule.chain !== chain.name || rule.family !== chain.family) continue;
      if (exempts(rule, tun)) break;
      if (!translates(rule) || sparesDevice(rule, tun)) continue;
      const { family, table, name } = chain;
      return fail(
        CHECK,
        `rule ${rule.handle} of nftables chain ${family} ${table} ${name} translates what enters the tunnel: it then fits no selector`,
        `nft insert rule ${family} ${table} ${name} oifname "${tun}" accept`,
      );
    }
  }
  return ok(CHECK, "no rule translates what enters the tunnel");
}

function rulesetOf(text: string): { readonly chains: readonly Chain[]; readonly rules: readonly Rule[] } {
  const chains: Chain[] = [];
  const rules: Rule[] = [];
  const parsed: unknown = JSON.parse(text);
  for (const entry of listIn(parsed, "nftables")) {
    const chain = fieldOf(entry, "chain");
    if (chain !== undefined)
      chains.push({
        family: textOf(chain, "family"),
        table: textOf(chain, "table"),
        name: textOf(chain, "name"),
        type: textOf(chain, "type"),
        hook: textOf(chain, "hook"),
      });
    const rule = fieldOf(entry, "rule");
    if (rule !== undefined)
      rules.push({
        family: textOf(rule, "family"),
        table: textOf(rule, "table"),
        chain: textOf(rule, "chain"),
        handle: Number(fieldOf(rule, "handle")),
        expr: listIn(rule, "expr"),
      });
  }
  return { chains, rules };
}

/** Also the rules that iptables has put there. */
function translates({ expr }: Rule): boolean {
  return expr.some((one) => {
    if (fieldOf(one, "masquerade") !== undefined || fieldOf(one, "snat") !== undefined) return true;
    const name = textOf(fieldOf(one, "xt"), "name");
    return name === "MASQUERADE" || name === "SNAT";
  });
}

interface DeviceMatch {
  readonly equal: boolean;
  readonly devices: readonly string[];
}

function deviceMatches({ expr }: Rule): DeviceMatch[] {
  return expr.flatMap((one): DeviceMatch[] => {
    const match = fieldOf(one, "match");
    const key = textOf(fieldOf(fieldOf(match, "left"), "meta"), "key");
    if (key !== "oifname" && key !== "oif") return [];
    const right = fieldOf(match, "right");
    const devices = typeof right === "string" ? [right] : listIn(right, "set").map(String);
    return [{ equal: textOf(match, "op") !== "!=", devices }];
  });
}

/** It is for other devices alone. */
function sparesDevice(rule: Rule, tun: string): boolean {
  return deviceMatches(rule).some(({ equal, devices }) => equal !== devices.some((name) => fits(name, tun)));
}

/** "esp*" is every device that begins so. */
function fits(pattern: string, device: string): boolean {
  return pattern.endsWith("*") ? device.startsWith(pattern.slice(0, -1)) : pattern === device;
}

/** Nothing behind it in this chain sees what enters the tunnel. */
function exempts(rule: Rule, tun: string): boolean {
  const ends = rule.expr.some((one) => typeof one === "object" && one !== null && ("accept" in one || "return" in one));
  const others = rule.expr.filter((one) => fieldOf(one, "match") !== undefined).length;
  const matches = deviceMatches(rule);
  return ends && others === matches.length && !sparesDevice(rule, tun);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  // `{"masquerade": null}` is there too.
  const found = Object.entries(value).find(([key]) => key === name);
  return found === undefined ? undefined : (found[1] ?? true);
}

function textOf(value: unknown, name: string): string {
  const found = fieldOf(value, name);
  return typeof found === "string" ? found : "";
}

function listIn(value: unknown, name: string): readonly unknown[] {
  const found = fieldOf(value, name);
  return Array.isArray(found) ? found : [];
}
