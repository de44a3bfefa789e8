/** What a gateway process and the process that forked it say to each other over Node's channel. */
import type { IkeReport } from "#core/ike-state";
import type { StallReport } from "#core/operator";
import type { GatewaySnapshot } from "#src/main";

/** "stall": since it was asked for the last time. "reports": from now on, each as it happens. */
export type ParentQuestion = "snapshot" | "reports" | "stall";

export type ParentAnswer =
  | { readonly kind: "snapshot"; readonly snapshot: GatewaySnapshot }
  | { readonly kind: "report"; readonly report: IkeReport }
  | { readonly kind: "stall"; readonly stall: StallReport };
