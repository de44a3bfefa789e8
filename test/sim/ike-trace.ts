/** Everything that happens in a simulation as lines of text: datagrams as the RFCs' arrows, inputs and effects. */
import { addressToString } from "#core/address";
import type { IkeEffect, IkeInput } from "#ike/effects";
import { decodeHeader } from "#wire/ike/header";
import { type Datagram, describe, type IkeNode, type SimObserver } from "./ike-pair.ts";
import { describe1 } from "./ikev1-pair.ts";

/** Lines go to `print`. */
export function traceTo(print: (line: string) => void): SimObserver {
  const line = (node: IkeNode, text: string | undefined) => {
    if (text !== undefined) print(`${(node.now / 1000).toFixed(3).padStart(9)} ${node.name} ${text}`);
  };
  const counted = new Map<IkeNode, Readonly<Record<string, number>>>();
  return {
    given: (node, input) => {
      const { counters } = node.engine.snapshot();
      line(node, indented(dropsText(counted.get(node) ?? {}, counters)));
      counted.set(node, counters);
      line(node, inputText(input));
    },
    done: (node, effect) => line(node, indented(effectText(effect))),
    carried: (node, datagram, arrivals) => line(node, indented(arrow(node, datagram, arrivals))),
  };
}

function indented(text: string | undefined): string | undefined {
  return text === undefined ? undefined : `    ${text}`;
}

/** What was dropped since. */
function dropsText(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): string | undefined {
  const more = Object.keys(after).filter((name) => name.startsWith("drop_") && after[name] !== (before[name] ?? 0));
  return more.length === 0 ? undefined : `counted ${more.join(", ")}`;
}

function arrow(node: IkeNode, datagram: Datagram, arrivals: number): string {
  const { initiatorSpi } = decodeHeader(datagram.octets);
  const fate = arrivals === 0 ? "lost" : arrivals === 1 ? "" : "twice";
  const what = `${exchangeText(datagram)} of ${spiText(initiatorSpi)}, ${datagram.octets.length} octets`;
  return `${node.name === "a" ? "-->" : "<--"} ${what} ${fate}`.trimEnd();
}

/** Version 1's phase 2 messages with their M-IDs. */
function exchangeText(datagram: Datagram): string {
  const { majorVersion, messageId } = decodeHeader(datagram.octets);
  if (majorVersion !== 1) return describe(datagram);
  return messageId === 0 ? describe1(datagram) : `${describe1(datagram)} ${messageId.toString(16)}`;
}

function spiText(spi: bigint): string {
  return spi.toString(16).padStart(16, "0").slice(0, 6);
}

function inputText(input: IkeInput): string | undefined {
  switch (input.kind) {
    case "configure":
      return undefined;
    case "datagram": {
      const { octets, local, remote } = input;
      const { initiatorSpi } = decodeHeader(octets);
      const { address, port } = remote;
      const what = exchangeText({ octets, from: remote, to: local });
      return `receives ${what} of ${spiText(initiatorSpi)} from ${addressToString(address)}:${port}`;
    }
    case "timeout":
    case "hold":
    case "release":
      return input.kind;
    case "computed":
      return `computed ${input.job} ${input.result.kind}`;
    case "addresses":
      return `has ${input.local.map(({ address }) => addressToString(address)).join(", ")}`;
    case "initiate":
      return `initiate ${input.child ?? ""} (${input.trigger})`;
    case "rekey-child":
    case "heard":
    case "first-packet":
    case "peer-moved":
      return `${input.kind} ${input.id}`;
    case "delete-child":
      return `${input.kind} ${input.id}: ${input.reason}`;
    case "rekey-ike":
    case "reauthenticate":
    case "delete-ike":
      return `${input.kind} ${input.ike}`;
    case "unreachable":
      return `unreachable: ${input.reason}`;
    default:
      return input satisfies never;
  }
}

function effectText(effect: IkeEffect): string | undefined {
  switch (effect.kind) {
    case "send":
      return undefined;
    case "install-child-sa": {
      const { id, child, inbound, outbound, replaces, ike } = effect.child;
      const spis = `${inbound.spi.toString(16)}/${outbound.spi.toString(16)}`;
      return `install ${id} ${child} ${spis} over ${ike}, outbound ${effect.outbound}, for ${replaces ?? "none"}`;
    }
    case "use-child-sa":
      return `use ${effect.id}`;
    case "confirm-child-sa":
      return `confirm ${effect.id}`;
    case "remove-child-sa":
      return `remove ${effect.id}: ${effect.reason}`;
    case "move-child-sa":
      return `move ${effect.id} to ${addressToString(effect.remote.address)}:${effect.remote.port}`;
    case "compute":
      return `compute ${effect.job} ${effect.work.kind}`;
    case "report":
      return reportText(effect.report);
    default:
      return effect satisfies never;
  }
}

function reportText(report: Extract<IkeEffect, { kind: "report" }>["report"]): string {
  switch (report.kind) {
    case "ike-up":
      return `report ike-up ${report.ike.id} of ${report.ike.initiatorSpi.slice(0, 6)}`;
    case "ike-rekeyed":
      return `report ike-rekeyed ${report.former} to ${report.ike.id} of ${report.ike.initiatorSpi.slice(0, 6)}`;
    case "ike-down":
      return `report ike-down ${report.ike}: ${report.reason}`;
    case "child-down":
      return `report child-down ${report.child}: ${report.reason}`;
    case "failed":
      return `report failed ${report.child ?? ""} ${report.stage} ${report.notify ?? ""} by ${report.from}: ${report.reason}`;
    case "rekey":
      return `report rekey ${report.child ?? "IKE SA"} ${report.trigger}: ${report.result}`;
    case "warning":
      return `report warning: ${report.text}`;
    case "fallback":
      return `report fallback ${report.policy}: ${report.because}`;
    case "child-up":
    case "sa-retired":
      return `report ${report.kind} ${report.child}`;
    default:
      return report satisfies never;
  }
}
