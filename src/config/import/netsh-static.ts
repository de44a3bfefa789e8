/**
 * netsh ipsec static: the legacy vocabulary, of Windows 2000 to 2003 (policies, rules, filter lists, filter actions).
 *
 *     policy ◄── rule ──► filter list ──► filters        rule → a connection for each peer, a child for each filter
 *                  └────► filter action                  action → mode, offers, falling back
 */
import { type Block, type Draft, placeOf, sectionName } from "./draft.ts";
import { type End, endOf, networkOf, upperOf } from "./netsh-ends.ts";
import { legacyMainOffers, needsAllowWeak, setLegacyQuickOffers } from "./netsh-offers.ts";
import { Tags } from "./netsh-tags.ts";
import type { NetshCommand } from "./netsh-text.ts";

const TAGS: Readonly<Record<string, readonly string[]>> = {
  policy: [
    "name",
    "description",
    "mmpfs",
    "qmpermm",
    "mmlifetime",
    "activatedefaultrule",
    "pollinginterval",
    "assign",
    "mmsecmethods",
    "newname",
    "gponame",
    "guid",
  ],
  filterlist: ["name", "description", "newname", "guid"],
  filter: [
    "filterlist",
    "srcaddr",
    "dstaddr",
    "description",
    "protocol",
    "mirrored",
    "srcmask",
    "dstmask",
    "srcport",
    "dstport",
  ],
  filteraction: ["name", "description", "qmpfs", "inpass", "soft", "action", "qmsecmethods", "newname", "guid"],
  rule: [
    "name",
    "policy",
    "filterlist",
    "filteraction",
    "tunnel",
    "conntype",
    "activate",
    "description",
    "kerberos",
    "psk",
    "rootca",
    "newname",
    "id",
  ],
  defaultrule: ["policy", "qmpfs", "activate", "qmsecmethods", "kerberos", "psk", "rootca"],
};
const MINUTE = 60;

/** Objects by name, as the commands leave them. */
interface Store {
  readonly policies: Map<string, Tags>;
  readonly lists: Map<string, Tags[]>;
  readonly actions: Map<string, Tags>;
  readonly rules: Tags[];
  /** Whose rule a connection is. */
  readonly made: Map<Block, Tags>;
}

export function importStatic(commands: readonly NetshCommand[], draft: Draft): void {
  const store: Store = { policies: new Map(), lists: new Map(), actions: new Map(), rules: [], made: new Map() };
  for (const command of commands) take(command, store, draft);
  const inbound = new Set<Tags>();
  // What permits and blocks stands in a connection, whose rule may come later.
  for (const shunts of [false, true])
    for (const rule of store.rules) {
      const action = store.actions.get(key(rule.text("filteraction")));
      const isShunt = /^(permit|block)$/i.test(action?.text("action") ?? "");
      if (isShunt !== shunts || inbound.has(rule)) continue;
      importRule(rule, inboundHalf(rule, store, inbound), store, draft);
    }
}

function take(command: NetshCommand, store: Store, draft: Draft): void {
  const [verb = "", object = ""] = command.words.slice(2);
  const known = Object.hasOwn(TAGS, object) ? TAGS[object] : undefined;
  if ((verb !== "add" && verb !== "set") || known === undefined) {
    draft.remark(
      undefined,
      command.origin,
      `'${`${verb} ${object}`.trim()}' has no counterpart: nothing is kept of it`,
    );
    return;
  }
  const tags = Tags.read(command, known, draft);
  const name = key(tags.text("name"));
  if (object === "filter") {
    const list = key(tags.text("filterlist"));
    store.lists.set(list, [...(store.lists.get(list) ?? []), tags]);
  } else if (object === "filterlist") store.lists.set(name, store.lists.get(name) ?? []);
  else if (object === "policy") merge(store.policies, name, tags);
  else if (object === "filteraction") merge(store.actions, name, tags);
  else if (object === "defaultrule")
    draft.remark(
      undefined,
      command.origin,
      "the default response rule has no counterpart: name the peers that may come",
    );
  else if (verb === "set") {
    const found = store.rules.find(
      (one) => key(one.text("name")) === name && key(one.text("policy")) === key(tags.text("policy")),
    );
    if (found === undefined)
      draft.remark(undefined, command.origin, `there is no rule '${tags.text("name") ?? ""}' before this line`);
    else found.merge(tags);
  } else store.rules.push(tags);
}

function merge(all: Map<string, Tags>, name: string, tags: Tags): void {
  const found = all.get(name);
  if (found === undefined) all.set(name, tags);
  else found.merge(tags);
}

/** Windows' names are the same in any case. */
function key(name: string | undefined): string {
  return (name ?? "").toLowerCase();
}

/** Windows wants two rules for a tunnel, one each way: the second has the ends the other way round, and our own address. */
function inboundHalf(rule: Tags, store: Store, inbound: Set<Tags>): Tags | undefined {
  if (!rule.has("tunnel")) return undefined;
  const ends = (one: Tags, reverse: boolean) =>
    (store.lists.get(key(one.text("filterlist"))) ?? [])
      .map((filter) => [filterEnd(filter, "src"), filterEnd(filter, "dst")].map((end) => JSON.stringify(end)))
      .map((pair) => (reverse ? pair.toReversed() : pair).join())
      .sort()
      .join(";");
  const found = store.rules.find(
    (other) => other !== rule && other.has("tunnel") && !inbound.has(other) && ends(other, true) === ends(rule, false),
  );
  if (found !== undefined) inbound.add(found);
  return found;
}

function filterEnd(filter: Tags, side: "src" | "dst"): End {
  return endOf(filter.text(`${side}addr`) ?? "any", filter.text(`${side}mask`));
}

function importRule(rule: Tags, inbound: Tags | undefined, store: Store, draft: Draft): void {
  const { origin } = rule;
  const name = rule.text("name") ?? "rule";
  const policy = store.policies.get(key(rule.text("policy")));
  const action = store.actions.get(key(rule.text("filteraction")));
  const filters = store.lists.get(key(rule.text("filterlist"))) ?? [];
  const what = (action?.text("action") ?? "negotiate").toLowerCase();
  const shunt = what === "permit" ? "pass" : what === "block" ? "drop" : undefined;
  const missing = rule.no("activate")
    ? "it is not active"
    : policy === undefined
      ? `there is no policy '${rule.text("policy") ?? ""}'`
      : action === undefined
        ? `there is no filter action '${rule.text("filteraction") ?? ""}'`
        : filters.length === 0
          ? `its filter list '${rule.text("filterlist") ?? ""}' is empty`
          : shunt === undefined && !rule.has("psk") && !rule.has("rootca")
            ? "it has Kerberos alone, which is not there yet: say psk or rootca"
            : undefined;
  if (missing !== undefined || policy === undefined || action === undefined) {
    draft.remark(undefined, origin, `rule '${name}' is left out: ${missing}`);
    return;
  }
  for (const filter of filters) {
    if (shunt !== undefined) {
      addShunt(filter, shunt, name, draft);
      continue;
    }
    const child = childFor({ rule, inbound, policy, action }, filter, store, draft);
    if (child !== undefined) setAction(child, action, draft);
  }
}

interface Parts {
  readonly rule: Tags;
  readonly inbound: Tags | undefined;
  readonly policy: Tags;
  readonly action: Tags;
}

/** Permit and block: children without SAs, in whichever connection there is. */
function addShunt(filter: Tags, mode: "pass" | "drop", name: string, draft: Draft): void {
  const [local, remote] = [filterEnd(filter, "src"), filterEnd(filter, "dst")];
  const home = draft.connections.blocks[0];
  const strange = local.kind === "unknown" || remote.kind === "unknown";
  if (home === undefined || strange) {
    const why = strange ? "its addresses are not in the text" : "no rule negotiates, and a child needs a connection";
    draft.remark(
      undefined,
      filter.origin,
      `a filter of rule '${name}' is left out: ${why}; write a child with mode = ${mode}`,
    );
    return;
  }
  const children = home.block("children");
  const child = children.block(sectionName(name, children));
  child.set("mode", mode);
  const upper = (port: string) => upperOf(filter.text("protocol"), filter.text(port), child, filter.origin, draft);
  child.set("local_ts", networkOf(local, remote, upper("srcport")));
  child.set("remote_ts", networkOf(remote, local, upper("dstport")));
}

function childFor(parts: Parts, filter: Tags, store: Store, draft: Draft): Block | undefined {
  const { rule } = parts;
  const { origin } = filter;
  const tunnel = rule.text("tunnel");
  const name = rule.text("name") ?? "rule";
  let [local, remote] = [filterEnd(filter, "src"), filterEnd(filter, "dst")];
  let swapped = false;
  // A mirrored filter may be written from the other side.
  if (tunnel === undefined && local.kind !== "me" && remote.kind === "me") {
    [local, remote] = [remote, local];
    swapped = true;
  }
  const strange = [local, remote].find((end) => end.kind === "unknown");
  if (strange?.kind === "unknown") {
    draft.remark(
      undefined,
      origin,
      `a filter of rule '${name}' is left out: '${strange.text}' is known to Windows alone; give the address`,
    );
    return undefined;
  }
  const peer = tunnel ?? (remote.kind === "net" ? remote.text : "%any");
  const connection = connectionFor(parts, peer, store, draft);
  if (filter.no("mirrored") && tunnel === undefined)
    draft.remark(connection, origin, "'mirrored=no' has no counterpart: SAs are made in pairs");
  const children = connection.block("children");
  const child = children.block(sectionName(name, children));
  const [localPort, remotePort] = swapped ? ["dstport", "srcport"] : ["srcport", "dstport"];
  const upper = (port: string | undefined) =>
    upperOf(filter.text("protocol"), port === undefined ? undefined : filter.text(port), child, origin, draft);
  child.set("mode", tunnel === undefined ? "transport" : "tunnel");
  // Transport mode is between two hosts: whoever of the network comes is meant.
  const transport = tunnel === undefined;
  if (transport && local.kind === "net") connection.set("local_addrs", local.text);
  child.set("local_ts", transport ? `dynamic${upper(localPort)}` : networkOf(local, remote, upper(localPort)));
  child.set("remote_ts", transport ? `dynamic${upper(remotePort)}` : networkOf(remote, local, upper(remotePort)));
  if (/^[^/%-]+$/.test(peer)) child.set("start_action", "trap");
  return child;
}

function connectionFor({ rule, inbound, policy, action }: Parts, peer: string, store: Store, draft: Draft): Block {
  const { origin } = rule;
  const known = draft.connections.blocks.find(
    (one) => one.get("remote_addrs") === peer && store.made.get(one) === rule,
  );
  if (known !== undefined) return known;
  const connection = draft.connections.block(sectionName(rule.text("name") ?? "rule", draft.connections));
  store.made.set(connection, rule);
  connection.set("level", "windows-legacy");
  if (inbound !== undefined) {
    connection.set("local_addrs", inbound.text("tunnel"));
    draft.remark(
      connection,
      inbound.origin,
      `the way back of ${placeOf(origin)}: its tunnel end is taken for our address`,
    );
  }
  connection.set("remote_addrs", peer);
  setPolicy(connection, policy, draft);
  setAuthentication(connection, rule, peer, draft);
  const weak = needsAllowWeak(
    [
      connection.get("proposals") ?? "",
      action.text("qmsecmethods")?.toLowerCase().replaceAll(/[[\]]/g, "-") ?? "",
    ].join(),
  );
  if (weak) {
    connection.set("allow_weak", "yes");
    draft.remark(connection, policy.origin, "group 1 or DES is asked for: allow_weak takes them, better remove them");
  }
  const lan = (rule.text("conntype") ?? "all").toLowerCase();
  if (lan !== "all")
    draft.remark(connection, origin, `'conntype=${lan}' has no counterpart: it is for every interface`);
  return connection;
}

function setPolicy(connection: Block, policy: Tags, draft: Draft): void {
  const { origin } = policy;
  if (policy.yes("mmpfs")) connection.set("master_pfs", "yes");
  const limit = Number(policy.text("qmpermm") ?? 0);
  if (limit > 1 && !policy.yes("mmpfs")) connection.set("refresh_limit", limit);
  if (limit === 1) connection.set("master_pfs", "yes");
  const minutes = Number(policy.text("mmlifetime") ?? 0);
  if (minutes > 0) {
    // Of the whole life the last part is there for the renewal.
    const life = Math.round(minutes * MINUTE);
    const over = Math.min(10 * MINUTE, Math.floor(life / 10));
    connection.set("rekey_time", `${life - over}s`);
    connection.set("over_time", `${over}s`);
  }
  const methods = policy.text("mmsecmethods");
  const offers = methods === undefined ? "" : legacyMainOffers(methods, connection, origin, draft);
  if (offers !== "") connection.set("proposals", offers);
  policy.tellIdle(
    {
      pollinginterval: "there is no directory that is asked",
      gponame: "there is no directory that is asked",
    },
    draft,
    connection,
  );
  if (policy.no("assign"))
    draft.remark(connection, origin, "the policy is not assigned in Windows; here it is in force");
}

function setAuthentication(connection: Block, rule: Tags, peer: string, draft: Draft): void {
  const psk = rule.text("psk");
  const method = psk === undefined ? "pubkey" : "psk";
  connection.block("local").set("auth", method);
  connection.block("remote").set("auth", method);
  if (rule.yes("kerberos"))
    draft.remark(connection, rule.origin, "'kerberos' is known, has no counterpart yet: the other method is taken");
  if (psk !== undefined) {
    const secret = draft.secrets.block(sectionName(`ike-${connection.name}`, draft.secrets));
    if (/^[^/%-]+$/.test(peer)) secret.set("id", peer);
    secret.set("secret", psk);
    if (rule.has("rootca"))
      draft.remark(connection, rule.origin, "'rootca' beside 'psk' is left out: a connection has one method");
    return;
  }
  const authority = (rule.text("rootca") ?? "").replace(/\s*certmap:.*$/i, "");
  draft.remark(
    connection,
    rule.origin,
    `put the certificate of the CA '${authority}' into x509ca/, ours into x509/ and its key into private/`,
  );
}

function setAction(child: Block, action: Tags, draft: Draft): void {
  if (action.yes("qmpfs")) child.set("pfs_group", "main-mode");
  if (action.yes("inpass")) child.set("accept_clear", "yes");
  if (action.yes("soft")) child.set("fallback_to_clear", "yes");
  const methods = action.text("qmsecmethods");
  if (methods !== undefined) setLegacyQuickOffers(methods, child, action.origin, draft);
}
