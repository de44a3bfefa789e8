/** A process that is to take a gateway over, for hand-over.test.ts: how it goes about it is its argument. */
import { TakeOver } from "#process/take-over";

const UNKNOWN_FORMAT = 999;
const [, , manner = ""] = process.argv;
if (manner === "ends") process.exit(1);
const takeOver = TakeOver.begin(manner === "older" ? UNKNOWN_FORMAT : undefined);
if (takeOver !== undefined) {
  const { inheritance } = takeOver;
  if (manner === "refuses") await takeOver.refuse("it has no TUN");
  else {
    const { plane } = await inheritance.prepared();
    if (manner === "ends with the state") process.exit(1);
    await inheritance.thawed();
    if (plane.ids === 4711) await takeOver.taken();
  }
}
