// Validates documents of the Gateway API: a JSON list on standard input. It prints a list of errors, null where there is none.
import * as models from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const told = JSON.parse(Buffer.concat(chunks)).map((document) => {
  const Model = document.apiVersion === "gateway.networking.k8s.io/v1" ? models[document.kind] : undefined;
  if (!Model) return `no schema knows ${document.apiVersion} ${document.kind}`;
  try {
    new Model(document).validate();
    return null;
  } catch (error) {
    return error.message;
  }
});
console.log(JSON.stringify(told));
