/** What the benchmark asks of its load generator, and what it answers. */

export type GeneratorQuestion =
  | { readonly kind: "open"; readonly secret: string }
  | {
      /** So many handshakes are under way all the time; those of the first seconds are not counted. */
      readonly kind: "run";
      readonly concurrency: number;
      readonly warmUpSeconds: number;
      readonly seconds: number;
    };

export interface GeneratorFigures {
  readonly seconds: number;
  readonly established: number;
  readonly failed: number;
  /** Milliseconds of a handshake. */
  readonly p50: number;
  readonly p99: number;
  /** Under way on average, as looked at every few milliseconds. */
  readonly underWay: number;
  /** Processor seconds of the generator itself. */
  readonly cpuSeconds: number;
}

export type GeneratorAnswer =
  | { readonly kind: "opened" }
  | { readonly kind: "done"; readonly figures: GeneratorFigures }
  | { readonly kind: "failed"; readonly why: string };
