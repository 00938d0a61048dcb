// A small application: reads its flag over OFREP, obeys it, and reports what came of it. Usage: node app.mjs ADDRESS USER
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const FLAG = "case-law-ai";
const BEFORE = { enabled: true, model: "v2.3", min_confidence: 0.7 }; // what it did without Sluice

// stands for the model: cases with how sure it is of each
const suggestions = (model) =>
  Object.entries(model === "v2.4" ? { "Smith v. Jones": 0.93, "Doe v. Roe": 0.72 } : { "Smith v. Jones": 0.81 });

const [address, name] = process.argv.slice(2);
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: address }));
const context = { email: `${name}@mail.test`, tier: "standard" }; // what the plan's unit, allow and block look at
const feature = await OpenFeature.getClient().getObjectValue(FLAG, BEFORE, { targetingKey: name, ...context });

const events = ["request"];
if (feature.enabled) {
  const sure = suggestions(feature.model).filter(([, confidence]) => confidence >= feature.min_confidence);
  if (sure.length > 0) events.push("shown");
  console.log(`${feature.model}: ${sure.map(([title]) => title).join(", ") || "nothing it is sure of"}`);
} else {
  console.log("search as it was before");
}

const told = events.map((event) => ({ flag: FLAG, targetingKey: name, event, context }));
const answer = await fetch(`${address}/v1/track`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(told),
});
if (!answer.ok) throw new Error(`/v1/track: ${answer.status} ${await answer.text()}`);
await OpenFeature.close();
