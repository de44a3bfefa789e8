/** Whether a gateway works: what `/readyz` answers by. */
import type { Gateway } from "#src/main";

/** Milliseconds a lane may take to its next turn. */
const PATIENCE = 1000;

/** Why it does not carry packets, or undefined: its ports are open since it has started, so what counts is that lanes turn. */
export async function whyNotReady(
  gateway: Pick<Gateway, "turn" | "ended">,
  patience: number = PATIENCE,
): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`a lane has not turned for ${patience / 1000} s`), patience);
  });
  const ended = gateway.ended.then((why) => why ?? "it stops");
  const turned = gateway.turn().then(() => undefined);
  try {
    // The end counts before a last turn.
    return await Promise.race([ended, turned, late]);
  } finally {
    clearTimeout(timer);
  }
}
