/** A numbered UDP stream each way between the lab's hosts: what must come through whole, whatever is measured beside it. */
import type { Agent } from "#lab/agent";
import { hostA, hostB } from "#lab/lab";

const OCTETS = 200;
const [THERE, BACK] = [1, 2];

export interface StreamFigures {
  /** Of both streams. */
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly damaged: number;
  /** Longest time without a datagram of a stream, in milliseconds. */
  readonly longestGap: number;
}

/** `rate`: datagrams a second of each stream. Once per agents: a flow's number is used once. */
export async function numberedStreams(
  { a, b }: { readonly a: Agent; readonly b: Agent },
  seconds: number,
  rate: number,
): Promise<StreamFigures> {
  const count = Math.round(seconds * rate);
  const [there, back] = await Promise.all([
    a.flow(hostB(b), THERE, count, rate, OCTETS),
    b.flow(hostA(a), BACK, count, rate, OCTETS),
  ]);
  const reports = [await b.finalFlowReport(THERE, there.sent), await a.finalFlowReport(BACK, back.sent)];
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const sent = there.sent + back.sent;
  return {
    sent,
    lost: sent - sum(reports.map(({ received }) => received)),
    duplicated: sum(reports.map(({ duplicates }) => duplicates)),
    reordered: sum(reports.map(({ reordered }) => reordered)),
    damaged: sum(reports.map(({ damaged }) => damaged)),
    longestGap: Math.max(...reports.map(({ longestGap }) => longestGap)),
  };
}
