/** What another configuration changes, as lines for people. */
import type { ChangeFate, ConfigChange, ConfigChanges } from "#core/config-changes";

const FATES: Readonly<Record<ChangeFate, string>> = {
  kept: "SAs stay; counts from now on, or from the next negotiation",
  rekeyed: "new keys without loss, then it counts",
  renewed: "SAs are deleted at the peer, then as start_action says",
  ended: "SAs are deleted at the peer",
  new: "new",
};

const MARKS: Readonly<Record<ChangeFate, string>> = { kept: "~", rekeyed: "~", renewed: "!", ended: "-", new: "+" };

/** "1 added, 2 changed, 0 removed, 7 unchanged". */
export function changesSummary({ added, changed, removed, unchanged }: ConfigChanges): string {
  const counts = [`${added.length} added`, `${changed.length} changed`, `${removed.length} removed`];
  return `${counts.join(", ")}, ${unchanged.length} unchanged`;
}

/** One line a change; none where nothing changes. */
export function changeLines({ details, credentials }: ConfigChanges): string[] {
  const lines = details.map(changeLine);
  if (credentials) lines.push("~ secrets, keys or certificates: SAs stay; they count from the next authentication on");
  return lines;
}

function changeLine({ connection, child, fate, keys }: ConfigChange): string {
  const subject = child === undefined ? connection : `${connection}/${child}`;
  const what = keys.length === 0 ? "" : `${keys.join(", ")}: `;
  return `${MARKS[fate]} ${subject}: ${what}${FATES[fate]}`;
}
