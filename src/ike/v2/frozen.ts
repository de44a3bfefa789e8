/** Version 2's state as plain data. */

/** Nothing yet: as long as an IKE SA is established the engine is not settled. */
export interface FrozenIkev2 {
  readonly sas: readonly never[];
}

export function wipeFrozenIkev2(_frozen: FrozenIkev2): void {}
