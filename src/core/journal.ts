/** What happened in a gateway, remembered for a while: plain data for `why`, vici's log and the HTTP interface. No secrets. */
import type { IkeReport, Trigger } from "./ike-state.ts";

export type JournalEvent =
  | {
      readonly kind: "ike-up";
      readonly connection: string;
      readonly version: 1 | 2;
      readonly id: number;
      /** "203.0.113.2:4500" */
      readonly remote: string;
      readonly remoteIdentity: string;
      readonly suite: string;
      readonly tookMillis: number;
    }
  | {
      readonly kind: "ike-rekeyed";
      readonly connection: string;
      readonly version: 1 | 2;
      readonly id: number;
      readonly former: number;
      readonly trigger: Trigger;
      readonly suite: string;
    }
  | { readonly kind: "ike-down"; readonly connection: string; readonly id: number; readonly reason: string }
  | Extract<IkeReport, { readonly kind: "child-up" | "child-down" | "rekey" | "fallback" | "warning" }>
  /** `retryAt`: when it is tried again, in milliseconds since 1970. */
  | (Omit<Extract<IkeReport, { readonly kind: "failed" }>, "retryAt"> & { readonly retryAt: number | undefined })
  | {
      readonly kind: "sa-retired";
      readonly connection: string;
      readonly child: string;
      readonly spiIn: string;
      readonly spiOut: string;
      readonly keyOctetsIn: number;
      readonly keyOctetsOut: number;
    }
  /** `why`: what was wrong with it, where it was refused. */
  | { readonly kind: "reload"; readonly done: boolean; readonly why: string | undefined };

export type JournalEntry = JournalEvent & {
  /** 1, 2, 3 … of this process. */
  readonly number: number;
  /** Wall clock, in milliseconds since 1970. */
  readonly at: number;
  readonly level: "info" | "warn";
  /** The same in one line for people; nothing in it moves a terminal's cursor. */
  readonly line: string;
};

export interface JournalPage {
  /** The oldest first. */
  readonly events: readonly JournalEntry[];
  /** Ask for what comes after this one next time. */
  readonly last: number;
  /** Events after the asked one that had to make room: they are not known any more. */
  readonly lost: number;
}

/** The journal as readers see it. */
export interface Journal {
  /** Events with a larger number; at most `limit`, the newest ones. */
  after(number: number, limit: number): JournalPage;
  /** Each from now on; the listener does not throw. Returns what ends it. */
  listen(listener: (entry: JournalEntry) => void): () => void;
}
