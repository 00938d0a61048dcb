// Evaluates what it is asked over OFREP with the real Node clients; one JSON line of answers on stdout.
// usage: node ask.mjs BASE_URL '[["boolean" | "string" | "number" | "object", key, default, context], …]'
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const [baseUrl, questions] = process.argv.slice(2);
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl }));
const client = OpenFeature.getClient();
const methods = {
  boolean: client.getBooleanDetails,
  string: client.getStringDetails,
  number: client.getNumberDetails,
  object: client.getObjectDetails,
};
const answers = [];
for (const [type, key, fallback, context] of JSON.parse(questions)) {
  const { value, variant, reason, errorCode, flagMetadata } = await methods[type].call(client, key, fallback, context);
  answers.push({ value, variant, reason, errorCode, metadata: flagMetadata });
}
console.log(JSON.stringify(answers));
await OpenFeature.close();
