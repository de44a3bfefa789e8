/** Version 1's state as plain data. */

/** Nothing yet: as long as an ISAKMP SA is established the engine is not settled. */
export interface FrozenIkev1 {
  readonly sas: readonly never[];
}

export function wipeFrozenIkev1(_frozen: FrozenIkev1): void {}
