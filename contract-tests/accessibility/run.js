// Draws each page in a window of each width, runs the rules of WCAG 2.1, levels A and AA, in it, and
// leaves what they say on the root element, from where the test reads it.
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
const asked = new URLSearchParams(location.search);

async function drawn(page, width) {
  const frame = document.createElement("iframe");
  const loaded = new Promise((done) => { frame.onload = done; });
  Object.assign(frame, { width, height: 1600, src: page });
  document.body.append(frame);
  await loaded;
  const inner = frame.contentWindow;
  const result = await inner.axe.run(inner.document, { runOnly: { type: "tag", values: rules } });
  const root = inner.document.documentElement;
  const said = {
    page, width, passed: result.passes.length, overflows: root.scrollWidth > root.clientWidth,
    violations: result.violations.map((rule) => ({
      id: rule.id, help: rule.help, nodes: rule.nodes.map((node) => node.html + " – " + node.failureSummary),
    })),
  };
  frame.remove();
  return said;
}

async function all() {
  const said = [];
  for (const page of asked.getAll("page")) {
    for (const width of asked.getAll("width")) {
      said.push(await drawn(page, width));
    }
  }
  return said;
}

all().catch((error) => [{ error: String(error) }])
  .then((said) => document.documentElement.setAttribute("data-axe", encodeURIComponent(JSON.stringify(said))));
