// A small application: reads its flag over OFREP, obeys it, and reports what came of it. Usage: node app.js ADDRESS USER
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

type Feature = { enabled: boolean; model: string; min_confidence: number };

const FLAG = "case-law-ai";
const BEFORE: Feature = { enabled: true, model: "v2.3", min_confidence: 0.7 }; // what it did without Sluice

// stands for the model: cases with how sure it is of each
const suggestions = (model: string): [title: string, confidence: number][] =>
  Object.entries(model === "v2.4" ? { "Smith v. Jones": 0.93, "Doe v. Roe": 0.72 } : { "Smith v. Jones": 0.81 });

// one visit: what is shown, and the events that say so
const visit = (feature: Feature): { shown: string; events: string[] } => {
  if (!feature.enabled) return { shown: "search as it was before", events: ["request"] };
  const sure = suggestions(feature.model).filter(([, confidence]) => confidence >= feature.min_confidence);
  const titles = sure.map(([title]) => title).join(", ");
  const events = titles ? ["request", "shown"] : ["request"];
  return { shown: `${feature.model}: ${titles || "nothing it is sure of"}`, events };
};

const [address, name] = process.argv.slice(2);
if (!address || !name) throw new Error("usage: node app.js ADDRESS USER");
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: address }));
const context = { email: `${name}@mail.test`, tier: "standard" }; // what the plan's unit, allow and block look at
const client = OpenFeature.getClient();
const { shown, events } = visit(await client.getObjectValue<Feature>(FLAG, BEFORE, { targetingKey: name, ...context }));
console.log(shown);

const answer = await fetch(`${address}/v1/track`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(events.map((event) => ({ flag: FLAG, targetingKey: name, event, context }))),
});
if (!answer.ok) throw new Error(`/v1/track: ${answer.status} ${await answer.text()}`);
await OpenFeature.close();
