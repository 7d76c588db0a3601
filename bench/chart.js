import { barX, gridX, plot, text } from "@observablehq/plot";
import { parseHTML } from "linkedom";

import { bareWithSpans, own, variants } from "./clients.js";

/** An SVG: CPU time per call with 64 calls in flight, a bar for each client. */
export function drawChart(results) {
  const { document } = parseHTML("<html></html>");
  const data = results
    .filter(({ name }) => !variants.includes(name) && name !== bareWithSpans)
    .map(({ name, cpuUs }) => ({ name, cpuUs }))
    .toSorted((a, b) => a.cpuUs - b.cpuUs);
  const svg = plot({
    document,
    width: 720,
    height: 60 + 34 * data.length,
    marginLeft: 150,
    marginRight: 50,
    marginBottom: 50,
    style: {
      background: "white",
      color: "#222",
      fontFamily: "system-ui, sans-serif",
      fontSize: "13px",
    },
    x: {
      label: "CPU time per call, µs (less is better)",
      labelArrow: "none",
      tickSpacing: 80,
      labelOffset: 44,
    },
    y: { label: null, domain: data.map(({ name }) => name), tickSize: 0 },
    marks: [
      gridX(),
      barX(data, {
        x: "cpuUs",
        y: "name",
        fill: ({ name }) => (name === own ? "#2563eb" : "#a3a3a3"),
      }),
      text(data, {
        x: "cpuUs",
        y: "name",
        text: ({ cpuUs }) => cpuUs.toFixed(0),
        textAnchor: "start",
        dx: 6,
      }),
    ],
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "CPU time per call of clients for ZITADEL, 64 calls in flight");
  return `${svg.outerHTML}\n`;
}
