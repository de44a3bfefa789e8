/** The end of all that is between us and one peer: pairs, quick modes under way, ISAKMP SAs, and what waited for them. */
import { ProtocolId } from "#core/proposal";
import type { EndCause } from "#ike/effects";
import { report } from "#ike/host";
import { type DeletePayload, deletePayload } from "#wire/ike/v1/delete";
import { closeIsakmp, deletePair, spiOctets } from "./delete.ts";
import type { Host } from "./host.ts";
import { protocolId } from "./install-pair.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import type { PeerLine } from "./peer-line.ts";
import { taskOf } from "./phase2-state.ts";
import { type DrawnPart, drawnParts, dropExchange } from "./quick-mode-failures.ts";
import { removePair } from "./succession.ts";
import { configOf, isQuickTask } from "./tasks.ts";

/** At an operator's wish, or because the peer is dead. */
export function endLine(
  host: Host,
  line: PeerLine,
  how: "tell" | "silently",
  reason: string,
  cause: EndCause = "close",
): void {
  const { current } = line;
  const drawn: DrawnPart[] = [];
  if (how === "tell")
    for (const sa of host.registry.sasOf(line))
      if (sa.state.kind === "Live") drawn.push(...breakOff(host, sa, sa.state));
  const ended = deletesOf([...partsOf(line), ...drawn]);
  for (const pair of [...line.pairs.values()])
    if (how === "tell") deletePair(host, line, pair, reason);
    else removePair(host, line, pair, false, reason, cause);
  for (const sa of host.registry.sasOf(line))
    if (how === "tell" && sa.state.kind === "Live") closeIsakmp(host, sa, reason, ended);
    else host.destroy(sa, reason);
  line.dpd.stop();
  giveUp(host, line, reason);
  if (current === undefined) return;
  host.count("ike_deleted");
  report(host, { kind: "ike-down", ike: current.id, connection: line.connection.name, reason });
}

/**
 * Quick modes under way come to nothing: one that went on would make a pair over what is being deleted. What the peer may
 * have made of ours already comes back, to be deleted with the rest.
 */
function breakOff(host: Host, sa: IsakmpSa, live: Live): readonly DrawnPart[] {
  const drawn: DrawnPart[] = [];
  for (const [messageId, exchange] of [...live.exchanges]) {
    if (exchange.kind === "AwaitAcknowledgement") continue;
    if (exchange.kind === "AwaitMessage2" || exchange.kind === "AgreeingKe") drawn.push(...drawnParts(exchange));
    const task = taskOf(exchange);
    if (task !== undefined) sa.line.tasks.push(task);
    dropExchange(host, sa, live, messageId);
  }
  return drawn;
}

function partsOf({ pairs }: PeerLine): readonly DrawnPart[] {
  return [...pairs.values()].flatMap((pair) =>
    pair.parts.map(({ protocol, inboundSpi }) => ({ protocol: protocolId(protocol), spi: spiOctets(inboundSpi) })),
  );
}

function deletesOf(parts: readonly DrawnPart[]): readonly DeletePayload[] {
  return [ProtocolId.ESP, ProtocolId.AH].flatMap((protocol) => {
    const spis = parts.filter((part) => part.protocol === protocol).map(({ spi }) => spi);
    return spis.length === 0 ? [] : [deletePayload(protocol, spis)];
  });
}

/** What waited will not be done: whoever wants it asks again. */
function giveUp(host: Host, line: PeerLine, reason: string): void {
  const waiting = line.tasks.filter(isQuickTask);
  line.tasks = line.tasks.filter(({ work }) => work.kind === "disown");
  for (const { work } of waiting)
    host.failed(line, {
      child: configOf(work).name,
      stage: "quick mode",
      notify: undefined,
      from: "us",
      reason: `the ISAKMP SA ended before: ${reason}`,
      remedy: "none needed: it is asked for again over another ISAKMP SA",
    });
}
