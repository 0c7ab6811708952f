// Runs the rules of WCAG 2.1, levels A and AA, and leaves what they say on the root element, from where
// the test reads it.
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
axe.run(document, { runOnly: { type: "tag", values: rules }, resultTypes: ["violations", "incomplete"] })
  .then((result) => ({
    passed: result.passes.length,
    violations: result.violations.map((rule) => ({
      id: rule.id, help: rule.help, nodes: rule.nodes.map((node) => node.html + " – " + node.failureSummary),
    })),
  }), (error) => ({ error: String(error) }))
  .then((said) => document.documentElement.setAttribute("data-axe", encodeURIComponent(JSON.stringify(said))));
