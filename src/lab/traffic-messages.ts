/** What the lab asks of a traffic agent, and what it answers. */

/** Where an agent's servers listen: they are the same on all its addresses. */
export interface AgentPorts {
  readonly tcp: number;
  readonly udp: number;
}

export type TrafficRequest =
  | {
      /** Receives a TCP stream from another agent until either limit. */
      readonly kind: "pull";
      readonly address: string;
      readonly port: number;
      readonly seconds: number;
      readonly octets: number;
    }
  | {
      /** UDP round trips, one after the other. */
      readonly kind: "echo";
      readonly address: string;
      readonly port: number;
      readonly count: number;
      readonly octets: number;
      /** Milliseconds between an answer and the next question. */
      readonly pause: number;
    }
  | {
      /** Numbered datagrams at a steady pace. */
      readonly kind: "flow";
      readonly flow: number;
      readonly address: string;
      readonly port: number;
      readonly count: number;
      readonly perSecond: number;
      readonly octets: number;
    }
  | { readonly kind: "flow-report"; readonly flow: number }
  | {
      /** A program of the machine's, such as ping. */
      readonly kind: "execute";
      readonly command: string;
      readonly arguments: readonly string[];
      readonly seconds: number;
    };

export interface PullResult {
  readonly octets: number;
  readonly seconds: number;
  /** Chunks that were not what was sent. */
  readonly damaged: number;
}

export interface EchoResult {
  readonly sent: number;
  readonly lost: number;
  /** Milliseconds, in the order of time. */
  readonly roundTrips: readonly number[];
}

export interface FlowResult {
  readonly sent: number;
  /** That sending took: more than count / perSecond where the sender could not keep the pace. */
  readonly seconds: number;
}

export interface FlowReport {
  readonly received: number;
  readonly duplicates: number;
  readonly reordered: number;
  readonly damaged: number;
  /** The longest time between two that came one after the other, in milliseconds. */
  readonly longestGap: number;
}

export interface ExecuteResult {
  /** undefined when the program could not be started or was stopped. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TrafficResults {
  readonly pull: PullResult;
  readonly echo: EchoResult;
  readonly flow: FlowResult;
  readonly "flow-report": FlowReport;
  readonly execute: ExecuteResult;
}

export type AgentAnswer =
  | { readonly kind: "ready"; readonly ports: AgentPorts }
  | { readonly kind: "done"; readonly id: number; readonly result: TrafficResults[keyof TrafficResults] }
  | { readonly kind: "failed"; readonly id: number; readonly why: string };

export interface AgentQuestion {
  readonly id: number;
  readonly request: TrafficRequest;
}
