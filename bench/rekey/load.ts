/** What every scenario carries: one TCP stream as fast as it goes, and a numbered UDP stream each way beside it. */
import { numberedStreams, type StreamFigures } from "#bench/report/numbered-streams";
import type { Agent } from "#lab/agent";
import { hostA, type Lab } from "#lab/lab";

/** TCP finds its pace, compilers theirs. */
const WARM_UP_SECONDS = 3;

interface Ends {
  readonly a: Agent;
  readonly b: Agent;
}

/** Processes of their own for the numbered streams: one that is busy with TCP would come late to its datagrams. */
export interface LoadAgents {
  readonly tcp: Ends;
  readonly streams: Ends;
}

/** `damaged`: TCP's chunks too. */
export interface LoadFigures extends StreamFigures {
  readonly seconds: number;
  readonly gbitPerSecond: number;
}

export async function startAgents(lab: Lab): Promise<LoadAgents> {
  const [tcp, streams] = await Promise.all([lab.startHosts(), lab.startHosts()]);
  return { tcp, streams };
}

export async function warmUp({ tcp }: LoadAgents): Promise<void> {
  await tcp.b.pull(hostA(tcp.a), WARM_UP_SECONDS);
}

/** Once per agents. */
export async function carry({ tcp, streams }: LoadAgents, seconds: number, rate: number): Promise<LoadFigures> {
  const [pulled, figures] = await Promise.all([
    tcp.b.pull(hostA(tcp.a), seconds),
    numberedStreams(streams, seconds, rate),
  ]);
  return {
    ...figures,
    damaged: figures.damaged + pulled.damaged,
    seconds: pulled.seconds,
    gbitPerSecond: (pulled.octets * 8) / pulled.seconds / 1e9,
  };
}
