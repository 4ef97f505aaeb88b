// The functions of recorder.py, for Node.
import { connect as open } from "node:net";
import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";

const told = (name, event, more = {}) =>
  new Promise((resolve, reject) => {
    const test = open(Number(process.env.RECORDER), "127.0.0.1", () =>
      test.write(JSON.stringify({ function: name, event, hold: false, ...more }) + "\n"),
    );
    test.once("data", () => test.end(resolve));
    test.once("error", reject);
  });

const posted = async (event) => {
  const api = new ApiGatewayManagementApiClient({
    endpoint: process.env.ENDPOINT,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  const ConnectionId = event.requestContext.connectionId;
  try {
    await api.send(new PostToConnectionCommand({ ConnectionId, Data: "too early" }));
  } catch (error) {
    return error.name;
  }
  return "sent";
};

export const connect = async (event) => {
  const asked = event.queryStringParameters ?? {};
  await told("connect", event, { post: "post" in asked ? await posted(event) : null });
  if ("raise" in asked) throw new Error("secret of the function");
  const answer = { statusCode: Number(asked.status ?? 200) };
  if ("protocol" in asked) answer.headers = { "Sec-WebSocket-Protocol": asked.protocol };
  return answer;
};

export const message = async (event) => {
  const body = String(event.body ?? "");
  await told("message", event, { hold: body.includes("hold") });
  if (body.includes("raise")) throw new Error("secret of the function");
  if (body.includes("malformed")) return "no object";
  return { statusCode: 200, body: "the function's body" };
};

export const known = async (event) => {
  await told("known", event);
  return { statusCode: 200 };
};

export const disconnect = async (event) => {
  await told("disconnect", event);
  return { statusCode: 200 };
};

export const http = async (event) => {
  await told("http", event);
  if ("raise" in (event.queryStringParameters ?? {})) throw new Error("secret of the function");
  return { plain: ["data"] };
};
