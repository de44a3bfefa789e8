/** What list-sas of vici tells, as plain data for the control socket. */
import type { OperatedGateway, SaRecord } from "#core/operator";
import { saEvents } from "./list-sas.ts";
import type { Message } from "./message.ts";
import type { Reqids } from "./reqids.ts";

/** One record an IKE SA: its connection's name over its keys. Keys by hand have none. */
export function saRecords(gateway: OperatedGateway, reqids: Reqids): readonly SaRecord[] {
  const details = gateway.details();
  if (details === undefined) return [];
  return [...saEvents(details, reqids)].map(({ message }) => recordOf(message));
}

function recordOf(message: Message): SaRecord {
  const record: Record<string, SaRecord | string | readonly string[]> = {};
  for (const entry of message)
    if (entry.kind === "value") record[entry.key] = textOf(entry.value);
    else record[entry.key] = entry.kind === "list" ? entry.items.map(textOf) : recordOf(entry.entries);
  return record;
}

function textOf(octets: Uint8Array): string {
  return new TextDecoder().decode(octets);
}
