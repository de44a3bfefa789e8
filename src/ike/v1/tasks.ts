/** What is to be done over a line's current ISAKMP SA. */
import type { Trigger } from "#core/ike-state";

export interface Task {
  readonly trigger: Trigger;
}
