/** list-sas: what runs now. */
import type { GatewayDetails, PairDetails } from "#core/details";
import type { Command, EventMessage } from "./command.ts";
import { type Message, numberOf, section, textOf } from "./message.ts";
import type { Reqids } from "./reqids.ts";
import { childSection, ikeKeys } from "./sa-messages.ts";
import type { ViciWorld } from "./world.ts";

export function listSas({ gateway }: ViciWorld, reqids: Reqids): Command {
  return (request) => {
    const details = gateway.details();
    const filter = filterOf(request);
    return { events: details === undefined ? [] : events(details, filter, reqids), response: [] };
  };
}

interface Filter {
  readonly ike: string | undefined;
  readonly ikeId: number | undefined;
  readonly child: string | undefined;
  readonly childId: number | undefined;
}

function filterOf(request: Message): Filter {
  return {
    ike: textOf(request, "ike"),
    ikeId: numberOf(request, "ike-id"),
    child: textOf(request, "child"),
    childId: numberOf(request, "child-id"),
  };
}

const EVERYTHING: Filter = { ike: undefined, ikeId: undefined, child: undefined, childId: undefined };

/** An event an IKE SA, without filter. */
export function saEvents(details: GatewayDetails, reqids: Reqids): Iterable<EventMessage> {
  return events(details, EVERYTHING, reqids);
}

function* events(details: GatewayDetails, filter: Filter, reqids: Reqids): Generator<EventMessage> {
  const { now, sas, pairs } = details;
  const byId = new Map<number, PairDetails>(pairs.map((pair) => [pair.id, pair]));
  for (const sa of sas) {
    if ((filter.ike ?? sa.connection) !== sa.connection || (filter.ikeId ?? sa.id) !== sa.id) continue;
    const children = sa.children
      .filter(({ name, id }) => (filter.child ?? name) === name && (filter.childId ?? id) === id)
      .map((child) => ({ child, pair: byId.get(child.id), reqid: reqids.of(sa.connection, child.name) }));
    yield {
      event: "list-sa",
      message: section(
        sa.connection,
        ikeKeys(sa, now),
        section("child-sas", ...children.map((child) => childSection(child, now))),
      ),
    };
  }
}
