/** netsh advfirewall consec and mainmode: the modern vocabulary, of Windows Vista and later. */
import { type Block, type Draft, sectionName } from "./draft.ts";
import { type End, endOf, networkOf, upperOf } from "./netsh-ends.ts";
import { mainOffers, needsAllowWeak, pfsGroup, setQuickOffers } from "./netsh-offers.ts";
import { Tags } from "./netsh-tags.ts";
import type { NetshCommand } from "./netsh-text.ts";

const AUTHENTICATION = [
  "auth1",
  "auth1psk",
  "auth1kerbproxyfqdn",
  "auth1ca",
  "auth1healthcert",
  "auth1ecdsap256ca",
  "auth1ecdsap256healthcert",
  "auth1ecdsap384ca",
  "auth1ecdsap384healthcert",
] as const;
const CONSEC = [
  "name",
  "endpoint1",
  "endpoint2",
  "action",
  "description",
  "mode",
  "enable",
  "profile",
  "type",
  "localtunnelendpoint",
  "remotetunnelendpoint",
  "port1",
  "port2",
  "protocol",
  "interfacetype",
  ...AUTHENTICATION,
  "auth2",
  "auth2kerbproxyfqdn",
  "auth2ca",
  "auth2ecdsap256ca",
  "auth2ecdsap384ca",
  "qmpfs",
  "qmsecmethods",
  "exemptipsecprotectedconnections",
  "applyauthz",
] as const;
const MAINMODE = [
  "name",
  "mmsecmethods",
  "mmforcedh",
  "mmkeylifetime",
  "description",
  "enable",
  "profile",
  "endpoint1",
  "endpoint2",
  ...AUTHENTICATION,
  "type",
] as const;

/** What Windows 7 and later offer where nothing is said: 480 minutes, 60 minutes and 100,000 KB. */
const WINDOWS_MAIN = "dhgroup2:aes128-sha1,dhgroup2:3des-sha1";
const WINDOWS_QUICK = "esp:sha1-aes128+60min+100000kb,esp:sha1-3des+60min+100000kb";
const MAIN_MINUTES = 480;
const MINUTE = 60;

/** Main mode's terms: of a rule of its own, or of `set global mainmode`. */
interface MainMode {
  readonly endpoints: readonly [End, End];
  readonly tags: Tags;
}

export function importAdvfirewall(commands: readonly NetshCommand[], draft: Draft): void {
  const rules: Tags[] = [];
  const modes: MainMode[] = [];
  let global: Tags | undefined;
  for (const command of commands) {
    const [, context = "", verb = "", object = ""] = command.words;
    if (context === "consec" && verb === "add" && object === "rule") rules.push(Tags.read(command, CONSEC, draft));
    else if (context === "mainmode" && verb === "add" && object === "rule") {
      const tags = Tags.read(command, MAINMODE, draft);
      modes.push({
        tags,
        endpoints: [
          endOf(tags.text("endpoint1") ?? "any", undefined),
          endOf(tags.text("endpoint2") ?? "any", undefined),
        ],
      });
    } else if (context === "set" && verb === "global" && object === "mainmode") {
      const [name, value] = command.tags;
      const known = ["mmkeylifetime", "mmsecmethods", "mmforcedh"];
      const tag = { name: name?.value.toLowerCase() ?? "", value: value?.value ?? "" };
      const read = Tags.read({ ...command, tags: [tag] }, known, draft);
      if (global === undefined) global = read;
      else global.merge(read);
    } else
      draft.remark(
        undefined,
        command.origin,
        `'${command.words.slice(1, 4).join(" ")}' has no counterpart: nothing is kept of it`,
      );
  }
  for (const shunts of [false, true])
    for (const rule of rules)
      if ((rule.text("action") ?? "").toLowerCase().startsWith("noauth") === shunts)
        importRule(rule, modes, global, draft);
}

function importRule(rule: Tags, modes: readonly MainMode[], global: Tags | undefined, draft: Draft): void {
  const { origin } = rule;
  const name = rule.text("name") ?? "rule";
  const action = (rule.text("action") ?? "").toLowerCase();
  const tunnel = (rule.text("mode") ?? "transport").toLowerCase() === "tunnel";
  const skip = (why: string) => draft.remark(undefined, origin, `rule '${name}' is left out: ${why}`);
  if (rule.no("enable")) {
    skip("it is not enabled");
    return;
  }
  if (action === "requireinclearout") {
    skip("'requireinclearout' has no counterpart: one direction in clear");
    return;
  }
  const ends = { local: endsOf(rule, "endpoint1"), remote: endsOf(rule, "endpoint2") };
  const strange = [...ends.local, ...ends.remote].find((end) => end.kind === "unknown");
  if (strange?.kind === "unknown") {
    skip(`'${strange.text}' is known to Windows alone; give the address`);
    return;
  }
  if (action === "noauthentication") {
    addPass(rule, name, ends, draft);
    return;
  }
  const method = methodOf(rule, name, draft);
  if (method === undefined) return;
  const peers = tunnel
    ? [rule.text("remotetunnelendpoint") ?? "any"]
    : ends.remote.map((end) => (end.kind === "net" ? end.text : "any"));
  const connection = draft.connections.block(sectionName(name, draft.connections));
  const peer = peers.includes("any") ? "%any" : peers.join(", ");
  connection.set("version", 1);
  connection.set("microsoft", "yes");
  const ours = rule.text("localtunnelendpoint");
  if (tunnel && ours !== undefined && ours.toLowerCase() !== "any") connection.set("local_addrs", ours);
  if (!tunnel && ends.local.every((end) => end.kind === "net"))
    connection.set("local_addrs", ends.local.map((end) => (end.kind === "net" ? end.text : "")).join(", "));
  connection.set("remote_addrs", peer);
  setMainMode(connection, ends, modes, global, draft);
  connection.block("local").set("auth", method);
  connection.block("remote").set("auth", method);
  if (method === "psk") {
    const secret = draft.secrets.block(sectionName(`ike-${connection.name}`, draft.secrets));
    if (/^[^/%, -]+$/.test(peer)) secret.set("id", peer);
    secret.set("secret", rule.text("auth1psk") ?? "");
  } else
    draft.remark(
      connection,
      origin,
      "put the CA's certificate into x509ca/, ours into x509/ and its key into private/",
    );
  addChildren(connection, rule, name, { ...ends, tunnel, trap: /^[^/%, -]+$/.test(peer) }, draft);
  rule.tellIdle(
    {
      auth2: "a second authentication is AuthIP's alone",
      profile: "there are no network profiles",
      interfacetype: "it is for every interface",
      auth1healthcert: "health certificates are certificates here",
      applyauthz: "who is authenticated is authorised",
    },
    draft,
    connection,
  );
  if (
    needsAllowWeak(
      [
        connection.get("proposals"),
        connection.blocks.map((one) => one.blocks.map((child) => child.get("esp_proposals"))),
      ].join(),
    )
  ) {
    connection.set("allow_weak", "yes");
    draft.remark(connection, origin, "group 1 or DES is asked for: allow_weak takes them, better remove them");
  }
}

interface Ends {
  readonly local: readonly End[];
  readonly remote: readonly End[];
}

function endsOf(rule: Tags, tag: "endpoint1" | "endpoint2"): readonly End[] {
  return (rule.text(tag) ?? "any").split(",").map((one) => endOf(one, undefined));
}

/** One method a connection: the first that is there. */
function methodOf(rule: Tags, name: string, draft: Draft): "psk" | "pubkey" | undefined {
  let found: "psk" | "pubkey" | undefined;
  for (const word of (rule.text("auth1") ?? "").toLowerCase().split(",")) {
    const method = word === "computerpsk" ? "psk" : word.startsWith("computercert") ? "pubkey" : undefined;
    if (method === undefined)
      draft.remark(
        undefined,
        rule.origin,
        `rule '${name}': auth1 '${word}' is known, has no counterpart ${word === "computerkerb" ? "yet (Kerberos)" : ""}`.trimEnd(),
      );
    else if (found !== undefined && found !== method)
      draft.remark(undefined, rule.origin, `rule '${name}': auth1 '${word}' is left out: a connection has one method`);
    found ??= method;
  }
  if (found === undefined)
    draft.remark(undefined, rule.origin, `rule '${name}' is left out: none of its ways to authenticate is there`);
  return found;
}

function setMainMode(
  connection: Block,
  ends: Ends,
  modes: readonly MainMode[],
  global: Tags | undefined,
  draft: Draft,
): void {
  const own = modes.find(
    ({ endpoints: [first, second], tags }) =>
      !tags.no("enable") && covers(first, ends.local) && covers(second, ends.remote),
  );
  const tags = own?.tags ?? global;
  const given = (tag: string) => {
    const text = tags?.text(tag) ?? global?.text(tag);
    return text === undefined || text.toLowerCase() === "default" ? undefined : text;
  };
  const origin = tags?.origin;
  const offers = given("mmsecmethods");
  const where = origin ?? { file: "netsh", line: 0 };
  connection.set("proposals", mainOffers(offers ?? WINDOWS_MAIN, connection, where, draft) || undefined);
  const life = given("mmkeylifetime") ?? "";
  const minutes = Number(/(\d+)min/i.exec(life)?.[1] ?? MAIN_MINUTES) || MAIN_MINUTES;
  const sessions = Number(/(\d+)sess/i.exec(life)?.[1] ?? 0);
  const over = Math.min(10 * MINUTE, Math.floor((minutes * MINUTE) / 10));
  connection.set("rekey_time", `${minutes * MINUTE - over}s`);
  connection.set("over_time", `${over}s`);
  if (sessions === 1) connection.set("master_pfs", "yes");
  else if (sessions > 1) connection.set("refresh_limit", sessions);
  if (origin !== undefined)
    tags?.tellIdle({ mmforcedh: "AuthIP is not there: IKE always makes a Diffie-Hellman exchange" }, draft, connection);
}

/** `any` is for everybody, a network for itself. */
function covers(rule: End, ends: readonly End[]): boolean {
  return (
    rule.kind === "any" || ends.every((end) => end.kind === "net" && rule.kind === "net" && end.text === rule.text)
  );
}

/** In tunnel mode a child for each pair of ends: IKEv1 negotiates one selector a side. */
function addChildren(
  connection: Block,
  rule: Tags,
  name: string,
  { local, remote, tunnel, trap }: Ends & { readonly tunnel: boolean; readonly trap: boolean },
  draft: Draft,
): void {
  const pairs = tunnel ? local.flatMap((ours) => remote.map((theirs) => [ours, theirs] as const)) : [undefined];
  const children = connection.block("children");
  for (const pair of pairs) {
    const child = children.block(sectionName(name, children));
    const upper = (port: string) => upperOf(rule.text("protocol"), rule.text(port), child, rule.origin, draft);
    child.set("mode", pair === undefined ? "transport" : "tunnel");
    child.set(
      "local_ts",
      pair === undefined ? `dynamic${upper("port1")}` : networkOf(pair[0], pair[1], upper("port1")),
    );
    child.set(
      "remote_ts",
      pair === undefined ? `dynamic${upper("port2")}` : networkOf(pair[1], pair[0], upper("port2")),
    );
    setTerms(child, rule, draft);
    if (trap) child.set("start_action", "trap");
  }
}

function setTerms(child: Block, rule: Tags, draft: Draft): void {
  const action = (rule.text("action") ?? "").toLowerCase();
  if (action.endsWith("requestout")) child.set("fallback_to_clear", "yes");
  if (action.startsWith("requestin")) child.set("accept_clear", "yes");
  setPfs(child, rule, draft);
  const methods = rule.text("qmsecmethods");
  const offers = methods === undefined || /^default$/i.test(methods) ? WINDOWS_QUICK : methods;
  setQuickOffers(offers, child, rule.origin, draft);
}

function setPfs(child: Block, rule: Tags, draft: Draft): void {
  const word = (rule.text("qmpfs") ?? "none").toLowerCase();
  if (word === "mainmode") child.set("pfs_group", "main-mode");
  else if (word !== "none" && word !== "default") {
    child.set("pfs_group", "main-mode");
    const group = pfsGroup(word);
    const what = group === undefined ? "is not there" : `is ${group}: add -${group} to esp_proposals for it`;
    draft.remark(child, rule.origin, `'qmpfs=${word}' ${what}; main mode's group is taken`);
  }
}

function addPass(rule: Tags, name: string, { local, remote }: Ends, draft: Draft): void {
  const home = draft.connections.blocks[0];
  if (home === undefined) {
    draft.remark(
      undefined,
      rule.origin,
      `rule '${name}' is left out: no rule negotiates, and a child needs a connection; write one with mode = pass`,
    );
    return;
  }
  const children = home.block("children");
  const child = children.block(sectionName(name, children));
  child.set("mode", "pass");
  const upper = upperOf(rule.text("protocol"), undefined, child, rule.origin, draft);
  const list = (ends: readonly End[], others: readonly End[]) =>
    ends.map((end) => networkOf(end, others[0] ?? end, upper)).join(", ");
  child.set("local_ts", list(local, remote));
  child.set("remote_ts", list(remote, local));
}
