/** The next process's half of an upgrade (process/hand-over.ts): what it is born with, and the gateway it goes on with. */
import type { IkeEventsState } from "#metrics/ike-events";
import type { Inheritance } from "#src/main";
import { BORN_WITH, type Offer, STATE_FORMAT, type StandingState, TAKE_OVER } from "./hand-over.ts";
import { notInherited } from "./inherited.ts";
import { takeState } from "./memory-file.ts";
import { UpgradeChannel } from "./upgrade-channel.ts";

/** Why there is nothing to take over; the former process goes on. */
class TakeOverError extends Error {
  readonly code = "TAKE_OVER";
}

export class TakeOver {
  readonly offer: Offer;
  readonly #channel: UpgradeChannel;
  /** Who waits for the last process of the line; its end is this gateway's. */
  readonly keeper: { readonly channel: UpgradeChannel; readonly fd: number } | undefined;

  #events: IkeEventsState | undefined;

  private constructor(offer: Offer, channel: UpgradeChannel) {
    this.offer = offer;
    this.#channel = channel;
    const fd = offer.keeper ?? (offer.kept ? BORN_WITH.CHANNEL : undefined);
    if (fd === undefined) return;
    notInherited(fd, "channel of the keeper");
    this.keeper = { fd, channel: fd === BORN_WITH.CHANNEL ? channel : UpgradeChannel.of(fd) };
  }

  /** `format`: the one that is known. undefined: this process is the first of its line. Throws TakeOverError. */
  static begin(format: number = STATE_FORMAT): TakeOver | undefined {
    if (process.env[TAKE_OVER] === undefined) return undefined;
    delete process.env[TAKE_OVER];
    const channel = UpgradeChannel.of(BORN_WITH.CHANNEL);
    notInherited(BORN_WITH.CHANNEL, "channel to the running gateway");
    const offer = takeState(BORN_WITH.OFFER);
    if (!isOffer(offer, format)) {
      const why = `this program does not know the state of the running one (it knows form ${format}): stop the gateway and start it again`;
      void channel.send({ kind: "refused", why });
      throw new TakeOverError(why);
    }
    return new TakeOver(offer, channel);
  }

  get inheritance(): Inheritance {
    const { descriptors, mtu, guarded } = this.offer;
    return {
      descriptors,
      mtu,
      guarded,
      prepared: async () => {
        await this.#channel.send({ kind: "prepared" });
        await this.#await("frozen");
        // Both ends are this program.
        const { gateway, events } = takeState(BORN_WITH.STATE) as StandingState;
        this.#events = events;
        return gateway;
      },
      thawed: async () => {
        await this.#channel.send({ kind: "thawed" });
        await this.#await("yours");
      },
    };
  }

  /** What the former process had counted; undefined before `prepared`. */
  get events(): IkeEventsState | undefined {
    return this.#events;
  }

  async taken(): Promise<void> {
    const message = { kind: "taken", pid: process.pid } as const;
    await this.#channel.send(message);
    const { keeper } = this;
    if (keeper !== undefined && keeper.channel !== this.#channel) await keeper.channel.send(message);
    if (keeper?.channel !== this.#channel) this.#channel.close();
    keeper?.channel.unref();
  }

  async refuse(why: string): Promise<void> {
    await this.#channel.send({ kind: "refused", why });
  }

  async #await(kind: "frozen" | "yours"): Promise<void> {
    const message = await this.#channel.next();
    if (message?.kind !== kind) throw new TakeOverError("the running gateway called the upgrade off");
  }
}

function isOffer(value: unknown, format: number): value is Offer {
  return typeof value === "object" && value !== null && "format" in value && value.format === format;
}
