/** list-conns, list-policies: the configuration that runs. */
import type { ChildConfig, Connection } from "#core/connection";
import type { ConnectionInventory, RoundInventory } from "#core/inventory";
import type { Command, EventMessage } from "./command.ts";
import { list, type Message, octetsOf, section, textOf, value } from "./message.ts";
import { hostText, selectorConfigText } from "./selector-text.ts";
import type { ViciWorld } from "./world.ts";

const VERSIONS = { 0: "IKEv1/2", 1: "IKEv1", 2: "IKEv2" } as const;
const CLASSES = { psk: "pre-shared key", signature: "public key", any: "any" } as const;
/** strongSwan tells what a certificate's state must be at least. */
const REVOCATIONS = { strict: "GOOD", ifuri: "SKIPPED", relaxed: undefined } as const;
const ACTIONS = {
  none: "none",
  clear: "none",
  trap: "trap",
  start: "start",
  restart: "start",
  "trap|start": "trap|start",
} as const;

export function listConns({ inventory }: ViciWorld): Command {
  return (request) => {
    const ike = textOf(request, "ike");
    const found = inventory.connections().filter(({ connection }) => (ike ?? connection.name) === connection.name);
    return { events: connectionEvents(found), response: [] };
  };
}

/** Made as they are told: there may be thousands. */
function* connectionEvents(found: readonly ConnectionInventory[]): Generator<EventMessage> {
  for (const one of found) yield { event: "list-conn", message: connectionSection(one) };
}

function connectionSection({ connection, local, remote }: ConnectionInventory): Message {
  const { dpdDelay } = connection;
  return section(
    connection.name,
    list("local_addrs", connection.localAddresses.map(hostText)),
    list("remote_addrs", connection.remoteAddresses.map(hostText)),
    value("local_port", connection.localPort),
    value("remote_port", connection.remotePort),
    value("version", VERSIONS[connection.version]),
    value("reauth_time", seconds(connection.reauthTime)),
    value("rekey_time", seconds(connection.rekeyTime)),
    value("unique", `UNIQUE_${connection.unique.toUpperCase()}`),
    value("dpd_delay", dpdDelay > 0 ? seconds(dpdDelay) : undefined),
    section("local-1", roundKeys(local, CLASSES[connection.local.method], undefined)),
    section(
      "remote-1",
      roundKeys(remote, CLASSES[connection.remote.method], REVOCATIONS[connection.remote.revocation]),
    ),
    section("children", ...connection.children.map((child) => section(child.name, childKeys(child)))),
  );
}

function roundKeys(
  { identity, certificates, authorities }: RoundInventory,
  method: string,
  revocation: string | undefined,
): Message {
  return [
    value("id", identity),
    value("class", method),
    value("revocation", revocation),
    list("groups", []),
    list("cert_policy", []),
    list("certs", certificates),
    list("cacerts", authorities),
  ].flat();
}

function childKeys(child: ChildConfig): Message {
  const { lifetime, priority } = child;
  return [
    value("mode", child.mode.toUpperCase()),
    value("rekey_time", seconds(lifetime.rekeyTime)),
    value("rekey_bytes", finite(lifetime.rekeyOctets)),
    value("rekey_packets", finite(lifetime.rekeyPackets)),
    value("dpd_action", ACTIONS[child.dpdAction]),
    value("close_action", ACTIONS[child.closeAction]),
    list("local-ts", child.local.map(selectorConfigText)),
    list("remote-ts", child.remote.map(selectorConfigText)),
    value("priority", priority === 0 ? undefined : priority),
  ].flat();
}

/** vici's 0 is never. */
function seconds(span: number): number {
  return Math.round(finite(span) / 1000);
}

function finite(limit: number): number {
  return Number.isFinite(limit) ? limit : 0;
}

/** Traps that packets may spring, and what passes or is dropped without SAs. */
export function listPolicies({ gateway, inventory }: ViciWorld): Command {
  return (request) => {
    const trapped = new Set(gateway.details()?.trapped);
    const asked = (key: string) => octetsOf(request, key) !== undefined;
    const isAsked = (connection: Connection, { mode, name }: ChildConfig) =>
      mode === "pass" || mode === "drop" ? asked(mode) : asked("trap") && trapped.has(`${connection.name}/${name}`);
    const [ike, wanted] = [textOf(request, "ike"), textOf(request, "child")];
    function* events(): Generator<EventMessage> {
      for (const { connection } of inventory.connections())
        for (const child of connection.children)
          if ((ike ?? connection.name) === connection.name && (wanted ?? child.name) === child.name)
            if (isAsked(connection, child)) yield { event: "list-policy", message: policySection(connection, child) };
    }
    return { events: events(), response: [] };
  };
}

function policySection({ name: ike }: Connection, { name, mode, local, remote }: ChildConfig): Message {
  return section(
    `${ike}/${name}`,
    value("child", name),
    value("ike", ike),
    value("mode", mode.toUpperCase()),
    list("local-ts", local.map(selectorConfigText)),
    list("remote-ts", remote.map(selectorConfigText)),
  );
}
