/** What an attempt that failed was made of: plain data for `why`. Never a secret. */

/** Nobody answered: what came instead (ICMP), how often it was said, and for how long. */
export interface Silence {
  readonly answer: "silent" | "refused" | "unreachable";
  readonly sends: number;
  readonly millis: number;
}

/** What was sent and what is known of the other side; lists are cut to a few entries. */
export interface FailureDetails {
  /** "192.0.2.1:500"; undefined where nothing was sent. */
  readonly local: string | undefined;
  readonly remote: string | undefined;
  /** Proposals of ours for what failed, as swanctl.conf writes them. */
  readonly ourOffer: readonly string[];
  /** The peer's, where it said them; undefined: a refusal names none. */
  readonly theirOffer: readonly string[] | undefined;
  /** Of the child that failed; empty where it was none. */
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
  /** As they are configured; undefined = the address, or anybody. */
  readonly localIdentity: string | undefined;
  readonly remoteIdentity: string | undefined;
  /** undefined: somebody answered. */
  readonly silence: Silence | undefined;
}
