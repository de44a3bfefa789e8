/** `esplanade grafana dashboard`: a dashboard for Grafana, over the metrics of docs/monitoring.md. */
import type { Command } from "./command.ts";
import { monitoringFile } from "./monitoring.ts";

export const grafana: Command = {
  name: "grafana",
  summary: "print a dashboard for Grafana",
  parameters: ["dashboard"],
  options: {},
  examples: ["esplanade grafana dashboard > /var/lib/grafana/dashboards/esplanade.json"],
  run: async (args, io) => {
    io.out(monitoringFile(args.parameter("dashboard"), { dashboard: "dashboard.json" }));
    return 0;
  },
};
